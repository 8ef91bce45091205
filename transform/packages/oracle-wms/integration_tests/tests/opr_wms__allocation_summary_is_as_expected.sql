{{ differing_rows('opr_wms__allocation_summary') }}

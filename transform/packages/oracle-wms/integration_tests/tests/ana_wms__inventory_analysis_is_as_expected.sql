{{ differing_rows('ana_wms__inventory_analysis') }}

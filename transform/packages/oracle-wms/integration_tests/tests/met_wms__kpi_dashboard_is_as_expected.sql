{{ differing_rows('met_wms__kpi_dashboard') }}

"""Singer tap and target for DuckDB and Postgres warehouses."""

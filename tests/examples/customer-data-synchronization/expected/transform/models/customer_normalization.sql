-- A first version of customer_normalization, written by flexcore-gen for pipeline
-- customer-data-synchronization. It is yours: change it as you like, generate leaves it alone.
select *
from {{ source('oracle_prod', 'extract_oracle_customers') }}

-- A first version of orders, written by flexcore-gen for pipeline
-- orders. It is yours: change it as you like, generate leaves it alone.
select *
from {{ source('oracle_prod', 'sales-orders') }}

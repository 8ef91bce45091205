-- Nothing is lost or doubled between what landed and the figures.
with landed as (

    select
        (select count(*) from {{ source('oracle_wms', 'order_hdr') }}) as orders,
        (select count(*) from {{ source('oracle_wms', 'order_dtl') }}) as order_lines,
        (select count(*) from {{ source('oracle_wms', 'allocation') }}) as allocations,
        (select sum(curr_qty) from {{ source('oracle_wms', 'inventory') }}) as units

),

counted as (

    select
        sum(total_orders) as orders,
        sum(total_order_lines) as order_lines,
        sum(total_allocations) as allocations,
        sum(total_on_hand_quantity) as units
    from {{ ref('met_wms__kpi_dashboard') }}

)

select *
from landed
cross join counted
where
    landed.orders <> counted.orders
    or landed.order_lines <> counted.order_lines
    or landed.allocations <> counted.allocations
    or abs(landed.units - counted.units) > 0.0001

with orders as (

    select * from {{ ref('stg_wms__order_hdr') }}
    where
        order_date > {{ days_from_as_of(-var('oracle_wms_demand_days')) }}
        and order_date <= {{ as_of_date() }}
        and not (
            {{ is_one_of('status_id', var('oracle_wms_order_cancelled_status_ids')) }}
        )

),

lines as (

    select
        orders.facility_id,
        orders.facility_key,
        order_lines.item_id,
        order_lines.item_key,
        {{ as_amount('coalesce(order_lines.ordered_quantity, 0)') }} as units,
        {{ facility_item('orders.facility_id', 'order_lines.item_id') }}
            as facility_item_id
    from {{ ref('stg_wms__order_dtl') }} order_lines
    inner join orders on order_lines.order_id = orders.order_id

)

select
    {{ as_text('facility_item_id') }} as facility_item_id,
    max(facility_id) as facility_id,
    max(item_id) as item_id,

    max(facility_key) as facility_key,
    max(item_key) as item_key,

    {{ as_amount('sum(units)') }} as demand_quantity
from lines
group by facility_item_id

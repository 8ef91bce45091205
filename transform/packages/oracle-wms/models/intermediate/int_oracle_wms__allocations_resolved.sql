with allocations as (

    select * from {{ ref('stg_wms__allocation') }}

),

lines as (

    select * from {{ ref('stg_wms__order_dtl') }}

),

orders as (

    select * from {{ ref('stg_wms__order_hdr') }}

),

stock as (

    select * from {{ ref('stg_wms__inventory') }}

)

select
    allocations.allocation_id,
    lines.order_id,
    allocations.from_inventory_id,
    coalesce(orders.facility_id, stock.facility_id) as facility_id,
    coalesce(lines.item_id, stock.item_id) as item_id,

    {{ as_amount('coalesce(allocations.allocated_quantity, 0)') }} as allocated_quantity,
    {{ as_amount('coalesce(allocations.picked_quantity, 0)') }} as picked_quantity,

    {{ flag(is_one_of(
        'allocations.status_id', var('oracle_wms_allocation_cancelled_status_ids')
    )) }} as is_cancelled
from allocations
left join lines on allocations.order_dtl_id = lines.order_dtl_id
left join orders on lines.order_id = orders.order_id
left join stock on allocations.from_inventory_id = stock.inventory_id

with allocations as (

    select
        from_inventory_id,
        allocated_quantity - picked_quantity as open_quantity
    from {{ ref('int_oracle_wms__allocations_resolved') }}
    where not {{ is_true('is_cancelled') }} and allocated_quantity > picked_quantity

),

-- By the place of the stock, not of the order; stock that is gone reserves nothing.
placed as (

    select
        {{ facility_item('stock.facility_id', 'stock.item_id') }} as facility_item_id,
        allocations.open_quantity
    from allocations
    inner join {{ ref('stg_wms__inventory') }} stock
        on allocations.from_inventory_id = stock.inventory_id

)

select
    {{ as_text('facility_item_id') }} as facility_item_id,

    {{ as_amount('sum(open_quantity)') }} as reserved_quantity
from placed
group by facility_item_id

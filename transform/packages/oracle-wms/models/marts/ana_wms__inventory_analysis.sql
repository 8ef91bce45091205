with stock as (

    select * from {{ ref('int_oracle_wms__stock_totalled') }}

),

demand as (

    select * from {{ ref('int_oracle_wms__demand_totalled') }}

),

-- What is there, and what is only asked for.
together as (

    select
        coalesce(stock.facility_item_id, demand.facility_item_id) as facility_item_id,
        coalesce(stock.facility_id, demand.facility_id) as facility_id,
        coalesce(stock.item_id, demand.item_id) as item_id,
        coalesce(stock.facility_key, demand.facility_key) as facility_key,
        coalesce(stock.item_key, demand.item_key) as item_key,
        stock.earliest_expiry_date,
        coalesce(stock.location_count, 0) as location_count,
        coalesce(stock.container_count, 0) as container_count,
        {{ as_amount('coalesce(stock.on_hand_quantity, 0)') }} as on_hand_quantity,
        {{ as_amount('coalesce(stock.expired_quantity, 0)') }} as expired_quantity,
        {{ as_amount('coalesce(stock.expiring_quantity, 0)') }} as expiring_quantity,
        {{ as_amount('coalesce(demand.demand_quantity, 0)') }} as demand_quantity
    from stock
    full outer join demand on stock.facility_item_id = demand.facility_item_id

),

valued as (

    select
        together.*,
        items.item_code,
        items.description as item_description,
        {{ as_amount('items.unit_cost') }} as unit_cost,
        {{ as_amount('coalesce(reserved.reserved_quantity, 0)') }} as reserved_quantity,
        {{ as_amount(product('together.on_hand_quantity', 'items.unit_cost')) }}
            as inventory_value,
        {{ as_amount(
            ratio('together.on_hand_quantity', 'together.demand_quantity')
            ~ ' * ' ~ var('oracle_wms_demand_days')
        ) }} as days_of_supply,
        {{ as_amount(
            ratio('together.demand_quantity', 'together.on_hand_quantity')
            ~ ' * 365 / ' ~ var('oracle_wms_demand_days')
        ) }} as annual_turnover_rate
    from together
    left join {{ ref('stg_wms__item') }} items on together.item_id = items.item_id
    left join {{ ref('int_oracle_wms__reserved_stock_totalled') }} reserved
        on together.facility_item_id = reserved.facility_item_id

),

-- Most of the value first, within each facility.
ranked as (

    select
        valued.*,
        sum(coalesce(inventory_value, 0)) over (partition by facility_id) as total_value,
        sum(coalesce(inventory_value, 0)) over (
            partition by facility_id
            order by coalesce(inventory_value, 0) desc, facility_item_id
            rows between unbounded preceding and current row
        ) - coalesce(inventory_value, 0) as value_before
    from valued

),

judged as (

    select
        ranked.*,
        case
            when inventory_value is null then 'unvalued'
            when inventory_value <= 0 then 'C'
            when value_before < 0.8 * total_value then 'A'
            when value_before < 0.95 * total_value then 'B'
            else 'C'
        end as abc_classification,
        case
            when on_hand_quantity <= 0 then 'no stock'
            when demand_quantity = 0 then 'no demand'
            when annual_turnover_rate >= 12 then 'fast'
            when annual_turnover_rate >= 4 then 'medium'
            else 'slow'
        end as inventory_turnover_category,
        case
            when expired_quantity > 0 then 'remove expired stock'
            when on_hand_quantity < reserved_quantity then 'correct allocations'
            when on_hand_quantity <= 0 and demand_quantity > 0 then 'replenish'
            when days_of_supply < 7 then 'replenish'
            when expiring_quantity > 0 then 'ship expiring stock first'
            when on_hand_quantity > 0 and demand_quantity = 0 then 'review unused stock'
        end as optimization_recommendation
    from ranked

)

select
    {{ as_text('facility_item_id') }} as facility_item_id,
    facility_id,
    item_id,

    {{ as_text('facility_key') }} as facility_key,
    {{ as_text('coalesce(item_code, item_key)') }} as item_code,
    {{ as_text('item_description') }} as item_description,
    {{ as_text('abc_classification') }} as abc_classification,
    {{ as_text('inventory_turnover_category') }} as inventory_turnover_category,
    {{ as_text(
        "case
            when optimization_recommendation in (
                'remove expired stock', 'correct allocations'
            ) or (on_hand_quantity <= 0 and demand_quantity > 0) then 'critical'
            when optimization_recommendation in (
                'replenish', 'ship expiring stock first'
            ) then 'high'
            when optimization_recommendation is not null then 'medium'
            else 'low'
        end"
    ) }} as inventory_risk_level,
    {{ as_text('optimization_recommendation') }} as optimization_recommendation,

    {{ as_count('location_count') }} as location_count,
    {{ as_count('container_count') }} as container_count,
    on_hand_quantity,
    reserved_quantity,
    {{ as_amount('on_hand_quantity - reserved_quantity') }} as available_quantity,
    expired_quantity,
    expiring_quantity,
    demand_quantity,
    unit_cost,
    inventory_value,
    days_of_supply,
    annual_turnover_rate,

    earliest_expiry_date
from judged

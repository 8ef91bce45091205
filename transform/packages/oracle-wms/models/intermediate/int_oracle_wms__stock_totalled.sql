with stock as (

    select
        inventory.*,
        {{ as_amount('coalesce(current_quantity, 0)') }} as units,
        {{ facility_item('facility_id', 'item_id') }} as facility_item_id
    from {{ ref('stg_wms__inventory') }} inventory

)

select
    {{ as_text('facility_item_id') }} as facility_item_id,
    max(facility_id) as facility_id,
    max(item_id) as item_id,

    max(facility_key) as facility_key,
    max(item_key) as item_key,

    {{ as_amount('sum(units)') }} as on_hand_quantity,
    {{ as_amount(
        'sum(case when expiry_date < ' ~ as_of_date() ~ ' then units else 0 end)'
    ) }} as expired_quantity,
    {{ as_amount(
        'sum(case when expiry_date >= ' ~ as_of_date() ~ ' and expiry_date < '
        ~ days_from_as_of(var('oracle_wms_expiry_warning_days'))
        ~ ' then units else 0 end)'
    ) }} as expiring_quantity,
    {{ as_count('count(distinct location_id)') }} as location_count,
    {{ as_count('count(distinct container_id)') }} as container_count,

    min(case when units > 0 then expiry_date end) as earliest_expiry_date
from stock
group by facility_item_id

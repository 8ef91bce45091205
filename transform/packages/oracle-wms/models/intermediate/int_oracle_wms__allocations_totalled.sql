with allocations as (

    select * from {{ ref('int_oracle_wms__allocations_resolved') }}
    where order_id is not null

)

select
    order_id,

    {{ as_count('count(*)') }} as allocation_count,
    {{ as_amount(
        'sum(case when ' ~ is_true('is_cancelled') ~ ' then 0 else allocated_quantity end)'
    ) }} as allocated_quantity,
    {{ as_amount(
        'sum(case when ' ~ is_true('is_cancelled') ~ ' then 0 else picked_quantity end)'
    ) }} as picked_quantity,
    {{ as_amount(
        'sum(case when ' ~ is_true('is_cancelled') ~ ' then allocated_quantity else 0 end)'
    ) }} as cancelled_quantity
from allocations
group by order_id

with lines as (

    select * from {{ ref('stg_wms__order_dtl') }}
    where order_id is not null

)

select
    order_id,

    {{ as_count('count(*)') }} as line_count,
    {{ as_amount('sum(' ~ as_amount('coalesce(ordered_quantity, 0)') ~ ')') }} as ordered_quantity
from lines
group by order_id

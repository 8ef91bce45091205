with orders as (

    select
        order_hdr.*,
        {{ is_shipped_order() }} as is_shipped,
        {{ is_cancelled_order() }} as is_cancelled
    from {{ ref('stg_wms__order_hdr') }} order_hdr

),

totals as (

    select
        orders.*,
        {{ as_count('coalesce(lines.line_count, 0)') }} as lines_read,
        {{ as_count('coalesce(allocations.allocation_count, 0)') }} as allocation_count,
        {{ as_amount('coalesce(lines.ordered_quantity, 0)') }} as ordered_quantity,
        {{ as_amount('coalesce(allocations.allocated_quantity, 0)') }}
            as allocated_quantity,
        {{ as_amount('coalesce(allocations.picked_quantity, 0)') }} as picked_quantity,
        {{ as_amount('coalesce(allocations.cancelled_quantity, 0)') }}
            as cancelled_quantity,
        {{ flag(
            'requested_ship_date < ' ~ as_of_date()
            ~ ' and not ' ~ is_true('is_shipped') ~ ' and not ' ~ is_true('is_cancelled')
        ) }} as is_late
    from orders
    left join {{ ref('int_oracle_wms__order_lines_totalled') }} lines
        on orders.order_id = lines.order_id
    left join {{ ref('int_oracle_wms__allocations_totalled') }} allocations
        on orders.order_id = allocations.order_id

)

select
    order_id,
    facility_id,
    company_id,

    {{ as_text('facility_key') }} as facility_key,
    {{ as_text('company_key') }} as company_key,
    {{ as_text('order_number') }} as order_number,
    {{ as_text('customer_name') }} as customer_name,
    {{ as_text(
        'case when status_id is not null then '
        ~ status_word('status_id', var('oracle_wms_order_statuses')) ~ ' end'
    ) }} as order_status,
    {{ as_text(
        "case
            when ordered_quantity = 0 and allocated_quantity = 0 then 'nothing ordered'
            when allocated_quantity > ordered_quantity then 'over allocated'
            when allocated_quantity = ordered_quantity then 'allocated'
            when allocated_quantity > 0 then 'partly allocated'
            else 'unallocated'
        end"
    ) }} as allocation_status,
    {{ as_text(
        "case
            when " ~ is_true('is_cancelled') ~ " then null
            when allocated_quantity > ordered_quantity then 'over allocated'
            when " ~ is_true('is_late') ~ " then 'late'
            when " ~ is_true('is_shipped') ~ " then null
            when requested_ship_date <= " ~ days_from_as_of(1) ~ "
                and allocated_quantity < ordered_quantity then 'short'
        end"
    ) }} as operational_alert,

    lines_read as line_count,
    allocation_count,
    ordered_quantity,
    allocated_quantity,
    picked_quantity,
    cancelled_quantity,
    {{ as_amount('100 * ' ~ ratio('allocated_quantity', 'ordered_quantity')) }}
        as allocation_percent,
    {{ as_amount('100 * ' ~ ratio('picked_quantity', 'allocated_quantity')) }}
        as pick_percent,

    is_shipped,
    is_cancelled,
    is_late,

    order_date,
    requested_ship_date,
    shipped_at,
    modified_at
from totals

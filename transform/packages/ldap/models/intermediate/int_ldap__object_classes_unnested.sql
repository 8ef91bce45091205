with entries as (

    select
        entry_id,
        object_class
    from {{ ref('int_ldap__entries_combined') }}

),

unnested as (

    select
        entries.entry_id,
        lower(items.item) as object_class,
        min(items.position) as position
    from entries
    {{ unnested_list('entries.object_class', 'items') }}
    group by
        entries.entry_id,
        lower(items.item)

)

select
    {{ as_text("entry_id || ':' || object_class") }} as entry_object_class_id,
    entry_id,

    {{ as_text('object_class') }} as object_class,

    cast(position as {{ dbt.type_int() }}) as position,
    -- Servers list classes from the general to the special, `top` in any place.
    cast(row_number() over (
        partition by entry_id
        order by
            case when object_class = 'top' then 1 else 0 end,
            position desc
    ) as {{ dbt.type_int() }}) as specificity
from unnested

with entries as (

    select
        entry_id,
        dn_normalised,
        object_class
    from {{ ref('stg_ldif__entries') }}

),

unnested as (

    select
        entries.entry_id,
        entries.dn_normalised,
        lower(items.item) as object_class,
        items.item as object_class_as_written,
        items.position
    from entries
    {{ unnested_list('entries.object_class', 'items') }}

),

-- Names are case-insensitive, so `Person` and `person` are one class.
numbered as (

    select
        unnested.*,
        row_number() over (
            partition by entry_id, object_class
            order by position
        ) as repetition
    from unnested

)

select
    {{ as_text("entry_id || ':' || object_class") }} as entry_object_class_id,
    entry_id,

    dn_normalised,
    {{ as_text('object_class') }} as object_class,
    {{ as_text('object_class_as_written') }} as object_class_as_written,

    cast(position as {{ dbt.type_int() }}) as position,
    -- Files list classes from the general to the special, `top` in any place.
    cast(row_number() over (
        partition by entry_id
        order by
            case when object_class = 'top' then 1 else 0 end,
            position desc
    ) as {{ dbt.type_int() }}) as specificity
from numbered
where repetition = 1

{{
    config(
        materialized='table',
        pre_hook=[
            "{{ flext_dbt_ldap.create_names_function() }}",
            "{{ flext_dbt_ldap.create_values_function() }}",
        ]
    )
}}

with entries as (

    select
        entry_id,
        attributes
    from {{ ref('int_ldap__entries_combined') }}

),

unnested as (

    select
        entries.entry_id,
        items.name as attribute_name,
        items.item as attribute_value,
        items.position
    from entries
    {{ unnested_attributes('entries.attributes', 'items') }}

),

named as (

    select
        unnested.*,
        {{ canonical_attribute(attribute_type('unnested.attribute_name')) }} as attribute_key,
        {{ attribute_options('unnested.attribute_name') }} as attribute_options
    from unnested

)

select
    {{ as_text("entry_id || ':' || attribute_name || ':' || " ~ as_text('position')) }}
        as attribute_value_id,
    entry_id,

    {{ as_text('attribute_name') }} as attribute_name,
    {{ as_text('attribute_key') }} as attribute_key,
    {{ as_text('attribute_options') }} as attribute_options,
    {{ as_text('attribute_value') }} as attribute_value,

    cast(position as {{ dbt.type_int() }}) as position,
    -- 1 is the value to take where one is asked for: without options first.
    cast(row_number() over (
        partition by entry_id, attribute_key
        order by
            case when attribute_options is null then 0 else 1 end,
            attribute_name,
            position
    ) as {{ dbt.type_int() }}) as value_rank
from named

{{
    config(
        materialized='table',
        pre_hook=[
            "{{ flext_dbt_ldif.create_names_function() }}",
            "{{ flext_dbt_ldif.create_values_function() }}",
        ]
    )
}}

with entries as (

    select
        entry_id,
        dn_normalised,
        source_file,
        attributes,
        binary_attributes
    from {{ ref('stg_ldif__entries') }}

),

unnested as (

    select
        entries.entry_id,
        entries.dn_normalised,
        entries.source_file,
        items.name as attribute_name,
        items.item as attribute_value,
        items.position
    from entries
    {{ unnested_attributes('entries.attributes', 'items') }}

),

binary_names as (

    select distinct
        entries.entry_id,
        lower(items.item) as attribute_name
    from entries
    {{ unnested_list('entries.binary_attributes', 'items') }}

),

named as (

    select
        unnested.*,
        {{ canonical_attribute(attribute_type('unnested.attribute_name')) }} as attribute_key,
        {{ attribute_options('unnested.attribute_name') }} as attribute_options,
        case when binary_names.entry_id is not null then 1 else 0 end as from_binary
    from unnested
    left join binary_names
        on unnested.entry_id = binary_names.entry_id
        and lower(unnested.attribute_name) = binary_names.attribute_name

)

select
    {{ as_text("entry_id || ':' || attribute_name || ':' || " ~ as_text('position')) }}
        as attribute_value_id,
    entry_id,

    dn_normalised,
    source_file,
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
    ) as {{ dbt.type_int() }}) as value_rank,
    -- A binary value arrives as base64: three bytes for four characters.
    {{ as_count(
        "case when from_binary = 1 then "
        ~ "length(attribute_value) / 4 * 3 "
        ~ "- (length(attribute_value) - length(replace(attribute_value, '=', ''))) "
        ~ "else " ~ byte_length('attribute_value') ~ " end"
    ) }} as value_bytes,

    {{ flag('from_binary = 1') }} as is_binary
from named

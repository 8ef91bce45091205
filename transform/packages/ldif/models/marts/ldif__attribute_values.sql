with entries as (

    select
        entry_id,
        dn
    from {{ ref('int_ldif__entries_deduplicated') }}

),

attribute_values as (

    select * from {{ ref('int_ldif__attribute_values_unnested') }}

)

select
    attribute_values.attribute_value_id,

    entries.dn,
    attribute_values.dn_normalised,
    attribute_values.attribute_name,
    attribute_values.attribute_key,
    attribute_values.attribute_options,
    attribute_values.attribute_value,

    attribute_values.position,
    attribute_values.value_rank,
    attribute_values.value_bytes,

    attribute_values.is_binary
from attribute_values
inner join entries on attribute_values.entry_id = entries.entry_id

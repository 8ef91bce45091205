with entries as (

    select entry_id from {{ ref('int_ldif__entries_deduplicated') }}

),

attribute_values as (

    select * from {{ ref('int_ldif__attribute_values_unnested') }}

),

per_entry as (

    select
        attribute_values.attribute_key,
        attribute_values.entry_id,
        count(*) as value_count,
        sum(attribute_values.value_bytes) as value_bytes,
        min(attribute_values.value_bytes) as min_value_bytes,
        max(attribute_values.value_bytes) as max_value_bytes,
        max(case when {{ is_true('attribute_values.is_binary') }} then 1 else 0 end)
            as has_binary
    from attribute_values
    inner join entries on attribute_values.entry_id = entries.entry_id
    group by
        attribute_values.attribute_key,
        attribute_values.entry_id

),

distinct_values as (

    select
        attribute_values.attribute_key,
        count(distinct attribute_values.attribute_value) as distinct_value_count
    from attribute_values
    inner join entries on attribute_values.entry_id = entries.entry_id
    group by attribute_values.attribute_key

)

select
    per_entry.attribute_key,

    {{ as_count('count(*)') }} as entry_count,
    {{ as_count('sum(per_entry.value_count)') }} as value_count,
    {{ as_count('max(distinct_values.distinct_value_count)') }} as distinct_value_count,
    {{ as_count('max(per_entry.value_count)') }} as max_values_per_entry,
    {{ as_count('sum(per_entry.value_bytes)') }} as value_bytes,
    {{ as_count('min(per_entry.min_value_bytes)') }} as min_value_bytes,
    {{ as_count('max(per_entry.max_value_bytes)') }} as max_value_bytes,

    {{ flag('max(per_entry.value_count) > 1') }} as is_multi_valued,
    {{ flag('max(per_entry.has_binary) = 1') }} as has_binary_values
from per_entry
inner join distinct_values on per_entry.attribute_key = distinct_values.attribute_key
group by per_entry.attribute_key

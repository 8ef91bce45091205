with entries as (

    select * from {{ ref('stg_ldif__entries') }}

),

current_entries as (

    select * from {{ ref('int_ldif__entries_deduplicated') }}

),

attribute_values as (

    select * from {{ ref('int_ldif__attribute_values_unnested') }}

),

changes as (

    {% if var('ldif_changes_enabled') -%}
    select
        source_file,
        extracted_at
    from {{ ref('stg_ldif__changes') }}
    {%- else -%}
    select
        source_file,
        extracted_at
    from entries
    where 1 = 0
    {%- endif %}

),

files as (

    select
        source_file,
        max(extracted_at) as last_extracted_at
    from (
        select
            source_file,
            extracted_at
        from entries

        union all

        select
            source_file,
            extracted_at
        from changes
    ) records
    group by source_file

),

entry_figures as (

    select
        source_file,
        count(*) as entry_count,
        count(distinct dn_normalised) as dn_count,
        sum(entry_size_bytes) as entry_bytes,
        min(depth) as min_depth,
        max(depth) as max_depth
    from entries
    group by source_file

),

current_figures as (

    select
        source_file,
        count(*) as current_entry_count
    from current_entries
    group by source_file

),

attribute_figures as (

    select
        source_file,
        count(distinct attribute_key) as attribute_count,
        count(*) as value_count,
        sum(value_bytes) as value_bytes
    from attribute_values
    group by source_file

),

change_figures as (

    select
        source_file,
        count(*) as change_count
    from changes
    group by source_file

)

select
    files.source_file,

    {{ as_count('coalesce(entry_figures.entry_count, 0)') }} as entry_count,
    {{ as_count('coalesce(entry_figures.dn_count, 0)') }} as dn_count,
    {{ as_count('coalesce(current_figures.current_entry_count, 0)') }}
        as current_entry_count,
    {{ as_count('coalesce(change_figures.change_count, 0)') }} as change_count,
    {{ as_count('coalesce(attribute_figures.attribute_count, 0)') }} as attribute_count,
    {{ as_count('coalesce(attribute_figures.value_count, 0)') }} as value_count,
    {{ as_count('coalesce(entry_figures.entry_bytes, 0)') }} as entry_bytes,
    {{ as_count('coalesce(attribute_figures.value_bytes, 0)') }} as value_bytes,
    entry_figures.min_depth,
    entry_figures.max_depth,

    files.last_extracted_at
from files
left join entry_figures on files.source_file = entry_figures.source_file
left join current_figures on files.source_file = current_figures.source_file
left join attribute_figures on files.source_file = attribute_figures.source_file
left join change_figures on files.source_file = change_figures.source_file

{{ config(enabled=var('ldif_flext_names')) }}

select
    {{ as_text("entry_type || ':' || coalesce(primary_object_class, '')") }}
        as insight_id,

    entry_type,
    primary_object_class,

    {{ as_count('count(*)') }} as entry_count,
    {{ as_count('sum(entry_size_bytes)') }} as entry_bytes,
    cast(min(depth) as {{ dbt.type_int() }}) as min_depth,
    cast(max(depth) as {{ dbt.type_int() }}) as max_depth
from {{ ref('ldif__entries') }}
group by
    entry_type,
    primary_object_class

with entries as (

    select * from {{ ref('int_ldif__entries_deduplicated') }}

),

object_classes as (

    select * from {{ ref('int_ldif__object_classes_unnested') }}

)

select
    object_classes.object_class,

    {{ as_count('count(*)') }} as entry_count,
    {{ as_count('sum(case when object_classes.specificity = 1 then 1 else 0 end)') }}
        as primary_entry_count,
    {{ as_count('count(distinct entries.source_file)') }} as file_count,
    {{ as_count('sum(entries.entry_size_bytes)') }} as entry_bytes
from object_classes
inner join entries on object_classes.entry_id = entries.entry_id
group by object_classes.object_class

-- Parents come before children, in case a reader keeps the order of the table.
with entries as (

    select * from {{ ref('int_ldif__entries_deduplicated') }}

)

select
    {{ as_text('dn') }} as dn,
    {{ as_text('dn_normalised') }} as dn_normalised,
    {{ as_text('parent_dn') }} as parent_dn,
    {{ as_text('parent_dn_normalised') }} as parent_dn_normalised,
    {{ as_text('rdn') }} as rdn,
    {{ as_text('entry_type') }} as entry_type,
    {{ as_text('primary_object_class') }} as primary_object_class,
    {{ as_text('change_type') }} as change_type,
    {{ as_text('source_file') }} as source_file,

    object_class,
    attributes,
    binary_attributes,

    line_number,
    depth,
    entry_size_bytes,
    {{ as_count('entries_for_dn') }} as entries_for_dn,

    extracted_at
from entries
order by
    depth,
    dn_normalised

{{ config(enabled=var('ldif_flext_names')) }}

with entries as (

    select * from {{ ref('ldif__entries') }}

)

select
    dn,
    dn_normalised,
    parent_dn,
    entry_type,
    primary_object_class,
    change_type,
    source_file,

    object_class,
    attributes,

    line_number,
    entry_size_bytes as entry_size,
    depth as dn_depth,

    {{ flag('rdn is not null') }} as is_valid_dn,

    extracted_at as processed_at
from entries

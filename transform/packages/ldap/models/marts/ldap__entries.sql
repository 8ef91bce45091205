-- Parents come before children, in case a reader keeps the order of the table.
with entries as (

    select * from {{ ref('int_ldap__entries_combined') }}

)

select
    entry_id,

    dn,
    dn_normalised,
    parent_dn,
    parent_dn_normalised,
    rdn,
    entry_type,

    object_class,
    attributes,
    binary_attributes,

    depth,

    created_at,
    modified_at,
    extracted_at
from entries
order by
    depth,
    dn_normalised

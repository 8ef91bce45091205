{{ config(enabled=var('ldap_flext_names')) }}

with groups_found as (

    select * from {{ ref('ldap__groups') }}

),

units as (

    select
        organizational_unit_id,
        ou_name
    from {{ ref('ldap__organizational_units') }}

),

list_values as (

    select * from {{ ref('int_ldap__list_values_joined') }}

)

select
    groups_found.dn,
    groups_found.group_name,
    groups_found.description,
    list_values.members,
    list_values.member_uids,
    groups_found.group_type,
    groups_found.group_category,
    groups_found.group_classification,
    list_values.object_classes,
    groups_found.managed_by_dn,
    units.ou_name as organizational_unit,

    groups_found.member_count,
    cast(extract(year from groups_found.created_at) as {{ dbt.type_int() }})
        as created_year,

    groups_found.is_empty,
    {{ flag(days_since('groups_found.modified_at') ~ ' <= 30') }} as recently_modified,

    groups_found.created_at,
    groups_found.modified_at
from groups_found
left join units
    on groups_found.organizational_unit_id = units.organizational_unit_id
left join list_values on groups_found.group_id = list_values.entry_id

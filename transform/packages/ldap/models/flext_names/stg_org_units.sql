{{ config(enabled=var('ldap_flext_names')) }}

with units as (

    select * from {{ ref('ldap__organizational_units') }}

),

list_values as (

    select * from {{ ref('int_ldap__list_values_joined') }}

)

select
    units.dn,
    units.ou_name,
    units.description,
    units.business_category,
    units.postal_address,
    units.phone,
    list_values.object_classes,
    units.managed_by_dn,
    parents.dn as parent_ou_dn,
    units.ou_type,

    units.level_from_root as hierarchy_depth,
    cast(extract(year from units.created_at) as {{ dbt.type_int() }}) as created_year,

    units.is_top_level,

    units.created_at,
    units.modified_at
from units
left join units parents on units.parent_id = parents.organizational_unit_id
left join list_values on units.organizational_unit_id = list_values.entry_id

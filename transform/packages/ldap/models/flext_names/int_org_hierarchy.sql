{{ config(enabled=var('ldap_flext_names')) }}

with units as (

    select * from {{ ref('ldap__organizational_units') }}

)

select
    units.dn,
    units.ou_name,
    parents.dn as parent_dn,
    units.ou_type,
    units.path,
    roots.dn as root_ou_dn,
    roots.ou_name as root_ou_name,

    units.level_from_root as hierarchy_depth,
    units.level_from_root,
    units.child_count as direct_child_count,
    units.descendant_count as total_descendant_count,
    {{ as_count('count(*) over (partition by units.parent_id)') }} as siblings_at_level,

    units.is_leaf as is_leaf_node
from units
left join units parents on units.parent_id = parents.organizational_unit_id
left join units roots on units.root_id = roots.organizational_unit_id

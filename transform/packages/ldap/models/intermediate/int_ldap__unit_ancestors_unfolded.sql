-- What repeats stops at `ldap_max_depth` and at the unit itself: the landed DNs
-- are data like any other.
{{ with_recursive() }} units as (

    select
        entry_id,
        parent_dn_normalised
    from {{ ref('stg_ldap__organizational_units') }}

),

edges as (

    select
        units.entry_id,
        places.organizational_unit_id as parent_id
    from units
    inner join {{ ref('int_ldap__places_resolved') }} places
        on units.parent_dn_normalised = places.place_dn_normalised
    where units.entry_id <> places.organizational_unit_id

),

ancestors (entry_id, ancestor_id, distance) as (

    select
        entry_id,
        parent_id,
        1
    from edges

    union all

    select
        ancestors.entry_id,
        edges.parent_id,
        ancestors.distance + 1
    from ancestors
    inner join edges on ancestors.ancestor_id = edges.entry_id
    where
        ancestors.distance < {{ var('ldap_max_depth') }}
        and ancestors.entry_id <> edges.parent_id

)

select
    {{ as_text("entry_id || '|' || ancestor_id") }} as unit_ancestor_id,
    entry_id as organizational_unit_id,
    ancestor_id,

    cast(min(distance) as {{ dbt.type_int() }}) as distance
from ancestors
group by
    entry_id,
    ancestor_id

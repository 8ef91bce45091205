-- A DN alone cannot form a circle, but a landed dn_normalised is data like any
-- other: what repeats stops at `ldif_max_depth` and at the entry itself.
{{ with_recursive() }} entries as (

    select
        dn_normalised,
        parent_dn_normalised
    from {{ ref('int_ldif__entries_deduplicated') }}

),

edges as (

    select
        children.dn_normalised,
        children.parent_dn_normalised
    from entries children
    inner join entries parents
        on children.parent_dn_normalised = parents.dn_normalised
    where children.dn_normalised <> children.parent_dn_normalised

),

ancestors (dn_normalised, ancestor_dn_normalised, distance) as (

    select
        dn_normalised,
        parent_dn_normalised,
        1
    from edges

    union all

    select
        ancestors.dn_normalised,
        edges.parent_dn_normalised,
        ancestors.distance + 1
    from ancestors
    inner join edges
        on ancestors.ancestor_dn_normalised = edges.dn_normalised
    where
        ancestors.distance < {{ var('ldif_max_depth') }}
        and ancestors.dn_normalised <> edges.parent_dn_normalised

)

select
    {{ as_text("dn_normalised || '|' || ancestor_dn_normalised") }} as ancestor_id,

    dn_normalised,
    ancestor_dn_normalised,

    cast(min(distance) as {{ dbt.type_int() }}) as distance
from ancestors
group by
    dn_normalised,
    ancestor_dn_normalised

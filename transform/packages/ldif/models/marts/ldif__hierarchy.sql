with entries as (

    select * from {{ ref('int_ldif__entries_deduplicated') }}

),

ancestors as (

    select * from {{ ref('int_ldif__ancestors_unfolded') }}

),

steps as (

    select
        dn_normalised,
        rdn,
        0 as distance
    from entries

    union all

    select
        ancestors.dn_normalised,
        entries.rdn,
        ancestors.distance
    from ancestors
    inner join entries on ancestors.ancestor_dn_normalised = entries.dn_normalised

),

paths as (

    select
        dn_normalised,
        {{ dbt.listagg('rdn', "'/'", 'order by distance desc') }} as path
    from steps
    group by dn_normalised

),

above as (

    select
        dn_normalised,
        ancestor_dn_normalised,
        distance,
        row_number() over (
            partition by dn_normalised
            order by distance desc, ancestor_dn_normalised
        ) as remoteness
    from ancestors

),

below as (

    select
        ancestor_dn_normalised as dn_normalised,
        sum(case when distance = 1 then 1 else 0 end) as child_count,
        count(*) as descendant_count
    from ancestors
    group by ancestor_dn_normalised

)

select
    entries.dn_normalised,
    entries.dn,
    entries.parent_dn,
    case
        when above.dn_normalised is not null then entries.parent_dn_normalised
    end as parent_dn_normalised,
    coalesce(above.ancestor_dn_normalised, entries.dn_normalised)
        as root_dn_normalised,
    entries.rdn,
    entries.entry_type,
    {{ as_text('paths.path') }} as path,

    cast(coalesce(above.distance, 0) + 1 as {{ dbt.type_int() }}) as level_from_root,
    entries.depth,
    {{ as_count('coalesce(below.child_count, 0)') }} as child_count,
    {{ as_count('coalesce(below.descendant_count, 0)') }} as descendant_count,

    {{ flag('above.dn_normalised is null') }} as is_root,
    {{ flag('below.dn_normalised is null') }} as is_leaf
from entries
left join paths on entries.dn_normalised = paths.dn_normalised
left join above
    on entries.dn_normalised = above.dn_normalised
    and above.remoteness = 1
left join below on entries.dn_normalised = below.dn_normalised

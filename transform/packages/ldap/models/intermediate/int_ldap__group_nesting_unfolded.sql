-- Groups inside groups, at any distance. Directories allow circles: equal rows are
-- merged at each step, no group contains itself, `ldap_max_nesting` bounds the rest.
{{ with_recursive() }} edges as (

    select
        group_id,
        member_id as contained_group_id
    from {{ ref('int_ldap__members_resolved') }}
    where
        member_type = 'group'
        and group_id <> member_id

),

nesting (group_id, contained_group_id, distance) as (

    select
        group_id,
        contained_group_id,
        1
    from edges

    {{ recursive_union() }}

    select
        nesting.group_id,
        edges.contained_group_id,
        nesting.distance + 1
    from nesting
    inner join edges on nesting.contained_group_id = edges.group_id
    where
        nesting.distance < {{ var('ldap_max_nesting') }}
        and nesting.group_id <> edges.contained_group_id

) {{ cycle_clause(['group_id', 'contained_group_id']) }}

select
    {{ as_text("group_id || '|' || contained_group_id") }} as group_nesting_id,
    group_id,
    contained_group_id,

    cast(min(distance) as {{ dbt.type_int() }}) as distance
from nesting
group by
    group_id,
    contained_group_id

with members as (

    select * from {{ ref('int_ldap__members_resolved') }}
    where member_type = 'user'

),

nesting as (

    select * from {{ ref('int_ldap__group_nesting_unfolded') }}

),

ways as (

    select
        group_id,
        member_id as user_id,
        1 as distance,
        case when {{ is_true('is_primary_group') }} then 1 else 0 end as is_primary
    from members

    union all

    select
        nesting.group_id,
        members.member_id as user_id,
        nesting.distance + 1 as distance,
        0 as is_primary
    from nesting
    inner join members on nesting.contained_group_id = members.group_id

)

select
    {{ as_text("group_id || '|' || user_id") }} as membership_id,
    group_id,
    user_id,

    cast(min(distance) as {{ dbt.type_int() }}) as distance,

    {{ flag('min(distance) = 1') }} as is_direct,
    {{ flag('max(is_primary) = 1') }} as is_primary_group
from ways
group by
    group_id,
    user_id

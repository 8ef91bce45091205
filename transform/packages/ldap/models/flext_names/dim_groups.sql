{{ config(enabled=var('ldap_flext_names')) }}

with groups_found as (

    select * from {{ ref('ldap__groups') }}

),

units as (

    select * from {{ ref('ldap__organizational_units') }}

),

group_users as (

    select
        memberships.group_id,
        sum(case when {{ is_true('users.is_disabled') }} then 0 else 1 end)
            as active_member_count,
        {{ dbt.listagg('users.dn', "'; '", 'order by users.dn') }} as member_dns
    from {{ ref('ldap__memberships') }} memberships
    inner join {{ ref('ldap__users') }} users on memberships.user_id = users.user_id
    group by memberships.group_id

),

group_account_types as (

    select
        group_id,
        {{ dbt.listagg('account_type', "'; '", 'order by account_type') }}
            as member_account_types
    from (
        select distinct
            memberships.group_id,
            users.account_type
        from {{ ref('ldap__memberships') }} memberships
        inner join {{ ref('ldap__users') }} users
            on memberships.user_id = users.user_id
    ) pairs
    group by group_id

)

select
    groups_found.group_id,
    groups_found.organizational_unit_id,
    groups_found.managed_by_id,

    groups_found.dn as group_dn,
    groups_found.group_name,
    groups_found.group_type,
    groups_found.group_category,
    groups_found.group_classification,
    case
        when groups_found.user_count = 0 then 'empty'
        when groups_found.user_count <= 10 then 'small'
        when groups_found.user_count <= 100 then 'medium'
        else 'large'
    end as group_size_category,
    group_account_types.member_account_types,
    units.path as ou_path,
    group_users.member_dns,

    groups_found.user_count as total_member_count,
    {{ as_count('coalesce(group_users.active_member_count, 0)') }}
        as active_member_count,

    groups_found.is_empty,
    {{ flag('groups_found.managed_by_dn is null') }} as is_orphaned,
    {{ flag(days_since('groups_found.modified_at') ~ ' <= 30') }} as recently_modified
from groups_found
left join units
    on groups_found.organizational_unit_id = units.organizational_unit_id
left join group_users on groups_found.group_id = group_users.group_id
left join group_account_types
    on groups_found.group_id = group_account_types.group_id

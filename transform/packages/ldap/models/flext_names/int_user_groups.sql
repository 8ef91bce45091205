{{ config(enabled=var('ldap_flext_names')) }}

with memberships as (

    select * from {{ ref('ldap__memberships') }}

),

users as (

    select * from {{ ref('ldap__users') }}

),

groups_found as (

    select * from {{ ref('ldap__groups') }}

),

units as (

    select
        organizational_unit_id,
        ou_name
    from {{ ref('ldap__organizational_units') }}

)

select
    memberships.membership_id,

    users.login_name as {{ uid_column() }},
    users.dn as user_dn,
    users.display_name as user_name,
    users.email,
    users.account_type,
    groups_found.dn as group_dn,
    groups_found.group_name,
    groups_found.group_category,
    groups_found.group_classification,
    units.ou_name as group_ou,

    users.group_count as total_group_count,
    {{ as_count(
        "sum(case when groups_found.group_category = 'security' then 1 else 0 end) "
        ~ "over (partition by memberships.user_id)"
    ) }} as security_group_count,

    memberships.is_direct as is_direct_member,
    memberships.is_primary_group as primary_group
from memberships
inner join users on memberships.user_id = users.user_id
inner join groups_found on memberships.group_id = groups_found.group_id
left join units
    on groups_found.organizational_unit_id = units.organizational_unit_id

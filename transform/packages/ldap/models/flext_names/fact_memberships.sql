{{ config(enabled=var('ldap_flext_names')) }}

with memberships as (

    select * from {{ ref('ldap__memberships') }}

),

users as (

    select * from {{ ref('ldap__users') }}

),

groups_found as (

    select * from {{ ref('ldap__groups') }}

)

select
    memberships.membership_id,
    memberships.user_id,
    memberships.group_id,
    users.organizational_unit_id as user_ou_id,
    groups_found.organizational_unit_id as group_ou_id,

    memberships.user_dn,
    memberships.group_dn,
    users.display_name as user_name,
    users.email as user_email,
    users.account_type,
    groups_found.group_name,
    groups_found.group_category,
    groups_found.group_classification,

    users.group_count as user_total_groups,
    {{ as_count(
        "sum(case when groups_found.group_category = 'security' then 1 else 0 end) "
        ~ "over (partition by memberships.user_id)"
    ) }} as user_security_groups,

    users.is_disabled as user_is_disabled,
    memberships.is_direct as is_direct_member,
    {{ flag('users.organizational_unit_id = groups_found.organizational_unit_id') }}
        as same_ou_membership,
    memberships.is_primary_group,

    -- A directory does not tell when a member came; this is the latest it can be.
    groups_found.modified_at as membership_date
from memberships
inner join users on memberships.user_id = users.user_id
inner join groups_found on memberships.group_id = groups_found.group_id

with memberships as (

    select * from {{ ref('int_ldap__user_groups_expanded') }}

),

entries as (

    select
        entry_id,
        dn
    from {{ ref('int_ldap__entries_combined') }}

)

select
    memberships.membership_id,
    memberships.group_id,
    memberships.user_id,

    holders.dn as group_dn,
    users.dn as user_dn,

    memberships.distance,

    memberships.is_direct,
    memberships.is_primary_group
from memberships
inner join entries holders on memberships.group_id = holders.entry_id
inner join entries users on memberships.user_id = users.entry_id

with members as (

    select * from {{ ref('int_ldap__members_resolved') }}

),

entries as (

    select
        entry_id,
        dn
    from {{ ref('int_ldap__entries_combined') }}

)

select
    members.group_member_id,
    members.group_id,
    members.member_id,

    holders.dn as group_dn,
    {{ as_text('coalesce(found_members.dn, members.member_reference)') }} as member_dn,
    members.member_attribute,
    members.member_type,

    {{ flag('members.member_id is not null') }} as is_resolved,
    members.is_primary_group
from members
inner join entries holders on members.group_id = holders.entry_id
left join entries found_members on members.member_id = found_members.entry_id

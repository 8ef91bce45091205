with members as (

    select * from {{ ref('int_ldif__group_members_unnested') }}

),

entries as (

    select * from {{ ref('int_ldif__entries_deduplicated') }}

)

select
    members.membership_id,
    members.group_dn_normalised,
    members.member_dn_normalised,

    group_entries.dn as group_dn,
    {{ as_text('coalesce(member_entries.dn, members.member_reference)') }}
        as member_reference,
    members.member_attribute,
    member_entries.entry_type as member_type,

    {{ flag('members.member_dn_normalised is not null') }} as is_resolved
from members
inner join entries group_entries
    on members.group_dn_normalised = group_entries.dn_normalised
left join entries member_entries
    on members.member_dn_normalised = member_entries.dn_normalised

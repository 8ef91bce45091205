{#- Where the stream of memberships is off, memberOf is all there is. -#}
{%- set with_member_of = var('ldap_member_of_enabled')
    or not var('ldap_memberships_enabled') -%}

with memberships as (

    select * from {{ ref('stg_ldap__memberships') }}

),

entries as (

    select
        entry_id,
        dn,
        dn_normalised,
        entry_type
    from {{ ref('int_ldap__entries_combined') }}

),

attribute_values as (

    select * from {{ ref('int_ldap__attribute_values_unnested') }}

),

by_dn as (

    select * from {{ ref('int_ldap__dn_spellings_gathered') }}

),

-- A uid that two users share names neither.
by_uid as (

    select
        lower(attribute_values.attribute_value) as reference,
        min(entries.entry_id) as entry_id
    from attribute_values
    inner join entries on attribute_values.entry_id = entries.entry_id
    where
        attribute_values.attribute_key = 'uid'
        and entries.entry_type = 'user'
    group by lower(attribute_values.attribute_value)
    having count(distinct entries.entry_id) = 1

),

found as (

    select
        memberships.group_id,
        memberships.member_attribute,
        memberships.member_reference,
        coalesce(by_dn.entry_id, by_uid.entry_id) as member_id,
        coalesce(
            memberships.member_dn_normalised, lower(memberships.member_reference)
        ) as reference,
        0 as is_primary_group
    from memberships
    left join by_dn on memberships.member_dn_normalised = by_dn.reference
    left join by_uid
        on memberships.member_attribute = 'memberuid'
        and lower(memberships.member_reference) = by_uid.reference

    union all

    -- A posix user belongs to the group of its own gidNumber without being named.
    select
        group_values.entry_id as group_id,
        'gidnumber' as member_attribute,
        users.dn as member_reference,
        users.entry_id as member_id,
        users.dn_normalised as reference,
        1 as is_primary_group
    from attribute_values user_values
    inner join entries users
        on user_values.entry_id = users.entry_id
        and users.entry_type = 'user'
    inner join attribute_values group_values
        on user_values.attribute_value = group_values.attribute_value
        and group_values.attribute_key = 'gidnumber'
    inner join entries found_groups
        on group_values.entry_id = found_groups.entry_id
        and found_groups.entry_type = 'group'
    where user_values.attribute_key = 'gidnumber'

    {% if with_member_of -%}
    union all

    select
        by_dn.entry_id as group_id,
        'memberof' as member_attribute,
        members.dn as member_reference,
        members.entry_id as member_id,
        members.dn_normalised as reference,
        0 as is_primary_group
    from attribute_values
    inner join entries members on attribute_values.entry_id = members.entry_id
    inner join by_dn
        on {{ dn_match_key('attribute_values.attribute_value') }} = by_dn.reference
    where attribute_values.attribute_key = 'memberof'
    {%- endif %}

),

-- A member that a group names twice counts once.
numbered as (

    select
        found.*,
        max(is_primary_group) over (
            partition by group_id, coalesce(member_id, reference)
        ) as is_primary_anywhere,
        row_number() over (
            partition by group_id, coalesce(member_id, reference)
            order by is_primary_group, member_attribute, member_reference
        ) as repetition
    from found

)

select
    {{ as_text("numbered.group_id || '|' || coalesce(numbered.member_id, numbered.reference)") }}
        as group_member_id,
    numbered.group_id,
    numbered.member_id,

    {{ as_text('numbered.member_reference') }} as member_reference,
    {{ as_text('numbered.member_attribute') }} as member_attribute,
    members.entry_type as member_type,

    {{ flag('numbered.is_primary_anywhere = 1') }} as is_primary_group
from numbered
inner join entries holders
    on numbered.group_id = holders.entry_id
    and holders.entry_type = 'group'
left join entries members on numbered.member_id = members.entry_id
where numbered.repetition = 1

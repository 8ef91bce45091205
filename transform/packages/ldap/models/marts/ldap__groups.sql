with groups_found as (

    select
        entry_id as group_id,
        dn,
        dn_normalised,
        parent_dn,
        parent_dn_normalised,
        created_at,
        modified_at
    from {{ ref('int_ldap__entries_combined') }}
    where entry_type = 'group'

),

attribute_values as (

    select * from {{ ref('int_ldap__attribute_values_unnested') }}

),

first_values as (

    select
        entry_id,
        {{ first_value_of('cn') }} as group_name,
        {{ first_value_of('description') }} as description,
        {{ first_value_of('mail') }} as email,
        {{ first_value_of('managedby') }} as managed_by,
        {{ first_value_of('owner') }} as owner,
        {{ first_value_of('gidnumber') }} as gid_number,
        {{ first_value_of('grouptype') }} as group_bits
    from attribute_values
    group by entry_id

),

object_classes as (

    select
        entry_id,
        max(case when specificity = 1 then object_class end) as group_type,
        max(
            case
                when object_class in ('groupofurls', 'groupofdynamicnames') then 1
                else 0
            end
        ) as is_dynamic,
        max(
            case
                when object_class in (
                    'rfc822mailgroup', 'nismailalias', 'mailgroup', 'inetmailgroup'
                ) then 1
                else 0
            end
        ) as is_for_mail
    from {{ ref('int_ldap__object_classes_unnested') }}
    group by entry_id

),

members as (

    select
        group_id,
        count(*) as member_count,
        sum(case when member_id is null then 1 else 0 end) as unresolved_member_count,
        sum(case when member_type = 'group' then 1 else 0 end) as contained_group_count
    from {{ ref('int_ldap__members_resolved') }}
    group by group_id

),

user_figures as (

    select
        group_id,
        count(*) as user_count
    from {{ ref('int_ldap__user_groups_expanded') }}
    group by group_id

),

described as (

    select
        groups_found.*,
        first_values.group_name,
        first_values.description,
        first_values.email,
        coalesce(first_values.managed_by, first_values.owner) as managed_by_dn,
        first_values.gid_number,
        {{ whole_number('first_values.group_bits') }} as group_bits,
        object_classes.group_type,
        object_classes.is_dynamic,
        object_classes.is_for_mail
    from groups_found
    left join first_values on groups_found.group_id = first_values.entry_id
    left join object_classes on groups_found.group_id = object_classes.entry_id

)

select
    described.group_id,
    places.organizational_unit_id,
    managers.entry_id as managed_by_id,

    described.dn,
    described.dn_normalised,
    described.parent_dn,
    {{ as_text('described.group_name') }} as group_name,
    {{ as_text('described.description') }} as description,
    {{ as_text('described.email') }} as email,
    {{ as_text('described.managed_by_dn') }} as managed_by_dn,
    {{ as_text('described.gid_number') }} as gid_number,
    {{ as_text('described.group_type') }} as group_type,
    -- Active Directory gives groups for security a negative groupType ([MS-ADTS] 2.2.12).
    case
        when described.group_bits >= 0 or described.is_for_mail = 1
            then 'distribution'
        else 'security'
    end as group_category,
    case
        when {{ has_bit('described.group_bits', 4) }} then 'domain_local'
        when {{ has_bit('described.group_bits', 8) }} then 'universal'
        when {{ has_bit('described.group_bits', 2) }} then 'global'
        when described.is_dynamic = 1 then 'dynamic'
        when described.gid_number is not null then 'posix'
        else 'static'
    end as group_classification,

    {{ as_count('coalesce(members.member_count, 0)') }} as member_count,
    {{ as_count('coalesce(members.unresolved_member_count, 0)') }}
        as unresolved_member_count,
    {{ as_count('coalesce(members.contained_group_count, 0)') }}
        as contained_group_count,
    {{ as_count('coalesce(user_figures.user_count, 0)') }} as user_count,

    {{ flag('members.group_id is null') }} as is_empty,

    described.created_at,
    described.modified_at
from described
left join {{ ref('int_ldap__places_resolved') }} places
    on described.parent_dn_normalised = places.place_dn_normalised
left join {{ ref('int_ldap__dn_spellings_gathered') }} managers
    on {{ dn_match_key('described.managed_by_dn') }} = managers.reference
left join members on described.group_id = members.group_id
left join user_figures on described.group_id = user_figures.group_id

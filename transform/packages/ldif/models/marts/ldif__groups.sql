with groups_found as (

    select * from {{ ref('int_ldif__entries_deduplicated') }}
    where entry_type = 'group'

),

attribute_values as (

    select * from {{ ref('int_ldif__attribute_values_unnested') }}

),

first_values as (

    select
        entry_id,
        {{ first_value_of('cn') }} as group_name,
        {{ first_value_of('description') }} as description,
        {{ first_value_of('owner') }} as owner_dn,
        {{ first_value_of('gidnumber') }} as gid_number
    from attribute_values
    group by entry_id

),

members as (

    select
        group_dn_normalised,
        count(*) as member_count,
        sum(case when member_dn_normalised is null then 1 else 0 end)
            as unresolved_member_count
    from {{ ref('int_ldif__group_members_unnested') }}
    group by group_dn_normalised

)

select
    groups_found.dn_normalised,

    groups_found.dn,
    groups_found.parent_dn,
    {{ as_text('first_values.group_name') }} as group_name,
    {{ as_text('groups_found.primary_object_class') }} as group_type,
    {{ as_text('first_values.description') }} as description,
    {{ as_text('first_values.owner_dn') }} as owner_dn,
    {{ as_text('first_values.gid_number') }} as gid_number,
    groups_found.source_file,

    {{ as_count('coalesce(members.member_count, 0)') }} as member_count,
    {{ as_count('coalesce(members.unresolved_member_count, 0)') }}
        as unresolved_member_count,

    {{ flag('members.group_dn_normalised is null') }} as is_empty
from groups_found
left join first_values on groups_found.entry_id = first_values.entry_id
left join members on groups_found.dn_normalised = members.group_dn_normalised

with units as (

    select * from {{ ref('stg_ldap__organizational_units') }}

),

-- A unit that is a user or a group too is told there; here it stays a unit.
first_values as (

    select
        entry_id,
        {{ first_value_of('ou') }} as ou_name,
        {{ first_value_of('description') }} as description,
        {{ first_value_of('businesscategory') }} as business_category,
        {{ first_value_of('postaladdress') }} as postal_address,
        {{ first_value_of('telephonenumber') }} as phone,
        {{ first_value_of('managedby') }} as managed_by_dn
    from {{ ref('int_ldap__attribute_values_unnested') }}
    group by entry_id

),

ancestors as (

    select * from {{ ref('int_ldap__unit_ancestors_unfolded') }}

),

names as (

    select
        units.entry_id,
        coalesce(first_values.ou_name, units.rdn) as ou_name
    from units
    left join first_values on units.entry_id = first_values.entry_id

),

steps as (

    select
        entry_id,
        ou_name,
        0 as distance
    from names

    union all

    select
        ancestors.organizational_unit_id as entry_id,
        names.ou_name,
        ancestors.distance
    from ancestors
    inner join names on ancestors.ancestor_id = names.entry_id

),

paths as (

    select
        entry_id,
        {{ dbt.listagg('ou_name', "'/'", 'order by distance desc') }} as path
    from steps
    group by entry_id

),

above as (

    select
        organizational_unit_id,
        ancestor_id,
        distance,
        row_number() over (
            partition by organizational_unit_id order by distance, ancestor_id
        ) as nearness,
        row_number() over (
            partition by organizational_unit_id order by distance desc, ancestor_id
        ) as remoteness
    from ancestors

),

below as (

    select
        ancestor_id,
        sum(case when distance = 1 then 1 else 0 end) as child_count,
        count(*) as descendant_count
    from ancestors
    group by ancestor_id

),

places as (

    select * from {{ ref('int_ldap__places_resolved') }}

),

contents as (

    select
        places.organizational_unit_id,
        sum(case when entries.entry_type = 'user' then 1 else 0 end) as user_count,
        sum(case when entries.entry_type = 'group' then 1 else 0 end) as group_count
    from {{ ref('int_ldap__entries_combined') }} entries
    inner join places on entries.parent_dn_normalised = places.place_dn_normalised
    group by places.organizational_unit_id

)

select
    units.entry_id as organizational_unit_id,
    parents.ancestor_id as parent_id,
    coalesce(roots.ancestor_id, units.entry_id) as root_id,

    units.dn,
    units.dn_normalised,
    units.parent_dn,
    {{ as_text('names.ou_name') }} as ou_name,
    {{ as_text('paths.path') }} as path,
    case
        when contents.user_count > 0 and contents.group_count > 0 then 'mixed'
        when contents.user_count > 0 then 'users'
        when contents.group_count > 0 then 'groups'
        when below.ancestor_id is not null then 'units'
        else 'empty'
    end as ou_type,
    {{ as_text('first_values.description') }} as description,
    {{ as_text('first_values.business_category') }} as business_category,
    {{ as_text('first_values.postal_address') }} as postal_address,
    {{ as_text('first_values.phone') }} as phone,
    {{ as_text('first_values.managed_by_dn') }} as managed_by_dn,

    cast(coalesce(roots.distance, 0) + 1 as {{ dbt.type_int() }}) as level_from_root,
    units.depth,
    {{ as_count('coalesce(below.child_count, 0)') }} as child_count,
    {{ as_count('coalesce(below.descendant_count, 0)') }} as descendant_count,
    {{ as_count('coalesce(contents.user_count, 0)') }} as user_count,
    {{ as_count('coalesce(contents.group_count, 0)') }} as group_count,

    {{ flag('parents.ancestor_id is null') }} as is_top_level,
    {{ flag('below.ancestor_id is null') }} as is_leaf,

    units.created_at,
    units.modified_at
from units
inner join names on units.entry_id = names.entry_id
left join first_values on units.entry_id = first_values.entry_id
left join paths on units.entry_id = paths.entry_id
left join above parents
    on units.entry_id = parents.organizational_unit_id
    and parents.nearness = 1
left join above roots
    on units.entry_id = roots.organizational_unit_id
    and roots.remoteness = 1
left join below on units.entry_id = below.ancestor_id
left join contents on units.entry_id = contents.organizational_unit_id

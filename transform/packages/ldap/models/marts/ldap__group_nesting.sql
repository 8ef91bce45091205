with nesting as (

    select * from {{ ref('int_ldap__group_nesting_unfolded') }}

),

entries as (

    select
        entry_id,
        dn
    from {{ ref('int_ldap__entries_combined') }}

),

back as (

    select
        group_id,
        contained_group_id
    from nesting

)

select
    nesting.group_nesting_id,
    nesting.group_id,
    nesting.contained_group_id,

    holders.dn as group_dn,
    contained.dn as contained_group_dn,

    nesting.distance,

    {{ flag('nesting.distance = 1') }} as is_direct,
    {{ flag('back.group_id is not null') }} as is_circular
from nesting
inner join entries holders on nesting.group_id = holders.entry_id
inner join entries contained on nesting.contained_group_id = contained.entry_id
left join back
    on nesting.group_id = back.contained_group_id
    and nesting.contained_group_id = back.group_id

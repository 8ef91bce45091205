with entries as (

    select
        entry_id,
        dn,
        dn_normalised,
        entry_type
    from {{ ref('int_ldif__entries_deduplicated') }}

),

attribute_values as (

    select * from {{ ref('int_ldif__attribute_values_unnested') }}

),

-- Every spelling under which an entry can be meant by a member value.
known_names as (

    select
        'dn' as reference_kind,
        dn_normalised as reference,
        dn_normalised
    from entries

    union

    select
        'dn' as reference_kind,
        {{ dn_match_key('dn') }} as reference,
        dn_normalised
    from entries

    union

    select
        'uid' as reference_kind,
        lower(attribute_values.attribute_value) as reference,
        entries.dn_normalised
    from attribute_values
    inner join entries on attribute_values.entry_id = entries.entry_id
    where
        attribute_values.attribute_key = 'uid'
        and entries.entry_type = 'person'

),

-- A name that two entries share resolves to neither.
resolvable as (

    select
        reference_kind,
        reference,
        min(dn_normalised) as dn_normalised
    from known_names
    group by
        reference_kind,
        reference
    having count(*) = 1

),

members as (

    select
        attribute_values.entry_id as group_entry_id,
        attribute_values.dn_normalised as group_dn_normalised,
        attribute_values.attribute_key as member_attribute,
        attribute_values.attribute_value as member_reference,
        case
            when attribute_values.attribute_key
                in ({{ quoted_names(var('ldif_member_uid_attributes')) }})
                then 'uid'
            else 'dn'
        end as reference_kind
    from attribute_values
    inner join entries on attribute_values.entry_id = entries.entry_id
    where
        attribute_values.attribute_key in (
            {{ quoted_names(
                var('ldif_member_attributes') + var('ldif_member_uid_attributes')
            ) }}
        )
        and length(attribute_values.attribute_value) > 0

),

keyed as (

    select
        members.*,
        case
            when reference_kind = 'uid' then lower(member_reference)
            else {{ dn_match_key('member_reference') }}
        end as reference
    from members

),

resolved as (

    select
        keyed.group_entry_id,
        keyed.group_dn_normalised,
        keyed.member_attribute,
        keyed.member_reference,
        keyed.reference,
        resolvable.dn_normalised as member_dn_normalised,
        row_number() over (
            partition by
                keyed.group_entry_id,
                coalesce(
                    'e:' || resolvable.dn_normalised,
                    keyed.reference_kind || ':' || keyed.reference
                )
            order by keyed.member_attribute, keyed.member_reference
        ) as repetition
    from keyed
    left join resolvable
        on keyed.reference_kind = resolvable.reference_kind
        and keyed.reference = resolvable.reference

)

select
    {{ as_text(
        "group_dn_normalised || '|' || coalesce(member_dn_normalised, "
        ~ "member_attribute || ':' || reference)"
    ) }} as membership_id,

    group_dn_normalised,
    member_dn_normalised,
    {{ as_text('member_reference') }} as member_reference,
    {{ as_text('member_attribute') }} as member_attribute
from resolved
where repetition = 1

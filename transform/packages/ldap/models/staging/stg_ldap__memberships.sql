with landed as (

    {% if var('ldap_memberships_enabled') -%}
    select
        group_entry_uuid,
        attribute,
        member_key,
        group_dn_normalised,
        member,
        member_dn_normalised,
        {{ singer_column('_sdc_extracted_at') }} as extracted_at,
        {{ singer_column('_sdc_deleted_at') }} as deleted_at
    from {{ source('ldap', 'memberships') }}
    {%- else -%}
    select
        {{ as_text('null') }} as group_entry_uuid,
        {{ as_text('null') }} as attribute,
        {{ as_text('null') }} as member_key,
        {{ as_text('null') }} as group_dn_normalised,
        {{ as_text('null') }} as member,
        {{ as_text('null') }} as member_dn_normalised,
        {{ as_time('null') }} as extracted_at,
        {{ as_time('null') }} as deleted_at
    {{ from_nothing() }}
    {%- endif %}

),

numbered as (

    select
        landed.*,
        row_number() over (
            partition by group_entry_uuid, attribute, member_key
            order by
                extracted_at desc,
                case when deleted_at is null then 1 else 0 end
        ) as recency
    from landed

)

select
    {{ as_text("group_entry_uuid || '|' || attribute || '|' || member_key") }}
        as membership_id,
    {{ as_text('group_entry_uuid') }} as group_id,

    {{ as_text('group_dn_normalised') }} as group_dn_normalised,
    {{ as_text('lower(attribute)') }} as member_attribute,
    {{ as_text('member') }} as member_reference,
    {{ as_text('member_dn_normalised') }} as member_dn_normalised,

    {{ as_time('extracted_at') }} as extracted_at
from numbered
where recency = 1 and deleted_at is null

with users as (

    select * from {{ ref('int_ldap__entries_combined') }}
    where entry_type = 'user'

),

attribute_values as (

    select * from {{ ref('int_ldap__attribute_values_unnested') }}

),

first_values as (

    select
        entry_id,
        {{ first_value_of('uid') }} as uid_value,
        {{ first_value_of('samaccountname') }} as sam_account_name,
        {{ first_value_of('userprincipalname') }} as principal_name,
        {{ first_value_of('employeenumber') }} as employee_number,
        {{ first_value_of('employeeid') }} as employee_id,
        {{ first_value_of('cn') }} as common_name,
        {{ first_value_of('givenname') }} as given_name,
        {{ first_value_of('sn') }} as surname,
        {{ first_value_of('displayname') }} as display_name,
        {{ first_value_of('mail') }} as email,
        {{ first_value_of('telephonenumber') }} as phone,
        {{ first_value_of('mobile') }} as mobile_phone,
        {{ first_value_of('title') }} as job_title,
        {{ first_value_of('department') }} as department,
        {{ first_value_of('departmentnumber') }} as department_number,
        {{ first_value_of('description') }} as description,
        {{ first_value_of('manager') }} as manager_dn,
        {{ first_value_of('useraccountcontrol') }} as account_control,
        max(
            case
                when attribute_key in ('nsaccountlock', 'logindisabled')
                    and lower(attribute_value) = 'true'
                    then 1
                when attribute_key = 'orclisenabled'
                    and lower(attribute_value) = 'disabled'
                    then 1
                when attribute_key = 'pwdaccountlockedtime' then 1
                else 0
            end
        ) as is_locked
    from attribute_values
    group by entry_id

),

service_classes as (

    select distinct entry_id
    from {{ ref('int_ldap__object_classes_unnested') }}
    where object_class in (
        'applicationprocess',
        'msds-managedserviceaccount',
        'msds-groupmanagedserviceaccount'
    )

),

memberships as (

    select
        user_id,
        count(*) as group_count,
        sum(case when {{ is_true('is_direct') }} then 1 else 0 end)
            as direct_group_count
    from {{ ref('int_ldap__user_groups_expanded') }}
    group by user_id

),

described as (

    select
        users.*,
        first_values.*,
        coalesce(first_values.uid_value, first_values.sam_account_name) as login_name,
        {{ whole_number('first_values.account_control') }} as account_control_bits
    from (
        select
            entry_id as user_id,
            dn,
            dn_normalised,
            parent_dn,
            parent_dn_normalised,
            created_at,
            modified_at
        from users
    ) users
    left join first_values on users.user_id = first_values.entry_id

)

select
    described.user_id,
    {{ as_text('described.login_name') }} as login_name,
    {{ as_text('coalesce(described.employee_number, described.employee_id)') }}
        as employee_id,
    places.organizational_unit_id,
    managers.entry_id as manager_id,

    described.dn,
    described.dn_normalised,
    described.parent_dn,
    {{ as_text('described.principal_name') }} as principal_name,
    {{ as_text('described.common_name') }} as common_name,
    {{ as_text('described.given_name') }} as given_name,
    {{ as_text('described.surname') }} as surname,
    {{ as_text('coalesce(described.display_name, described.common_name)') }}
        as display_name,
    {{ as_text('described.email') }} as email,
    {{ as_text(
        "lower(case when " ~ dbt.position("'@'", 'described.email') ~ " > 0 then "
        ~ "substr(described.email, " ~ dbt.position("'@'", 'described.email')
        ~ " + 1) end)"
    ) }} as email_domain,
    {{ as_text('described.phone') }} as phone,
    {{ as_text('described.mobile_phone') }} as mobile_phone,
    {{ as_text('described.job_title') }} as job_title,
    {{ as_text('coalesce(described.department, described.department_number)') }}
        as department,
    {{ as_text('described.manager_dn') }} as manager_dn,
    {{ as_text('described.description') }} as description,
    {% set prefixes = var('ldap_service_account_prefixes') -%}
    case
        when service_classes.entry_id is not null then 'service'
        {% for prefix in prefixes -%}
        when lower(substr(described.login_name, 1, {{ prefix | length }}))
            = '{{ prefix | lower | replace("'", "''") }}'
            then 'service'
        {% endfor -%}
        else 'person'
    end as account_type,

    {{ as_count('coalesce(memberships.group_count, 0)') }} as group_count,
    {{ as_count('coalesce(memberships.direct_group_count, 0)') }} as direct_group_count,
    {{ as_count('described.account_control_bits') }} as account_control,

    {{ flag('described.email is not null') }} as has_email,
    {{ flag(
        "described.is_locked = 1 or (" ~ has_bit('described.account_control_bits', 2) ~ ")"
    ) }} as is_disabled,

    described.created_at,
    described.modified_at
from described
left join {{ ref('int_ldap__places_resolved') }} places
    on described.parent_dn_normalised = places.place_dn_normalised
left join {{ ref('int_ldap__dn_spellings_gathered') }} managers
    on {{ dn_match_key('described.manager_dn') }} = managers.reference
left join service_classes on described.user_id = service_classes.entry_id
left join memberships on described.user_id = memberships.user_id

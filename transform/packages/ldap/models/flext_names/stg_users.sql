{{ config(enabled=var('ldap_flext_names')) }}

with users as (

    select * from {{ ref('ldap__users') }}

),

units as (

    select
        organizational_unit_id,
        ou_name
    from {{ ref('ldap__organizational_units') }}

),

list_values as (

    select * from {{ ref('int_ldap__list_values_joined') }}

)

select
    users.dn,
    users.login_name as {{ uid_column() }},
    users.common_name,
    users.surname,
    users.given_name,
    users.display_name,
    users.email,
    users.email_domain,
    users.phone,
    users.mobile_phone,
    users.job_title,
    users.department,
    users.employee_id,
    users.manager_dn,
    list_values.member_of,
    list_values.object_classes,
    users.description,
    units.ou_name as organizational_unit,
    users.account_type,

    users.account_control,
    cast(extract(year from users.created_at) as {{ dbt.type_int() }}) as created_year,
    {{ days_since('users.modified_at') }} as days_since_modified,

    users.is_disabled,
    users.has_email,

    users.created_at,
    users.modified_at
from users
left join units on users.organizational_unit_id = units.organizational_unit_id
left join list_values on users.user_id = list_values.entry_id

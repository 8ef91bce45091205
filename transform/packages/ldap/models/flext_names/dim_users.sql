{{ config(enabled=var('ldap_flext_names')) }}

with users as (

    select * from {{ ref('ldap__users') }}

),

units as (

    select * from {{ ref('ldap__organizational_units') }}

),

user_groups as (

    select
        memberships.user_id,
        sum(case when groups_found.group_category = 'security' then 1 else 0 end)
            as security_groups,
        max(
            case
                when {{ is_true('memberships.is_primary_group') }}
                    then groups_found.group_name
            end
        ) as primary_group,
        {{ dbt.listagg('groups_found.group_name', "'; '", 'order by groups_found.group_name') }}
            as group_names
    from {{ ref('ldap__memberships') }} memberships
    inner join {{ ref('ldap__groups') }} groups_found
        on memberships.group_id = groups_found.group_id
    group by memberships.user_id

)

select
    users.user_id,
    users.employee_id,
    users.organizational_unit_id,
    users.manager_id,

    users.dn as user_dn,
    users.common_name as full_name,
    users.given_name as first_name,
    users.surname as last_name,
    users.display_name,
    users.email,
    users.email_domain,
    users.phone,
    users.mobile_phone,
    users.job_title,
    users.department,
    users.account_type,
    units.ou_name as organizational_unit,
    units.ou_name,
    units.path as ou_path,
    units.ou_type,
    users.manager_dn,
    user_groups.primary_group,
    user_groups.group_names,

    {{ days_since('users.modified_at') }} as days_since_modified,
    users.group_count as total_groups,
    {{ as_count('coalesce(user_groups.security_groups, 0)') }} as security_groups,

    users.is_disabled,
    users.has_email,
    {{ flag(days_since('users.modified_at') ~ ' > ' ~ var('ldap_stale_after_days')) }}
        as is_stale_account,

    users.modified_at as last_updated_at
from users
left join units on users.organizational_unit_id = units.organizational_unit_id
left join user_groups on users.user_id = user_groups.user_id

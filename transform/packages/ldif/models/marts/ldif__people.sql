with people as (

    select * from {{ ref('int_ldif__entries_deduplicated') }}
    where entry_type = 'person'

),

attribute_values as (

    select * from {{ ref('int_ldif__attribute_values_unnested') }}

),

first_values as (

    select
        entry_id,
        {{ first_value_of('uid') }} as login_name,
        {{ first_value_of('samaccountname') }} as sam_account_name,
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
        {{ first_value_of('departmentnumber') }} as department_number,
        {{ first_value_of('department') }} as department,
        {{ first_value_of('manager') }} as manager_dn,
        {{ first_value_of('description') }} as description,
        sum(case when attribute_key = 'mail' then 1 else 0 end) as email_count
    from attribute_values
    group by entry_id

)

select
    people.dn_normalised,
    {{ as_text('coalesce(first_values.login_name, first_values.sam_account_name)') }}
        as login_name,
    {{ as_text('coalesce(first_values.employee_number, first_values.employee_id)') }}
        as employee_id,

    people.dn,
    people.parent_dn,
    {{ as_text('first_values.common_name') }} as common_name,
    {{ as_text('first_values.given_name') }} as given_name,
    {{ as_text('first_values.surname') }} as surname,
    {{ as_text('coalesce(first_values.display_name, first_values.common_name)') }}
        as display_name,
    {{ as_text('first_values.email') }} as email,
    {{ as_text('first_values.phone') }} as phone,
    {{ as_text('first_values.mobile_phone') }} as mobile_phone,
    {{ as_text('first_values.job_title') }} as job_title,
    {{ as_text('coalesce(first_values.department, first_values.department_number)') }}
        as department,
    {{ as_text('first_values.manager_dn') }} as manager_dn,
    {{ as_text('first_values.description') }} as description,
    people.source_file,

    {{ as_count('coalesce(first_values.email_count, 0)') }} as email_count,

    {{ flag('first_values.email is not null') }} as has_email
from people
left join first_values on people.entry_id = first_values.entry_id

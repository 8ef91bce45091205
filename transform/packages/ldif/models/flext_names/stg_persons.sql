{{ config(enabled=var('ldif_flext_names')) }}

select
    dn,
    login_name as {{ uid_column() }},
    employee_id,
    common_name,
    given_name,
    surname,
    display_name,
    email,
    phone,
    mobile_phone,
    job_title,
    department,
    manager_dn
from {{ ref('ldif__people') }}

{{ config(enabled=var('oracle_customers_enabled')) }}

with customers as (

    select * from {{ ref('stg_oracle__customers') }}

),

normalised as (

    select
        customers.*,
        lower(email) as email_lower,
        {{ phone_number('phone') }} as phone_digits,
        -- Not concatenated with a null: databases disagree about the outcome.
        case
            when given_name is not null and surname is not null
                then given_name || ' ' || surname
            else coalesce(surname, given_name)
        end as person_name
    from customers

)

select
    customer_id,

    {{ as_text('coalesce(full_name, person_name, company_name, customer_id)') }}
        as customer_name,
    {{ as_text('given_name') }} as given_name,
    {{ as_text('surname') }} as surname,
    {{ as_text('company_name') }} as company_name,
    {{ as_text('email_lower') }} as email,
    {{ as_text(
        "case when email_lower like '%@%' then substr(email_lower, "
        ~ dbt.position("'@'", 'email_lower') ~ " + 1) end"
    ) }} as email_domain,
    {{ as_text('phone_digits') }} as phone,
    {{ as_text('street') }} as street,
    {{ as_text('city') }} as city,
    {{ as_text('region') }} as region,
    {{ as_text('postal_code') }} as postal_code,
    {{ as_text(
        'case when length(country) between 2 and 3 then upper(country) else country end'
    ) }} as country,
    {{ as_text('status') }} as status,

    case
        when status is not null then {{ flag(
            'lower(status) in (' ~ quoted_values(var('oracle_customer_active_values')) ~ ')'
        ) }}
    end as is_active,

    created_at,
    updated_at
from normalised

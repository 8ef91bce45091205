{{ config(enabled=var('oracle_customers_enabled')) }}

{%- set columns = customer_columns(source('oracle', 'customers')) %}

with landed as (

    select
        {% for name, expression in columns.items() -%}
        {{ expression }} as {{ name }},
        {% endfor -%}
        {{ singer_column('_sdc_extracted_at') }} as extracted_at,
        {{ singer_column('_sdc_deleted_at') }} as deleted_at
    from {{ source('oracle', 'customers') }}

),

-- An append-only load holds a customer once per run: the last one landed counts.
numbered as (

    select
        landed.*,
        row_number() over (
            partition by customer_id
            order by
                extracted_at desc,
                case when deleted_at is null then 1 else 0 end
        ) as recency
    from landed

)

select
    {{ as_text('customer_id') }} as customer_id,

    {{ as_text(tidy('full_name')) }} as full_name,
    {{ as_text(tidy('given_name')) }} as given_name,
    {{ as_text(tidy('surname')) }} as surname,
    {{ as_text(tidy('company_name')) }} as company_name,
    {{ as_text(tidy('email')) }} as email,
    {{ as_text(tidy('phone')) }} as phone,
    {{ as_text(tidy('street')) }} as street,
    {{ as_text(tidy('city')) }} as city,
    {{ as_text(tidy('region')) }} as region,
    {{ as_text(tidy('postal_code')) }} as postal_code,
    {{ as_text(tidy('country')) }} as country,
    {{ as_text(tidy('status')) }} as status,

    {{ as_time('created_at') }} as created_at,
    {{ as_time('updated_at') }} as updated_at,
    {{ as_time('extracted_at') }} as extracted_at
from numbered
where recency = 1 and deleted_at is null

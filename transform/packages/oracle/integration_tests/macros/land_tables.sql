{#- The table as flext-target-warehouse makes it, filled from a text seed. -#}
{% macro land_customers() %}
  {%- set relation = var('oracle_schema') ~ '.extract_oracle_customers' -%}
  {%- set columns = {
    'customer_id': 'bigint',
    'full_name': 'varchar',
    'first_name': 'varchar',
    'last_name': 'varchar',
    'company_name': 'varchar',
    'email': 'varchar',
    'phone': 'varchar',
    'street': 'varchar',
    'city': 'varchar',
    'region': 'varchar',
    'postal_code': 'varchar',
    'country': 'varchar',
    'status': 'varchar',
    'created_at': 'timestamp with time zone',
    'updated_at': 'timestamp with time zone',
  } -%}
  drop table if exists {{ relation }} cascade;
  create table {{ relation }} (
    {% for column, type in columns.items() -%}
    {{ column }} {{ type }},
    {% endfor -%}
    _sdc_extracted_at timestamp with time zone,
    _sdc_received_at timestamp with time zone,
    _sdc_batched_at timestamp with time zone,
    _sdc_deleted_at timestamp with time zone,
    _sdc_sequence bigint,
    _sdc_table_version bigint,
    _sdc_sync_started_at bigint,
    primary key (customer_id)
  );
  insert into {{ relation }} ({{ columns | join(', ') }}, _sdc_extracted_at)
  select
    {% for column, type in columns.items() -%}
    cast({{ column }} as {{ type }}),
    {% endfor -%}
    cast(_sdc_extracted_at as timestamp with time zone)
  from {{ this }};
{% endmacro %}

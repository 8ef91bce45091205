{#- The tables as flext-target-warehouse makes them, with every column that the
    package knows, filled from text seeds with those that the tests need. -#}
{% macro land_entity(entity) %}
  {%- set relation = var('oracle_wms_schema') ~ '.' ~ entity -%}
  {%- set number = 'numeric' if target.type == 'postgres' else 'double' -%}
  {%- set types = {
    'key': 'bigint not null primary key',
    'id': 'bigint',
    'id!': 'bigint',
    'count': 'bigint',
    'text': 'varchar',
    'number': number,
    'flag': 'boolean',
    'date': 'date',
    'time': 'timestamp with time zone',
  } -%}
  {%- set columns = {} -%}
  {%- for landed, _, kind in flext_dbt_oracle_wms.entity_columns(entity) -%}
    {%- do columns.update({landed: types[kind]}) -%}
  {%- endfor -%}
  drop table if exists {{ relation }} cascade;
  create table {{ relation }} (
    {% for column, type in columns.items() -%}
    "{{ column }}" {{ type }},
    {% endfor -%}
    _sdc_extracted_at timestamp with time zone,
    _sdc_received_at timestamp with time zone,
    _sdc_batched_at timestamp with time zone,
    _sdc_deleted_at timestamp with time zone,
    _sdc_sequence bigint,
    _sdc_table_version bigint,
    _sdc_sync_started_at bigint
  );
  {%- if execute %}
  {%- set seeded = adapter.get_columns_in_relation(this) | map(attribute='name') | list %}
  insert into {{ relation }} (
    {%- for name in seeded %}"{{ name }}", {% endfor %}_sdc_extracted_at)
  select
    {% for name in seeded -%}
    cast("{{ name }}" as {{ columns[name].split(' not ')[0] }}),
    {% endfor -%}
    timestamp with time zone '2026-11-02 08:00:00+00:00'
  from {{ this }};
  {%- endif %}
{% endmacro %}

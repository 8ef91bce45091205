{#- The tables as flext-target-warehouse makes them, filled from text seeds. -#}

{% macro nested_types() %}
  {{ return(
    {'list': 'jsonb', 'json': 'jsonb'} if target.type == 'postgres'
    else {'list': 'varchar[]', 'json': 'json'}
  ) }}
{% endmacro %}


{% macro land_table(name, columns) %}
  {%- set relation = var('ldif_schema') ~ '.' ~ name -%}
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
    primary key (source_file, line_number)
  );
  insert into {{ relation }} ({{ columns | join(', ') }}, _sdc_extracted_at)
  select
    {% for column, type in columns.items() -%}
    cast({{ column }} as {{ type }}),
    {% endfor -%}
    cast(_sdc_extracted_at as timestamp with time zone)
  from {{ this }};
{% endmacro %}


{% macro land_ldif_entries() %}
  {%- set nested = nested_types() -%}
  {{ land_table('ldif_entries', {
    'source_file': 'varchar',
    'line_number': 'bigint',
    'dn': 'varchar',
    'object_class': nested['list'],
    'attributes': nested['json'],
    'change_type': 'varchar',
    'entry_size': 'bigint',
    'dn_normalised': 'varchar',
    'parent_dn': 'varchar',
    'rdn': 'varchar',
    'depth': 'bigint',
    'binary_attributes': nested['list'],
  }) }}
{% endmacro %}


{% macro land_ldif_changes() %}
  {%- set nested = nested_types() -%}
  {{ land_table('ldif_changes', {
    'source_file': 'varchar',
    'line_number': 'bigint',
    'dn': 'varchar',
    'change_type': 'varchar',
    'operations': nested['json'],
    'new_rdn': 'varchar',
    'delete_old_rdn': 'boolean',
    'new_superior': 'varchar',
    'controls': nested['json'],
  }) }}
{% endmacro %}

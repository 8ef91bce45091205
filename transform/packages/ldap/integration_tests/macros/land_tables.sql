{#- The tables as flext-target-warehouse makes them, filled from text seeds. -#}

{% macro nested_types() %}
  {{ return(
    {'list': 'jsonb', 'json': 'jsonb'} if target.type == 'postgres'
    else {'list': 'varchar[]', 'json': 'json'}
  ) }}
{% endmacro %}


{% macro land_table(name, keys, columns) %}
  {%- set relation = var('ldap_schema') ~ '.' ~ name -%}
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
    primary key ({{ keys | join(', ') }})
  );
  insert into {{ relation }} ({{ columns | join(', ') }}, _sdc_extracted_at)
  select
    {% for column, type in columns.items() -%}
    cast({{ column }} as {{ type }}),
    {% endfor -%}
    cast(_sdc_extracted_at as timestamp with time zone)
  from {{ this }};
{% endmacro %}


{#- Attributes that a server does not keep are null: they are not in the seeds. -#}
{% macro land_entries(name) %}
  {%- set nested = nested_types() -%}
  {{ land_table(name, ['entry_uuid'], {
    'entry_uuid': 'varchar',
    'dn': 'varchar',
    'dn_normalised': 'varchar',
    'parent_dn': 'varchar',
    'rdn': 'varchar',
    'depth': 'bigint',
    'object_class': nested['list'],
    'attributes': nested['json'],
    'binary_attributes': nested['list'],
    'create_timestamp': 'timestamp with time zone',
    'modify_timestamp': 'timestamp with time zone',
  }) }}
  alter table {{ var('ldap_schema') }}.{{ name }} add column entry_csn varchar;
  alter table {{ var('ldap_schema') }}.{{ name }} add column usn_changed bigint;
{% endmacro %}


{% macro land_memberships() %}
  {{ land_table('memberships', ['group_entry_uuid', 'attribute', 'member_key'], {
    'group_entry_uuid': 'varchar',
    'group_dn': 'varchar',
    'group_dn_normalised': 'varchar',
    'attribute': 'varchar',
    'member_key': 'varchar',
    'member': 'varchar',
    'member_dn_normalised': 'varchar',
  }) }}
{% endmacro %}

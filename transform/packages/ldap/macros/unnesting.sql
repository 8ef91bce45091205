{#- Join fragments that turn a nested column into rows. Each opens with its own
    join word, so that they follow a `from` clause directly. -#}

{#- One row per item of an array of strings: `alias.item`, `alias.position`
    (from 1). An empty or absent array gives no row. -#}
{% macro unnested_list(column, alias) -%}
  {{ return(adapter.dispatch('unnested_list', 'flext_dbt_ldap')(column, alias)) }}
{%- endmacro %}

{% macro default__unnested_list(column, alias) -%}
  cross join lateral (
    select
      unnest({{ column }}) as item,
      generate_subscripts({{ column }}, 1) as position
  ) as {{ alias }}
{%- endmacro %}

{% macro postgres__unnested_list(column, alias) -%}
  cross join lateral jsonb_array_elements_text({{ column }})
    with ordinality as {{ alias }} (item, position)
{%- endmacro %}

{% macro oracle__unnested_list(column, alias) -%}
  cross apply json_table(
    {{ column }}, '$[*]' columns (
      position for ordinality,
      item varchar2(4000) truncate path '$'
    )
  ) {{ alias }}
{%- endmacro %}


{#- One row per attribute and value of {name: [values]}: `alias.name`,
    `alias.item`, `alias.position` (from 1). -#}
{% macro unnested_attributes(column, alias) -%}
  {{ return(adapter.dispatch('unnested_attributes', 'flext_dbt_ldap')(column, alias)) }}
{%- endmacro %}

{% macro default__unnested_attributes(column, alias) -%}
  cross join lateral (
    select unnest(map_entries(cast({{ column }} as map(varchar, varchar[])))) as pair
  ) as {{ alias }}_pairs
  cross join lateral (
    select
      {{ alias }}_pairs.pair.key as name,
      unnest({{ alias }}_pairs.pair.value) as item,
      generate_subscripts({{ alias }}_pairs.pair.value, 1) as position
  ) as {{ alias }}
{%- endmacro %}

{% macro postgres__unnested_attributes(column, alias) -%}
  cross join lateral jsonb_each({{ column }}) as {{ alias }}_pairs (name, items)
  cross join lateral (
    select
      {{ alias }}_pairs.name,
      items.item,
      items.position
    from jsonb_array_elements_text({{ alias }}_pairs.items)
      with ordinality as items (item, position)
  ) as {{ alias }}
{%- endmacro %}

{#- A value past 4000 bytes is cut here; the entry itself keeps it whole. -#}
{#- SQL/JSON paths are literals in Oracle, so names that are only known from the
    data need the two functions below. -#}
{% macro oracle__unnested_attributes(column, alias) -%}
  cross apply (
    select
      names.column_value as name,
      items.item,
      items.position
    from table({{ target.schema }}.flext_ldap_names({{ column }})) names
    cross apply json_table(
      {{ target.schema }}.flext_ldap_values({{ column }}, names.column_value),
      '$[*]' columns (
        position for ordinality,
        item varchar2(4000) truncate path '$'
      )
    ) items
  ) {{ alias }}
{%- endmacro %}


{#- Pre-hooks of the model that unnests attributes; only Oracle has any. The
    user needs CREATE PROCEDURE there. -#}
{% macro create_names_function() -%}
  {{ return(adapter.dispatch('create_names_function', 'flext_dbt_ldap')()) }}
{%- endmacro %}

{% macro default__create_names_function() %}{% endmacro %}

{% macro oracle__create_names_function() -%}
  create or replace function {{ target.schema }}.flext_ldap_names(document clob)
  return sys.odcivarchar2list is
    names json_key_list;
    result sys.odcivarchar2list := sys.odcivarchar2list();
  begin
    if document is null then
      return result;
    end if;
    names := json_object_t.parse(document).get_keys;
    if names is not null then
      for i in 1 .. names.count loop
        result.extend;
        result(result.count) := names(i);
      end loop;
    end if;
    return result;
  end;
{%- endmacro %}

{% macro create_values_function() -%}
  {{ return(adapter.dispatch('create_values_function', 'flext_dbt_ldap')()) }}
{%- endmacro %}

{% macro default__create_values_function() %}{% endmacro %}

{% macro oracle__create_values_function() -%}
  create or replace function {{ target.schema }}.flext_ldap_values(
    document clob,
    name varchar2
  )
  return clob is
  begin
    return json_object_t.parse(document).get(name).to_clob;
  end;
{%- endmacro %}

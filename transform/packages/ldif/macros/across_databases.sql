{#- One macro per gap between the databases: default first (DuckDB unless it
    says otherwise), then what Postgres and Oracle need instead. -#}

{% macro singer_column(name) -%}
  {{ return(adapter.dispatch('singer_column', 'flext_dbt_ldif')(name)) }}
{%- endmacro %}

{% macro default__singer_column(name) -%}{{ name }}{%- endmacro %}

{#- An Oracle name that begins with an underscore must be quoted. -#}
{% macro oracle__singer_column(name) -%}"{{ name | upper }}"{%- endmacro %}


{#- UID is a word of its own in Oracle. -#}
{% macro uid_column() -%}
  {{ return(adapter.dispatch('uid_column', 'flext_dbt_ldif')()) }}
{%- endmacro %}

{% macro default__uid_column() -%}uid{%- endmacro %}

{% macro oracle__uid_column() -%}"UID"{%- endmacro %}


{#- A condition as a column. Oracle has no boolean columns: 1 and 0. -#}
{% macro flag(condition) -%}
  {{ return(adapter.dispatch('flag', 'flext_dbt_ldif')(condition)) }}
{%- endmacro %}

{% macro default__flag(condition) -%}
  coalesce({{ condition }}, false)
{%- endmacro %}

{% macro oracle__flag(condition) -%}
  case when {{ condition }} then 1 else 0 end
{%- endmacro %}


{#- A flag column as a condition. -#}
{% macro is_true(column) -%}
  {{ return(adapter.dispatch('is_true', 'flext_dbt_ldif')(column)) }}
{%- endmacro %}

{% macro default__is_true(column) -%}{{ column }}{%- endmacro %}

{% macro oracle__is_true(column) -%}{{ column }} = 1{%- endmacro %}


{% macro as_text(expression) -%}
  cast({{ expression }} as {{ dbt.type_string() }})
{%- endmacro %}


{% macro as_time(expression) -%}
  cast({{ expression }} as timestamp with time zone)
{%- endmacro %}


{% macro as_count(expression) -%}
  cast({{ expression }} as {{ dbt.type_bigint() }})
{%- endmacro %}


{#- An object, or an array of objects, in the database's own JSON type. -#}
{% macro as_json(expression) -%}
  {{ return(adapter.dispatch('as_json', 'flext_dbt_ldif')(expression)) }}
{%- endmacro %}

{% macro default__as_json(expression) -%}
  cast({{ expression }} as json)
{%- endmacro %}

{% macro postgres__as_json(expression) -%}
  cast({{ expression }} as jsonb)
{%- endmacro %}

{% macro oracle__as_json(expression) -%}{{ expression }}{%- endmacro %}


{#- An array of strings: a native list on DuckDB, JSON elsewhere. -#}
{% macro as_list(expression) -%}
  {{ return(adapter.dispatch('as_list', 'flext_dbt_ldif')(expression)) }}
{%- endmacro %}

{% macro default__as_list(expression) -%}
  cast({{ expression }} as varchar[])
{%- endmacro %}

{#- Takes jsonb and text[] alike. -#}
{% macro postgres__as_list(expression) -%}
  to_jsonb({{ expression }})
{%- endmacro %}

{% macro oracle__as_list(expression) -%}{{ expression }}{%- endmacro %}


{#- Bytes that a text takes in UTF-8. -#}
{% macro byte_length(expression) -%}
  {{ return(adapter.dispatch('byte_length', 'flext_dbt_ldif')(expression)) }}
{%- endmacro %}

{% macro default__byte_length(expression) -%}strlen({{ expression }}){%- endmacro %}

{% macro postgres__byte_length(expression) -%}
  octet_length({{ expression }})
{%- endmacro %}

{% macro oracle__byte_length(expression) -%}
  coalesce(lengthb({{ expression }}), 0)
{%- endmacro %}


{#- Oracle recurses by naming the columns and has no word for it. -#}
{% macro with_recursive() -%}
  {{ return(adapter.dispatch('with_recursive', 'flext_dbt_ldif')()) }}
{%- endmacro %}

{% macro default__with_recursive() -%}with recursive{%- endmacro %}

{% macro oracle__with_recursive() -%}with{%- endmacro %}

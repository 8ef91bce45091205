{#- One macro per gap between the databases: default first (DuckDB unless it
    says otherwise), then what Postgres and Oracle need instead. Staging models
    that `flexcore-gen dbt-models` writes call the `as_` ones too. -#}

{% macro singer_column(name) -%}
  {{ return(adapter.dispatch('singer_column', 'flext_dbt_oracle')(name)) }}
{%- endmacro %}

{% macro default__singer_column(name) -%}{{ name }}{%- endmacro %}

{#- An Oracle name that begins with an underscore must be quoted. -#}
{% macro oracle__singer_column(name) -%}"{{ name | upper }}"{%- endmacro %}


{#- A landed column by the name that the tap gave it, always quoted. -#}
{% macro landed_name(name) -%}
  {{ return(adapter.dispatch('landed_name', 'flext_dbt_oracle')(name)) }}
{%- endmacro %}

{% macro default__landed_name(name) -%}"{{ name | replace('"', '""') }}"{%- endmacro %}

{#- flext-target-oracle writes names in capitals, anything odd as an underscore. -#}
{% macro oracle__landed_name(name) -%}
  "{{ modules.re.sub('[^A-Z0-9_$#]', '_', name | upper) }}"
{%- endmacro %}


{#- A condition as a column. Oracle has no boolean columns: 1 and 0. -#}
{% macro flag(condition) -%}
  {{ return(adapter.dispatch('flag', 'flext_dbt_oracle')(condition)) }}
{%- endmacro %}

{% macro default__flag(condition) -%}
  coalesce({{ condition }}, false)
{%- endmacro %}

{% macro oracle__flag(condition) -%}
  case when {{ condition }} then 1 else 0 end
{%- endmacro %}


{% macro as_text(expression) -%}
  cast({{ expression }} as {{ dbt.type_string() }})
{%- endmacro %}


{% macro as_time(expression) -%}
  cast({{ expression }} as timestamp with time zone)
{%- endmacro %}


{#- A whole number of at most 18 digits. -#}
{% macro as_count(expression) -%}
  cast({{ expression }} as {{ dbt.type_bigint() }})
{%- endmacro %}


{#- A number with the digits that its Oracle column declares. -#}
{% macro as_decimal(expression, precision, scale) -%}
  {{ return(adapter.dispatch('as_decimal', 'flext_dbt_oracle')(expression, precision, scale)) }}
{%- endmacro %}

{% macro default__as_decimal(expression, precision, scale) -%}
  cast({{ expression }} as decimal({{ precision }}, {{ scale }}))
{%- endmacro %}

{% macro oracle__as_decimal(expression, precision, scale) -%}
  cast({{ expression }} as number({{ precision }}, {{ scale }}))
{%- endmacro %}


{% macro as_double(expression) -%}
  {{ return(adapter.dispatch('as_double', 'flext_dbt_oracle')(expression)) }}
{%- endmacro %}

{% macro default__as_double(expression) -%}
  cast({{ expression }} as double precision)
{%- endmacro %}

{% macro oracle__as_double(expression) -%}
  cast({{ expression }} as binary_double)
{%- endmacro %}


{% macro as_flag(expression) -%}
  {{ return(adapter.dispatch('as_flag', 'flext_dbt_oracle')(expression)) }}
{%- endmacro %}

{% macro default__as_flag(expression) -%}
  cast({{ expression }} as boolean)
{%- endmacro %}

{% macro oracle__as_flag(expression) -%}
  cast({{ expression }} as number(1, 0))
{%- endmacro %}


{#- An object or array in the database's own JSON type. -#}
{% macro as_json(expression) -%}
  {{ return(adapter.dispatch('as_json', 'flext_dbt_oracle')(expression)) }}
{%- endmacro %}

{% macro default__as_json(expression) -%}
  cast({{ expression }} as json)
{%- endmacro %}

{% macro postgres__as_json(expression) -%}
  cast({{ expression }} as jsonb)
{%- endmacro %}

{% macro oracle__as_json(expression) -%}{{ expression }}{%- endmacro %}


{#- All that a pattern finds in a text, taken out. -#}
{% macro without_pattern(expression, pattern) -%}
  {{ return(adapter.dispatch('without_pattern', 'flext_dbt_oracle')(expression, pattern)) }}
{%- endmacro %}

{% macro default__without_pattern(expression, pattern) -%}
  regexp_replace({{ expression }}, '{{ pattern }}', '', 'g')
{%- endmacro %}

{#- Oracle replaces all of them unless told otherwise. -#}
{% macro oracle__without_pattern(expression, pattern) -%}
  regexp_replace({{ expression }}, '{{ pattern }}', '')
{%- endmacro %}

{#- One macro per gap between the databases: default first (DuckDB unless it
    says otherwise), then what Postgres and Oracle need instead. -#}

{% macro singer_column(name) -%}
  {{ return(adapter.dispatch('singer_column', 'flext_dbt_oracle_wms')(name)) }}
{%- endmacro %}

{% macro default__singer_column(name) -%}{{ name }}{%- endmacro %}

{#- An Oracle name that begins with an underscore must be quoted. -#}
{% macro oracle__singer_column(name) -%}"{{ name | upper }}"{%- endmacro %}


{#- A landed column by the name that the tap gave it, always quoted. -#}
{% macro landed_name(name) -%}
  {{ return(adapter.dispatch('landed_name', 'flext_dbt_oracle_wms')(name)) }}
{%- endmacro %}

{% macro default__landed_name(name) -%}"{{ name | replace('"', '""') }}"{%- endmacro %}

{#- The target writes a name without capitals as Oracle would fold it. -#}
{% macro oracle__landed_name(name) -%}
  {%- if name == name | lower -%}"{{ name | upper }}"{%- else -%}"{{ name }}"{%- endif -%}
{%- endmacro %}


{#- A condition as a column. Oracle has no boolean columns: 1 and 0. -#}
{% macro flag(condition) -%}
  {{ return(adapter.dispatch('flag', 'flext_dbt_oracle_wms')(condition)) }}
{%- endmacro %}

{% macro default__flag(condition) -%}
  coalesce({{ condition }}, false)
{%- endmacro %}

{% macro oracle__flag(condition) -%}
  case when {{ condition }} then 1 else 0 end
{%- endmacro %}


{#- A flag column as a condition. -#}
{% macro is_true(column) -%}
  {{ return(adapter.dispatch('is_true', 'flext_dbt_oracle_wms')(column)) }}
{%- endmacro %}

{% macro default__is_true(column) -%}{{ column }}{%- endmacro %}

{% macro oracle__is_true(column) -%}{{ column }} = 1{%- endmacro %}


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


{#- What the marts count in: 32 digits before the point and six after it. -#}
{% macro as_amount(expression) -%}
  {{ return(adapter.dispatch('as_amount', 'flext_dbt_oracle_wms')(expression)) }}
{%- endmacro %}

{% macro default__as_amount(expression) -%}
  cast({{ expression }} as decimal(38, 6))
{%- endmacro %}

{% macro oracle__as_amount(expression) -%}
  cast({{ expression }} as number(38, 6))
{%- endmacro %}


{#- Two amounts below 10^12 multiplied: DuckDB refuses what may pass 38 digits. -#}
{% macro product(left, right) -%}
  {{ return(adapter.dispatch('product', 'flext_dbt_oracle_wms')(left, right)) }}
{%- endmacro %}

{% macro default__product(left, right) -%}
  (cast({{ left }} as decimal(18, 6)) * cast({{ right }} as decimal(18, 6)))
{%- endmacro %}

{% macro oracle__product(left, right) -%}
  ({{ left }} * {{ right }})
{%- endmacro %}


{#- A share of something, as a double; null of nothing. -#}
{% macro ratio(part, whole) -%}
  {{ return(adapter.dispatch('ratio', 'flext_dbt_oracle_wms')(part, whole)) }}
{%- endmacro %}

{% macro default__ratio(part, whole) -%}
  (cast({{ part }} as double precision) / nullif(cast({{ whole }} as double precision), 0))
{%- endmacro %}

{% macro oracle__ratio(part, whole) -%}
  ({{ part }} / nullif({{ whole }}, 0))
{%- endmacro %}


{% macro as_flag(expression) -%}
  {{ return(adapter.dispatch('as_flag', 'flext_dbt_oracle_wms')(expression)) }}
{%- endmacro %}

{% macro default__as_flag(expression) -%}
  cast({{ expression }} as boolean)
{%- endmacro %}

{% macro oracle__as_flag(expression) -%}
  cast({{ expression }} as number(1, 0))
{%- endmacro %}


{#- Oracle selects from something, always. -#}
{% macro from_nothing() -%}
  {{ return(adapter.dispatch('from_nothing', 'flext_dbt_oracle_wms')()) }}
{%- endmacro %}

{% macro default__from_nothing() -%}where 1 = 0{%- endmacro %}

{% macro oracle__from_nothing() -%}from dual where 1 = 0{%- endmacro %}


{#- The day that the marts look back from: a variable, or today. -#}
{% macro as_of_date() -%}
  {%- if var('oracle_wms_as_of_date') -%}
  date '{{ var('oracle_wms_as_of_date') }}'
  {%- else -%}
  current_date
  {%- endif -%}
{%- endmacro %}


{#- The same day some days earlier (or later). -#}
{% macro days_from_as_of(days) -%}
  {{ return(adapter.dispatch('days_from_as_of', 'flext_dbt_oracle_wms')(days)) }}
{%- endmacro %}

{% macro default__days_from_as_of(days) -%}
  ({{ as_of_date() }} + {{ days }})
{%- endmacro %}

{#- Codes of statuses and what they are taken to mean: variables, because Oracle's
    documents do not list them and a tenant's may differ. -#}

{#- The word for a code; a code without one stays visible. -#}
{% macro status_word(column, words) -%}
  case {{ column }}
    {%- for code, word in words.items() %}
    when {{ code | int }} then '{{ word | replace("'", "''") }}'
    {%- endfor %}
    else 'status ' || {{ as_text(column) }}
  end
{%- endmacro %}


{#- Whether a code is one of a list, which may be empty; null is not. -#}
{% macro is_one_of(column, codes) -%}
  {%- if codes -%}
  coalesce({{ column }}, -1) in ({{ codes | map('int') | join(', ') }})
  {%- else -%}
  1 = 0
  {%- endif -%}
{%- endmacro %}


{#- One text for a facility and an item, either of which may be unknown. -#}
{% macro facility_item(facility, item) -%}
  coalesce({{ as_text(facility) }}, 'none') || ':' || coalesce({{ as_text(item) }}, 'none')
{%- endmacro %}


{% macro is_shipped_order() -%}
  {{ flag(is_one_of('status_id', var('oracle_wms_order_shipped_status_ids'))) }}
{%- endmacro %}


{% macro is_cancelled_order() -%}
  {{ flag(is_one_of('status_id', var('oracle_wms_order_cancelled_status_ids'))) }}
{%- endmacro %}

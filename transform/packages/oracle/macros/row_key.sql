{#- Rows of a model without a key, and keys with more than one row. -#}
{% test row_key(model, columns) %}
  {%- set names = [] -%}
  {%- for column in columns -%}
    {%- do names.append(flext_dbt_oracle.landed_name(column)) -%}
  {%- endfor %}

  select
    {{ names | join(', ') }},
    count(*) as row_count
  from {{ model }}
  group by {{ names | join(', ') }}
  having
    count(*) > 1
    {% for name in names -%}
    or {{ name }} is null
    {% endfor %}
{% endtest %}

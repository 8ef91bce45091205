{#- Rows that are in the mart and not in its expected seed, or the reverse. -#}
{% macro differing_rows(mart) %}
  {%- set expected = ref('expected_' ~ mart) -%}
  {%- set names = [] -%}
  {%- if execute -%}
    {%- for column in adapter.get_columns_in_relation(expected) -%}
      {%- do names.append('cast(' ~ column.name ~ ' as varchar(4000)) as ' ~ column.name) -%}
    {%- endfor -%}
  {%- endif -%}
  {%- set columns = names | join(', ') or '*' -%}

  with actual as (
    select {{ columns }} from {{ ref(mart) }}
  ),

  expected as (
    select {{ columns }} from {{ expected }}
  )

  select
    'only in the mart' as finding,
    surplus.*
  from (select * from actual except select * from expected) as surplus

  union all

  select
    'only expected' as finding,
    missing.*
  from (select * from expected except select * from actual) as missing
{% endmacro %}

{#- One entity: renamed, cast, the last landed row per id. -#}
{% macro staged_entity(entity) -%}
{%- set is_landed = var('oracle_wms_' ~ entity ~ '_enabled') -%}
{%- set columns = entity_columns(entity) -%}
{%- set key = columns[0][1] -%}
with landed as (

    select
    {%- if is_landed %}
        {%- for name, expression in landed_columns(entity).items() %}
        {{ expression }} as {{ name }},
        {%- endfor %}
        {{ singer_column('_sdc_extracted_at') }} as extracted_at,
        {{ singer_column('_sdc_deleted_at') }} as deleted_at
    from {{ source('oracle_wms', entity) }}
    {%- else %}
        {%- for _, name, kind in columns %}
        {{ cast_kind('null', kind) }} as {{ name }},
        {%- endfor %}
        {{ as_time('null') }} as extracted_at,
        {{ as_time('null') }} as deleted_at
    {{ from_nothing() }}
    {%- endif %}

),

-- An append-only load holds a row once per run, and the tap reads some again:
-- the last one landed counts.
numbered as (

    select
        landed.*,
        row_number() over (
            partition by {{ key }}
            order by
                extracted_at desc,
                case when deleted_at is null then 1 else 0 end
        ) as recency
    from landed

)

select
    {%- for _, name, _ in columns %}
    {{ name }},
    {%- endfor %}
    {{ as_time('extracted_at') }} as extracted_at
from numbered
where recency = 1 and deleted_at is null
{%- endmacro %}


{#- {our name: SQL of the landed column}. Which columns there are is the tenant's
    business: an absent one is null, an absent key an error. Where the database
    lists no column the table is missing, and the statement is left to fail on
    it by name. -#}
{% macro landed_columns(entity) -%}
  {%- set relation = source('oracle_wms', entity) -%}
  {%- set found = {} -%}
  {%- for column in adapter.get_columns_in_relation(relation) if execute -%}
    {%- do found.update({column.name | lower: column}) -%}
  {%- endfor -%}
  {%- set expressions = {} -%}
  {%- for landed, name, kind in entity_columns(entity) -%}
    {%- set column = found.get(landed) -%}
    {%- if not found or column -%}
      {%- set is_text = column is not none and column.is_string() -%}
      {%- set value = landed_name(landed) -%}
      {%- set kind = 'parsed number' if kind == 'number' and is_text else kind -%}
      {%- do expressions.update({name: cast_kind(value, kind)}) -%}
    {%- elif kind in ('key', 'id!') -%}
      {{ exceptions.raise_compiler_error(
        relation ~ " has no column " ~ landed ~ ", which the package cannot do without;"
        ~ " it has " ~ found | join(', ') ~ ". Add it to the tap's field_selection"
      ) }}
    {%- else -%}
      {%- do expressions.update({name: cast_kind('null', kind)}) -%}
    {%- endif -%}
  {%- endfor -%}
  {{ return(expressions) }}
{%- endmacro %}


{#- Numbers stay as they landed, so that no digit is lost here. -#}
{% macro cast_kind(expression, kind) -%}
  {%- if kind == 'text' -%}
  {{ as_text(expression) }}
  {%- elif kind in ('key', 'id!', 'id', 'count') -%}
  {{ as_count(expression) }}
  {%- elif kind == 'flag' -%}
  {{ as_flag(expression) }}
  {%- elif kind == 'date' -%}
  cast({{ expression }} as date)
  {%- elif kind == 'time' -%}
  {{ as_time(expression) }}
  {%- elif expression == 'null' or kind == 'parsed number' -%}
  {{ as_amount(expression) }}
  {%- else -%}
  {{ expression }}
  {%- endif -%}
{%- endmacro %}

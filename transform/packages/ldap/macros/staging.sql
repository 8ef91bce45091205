{#- One of the streams that share the shape of an entry, or no row of that shape
    where the stream is switched off. -#}
{% macro staged_entries(stream) -%}
with landed as (

    {% if var('ldap_' ~ stream ~ '_enabled') -%}
    select
        entry_uuid,
        dn,
        dn_normalised,
        parent_dn,
        rdn,
        depth,
        object_class,
        attributes,
        binary_attributes,
        create_timestamp,
        modify_timestamp,
        {{ singer_column('_sdc_extracted_at') }} as extracted_at,
        {{ singer_column('_sdc_deleted_at') }} as deleted_at
    from {{ source('ldap', stream) }}
    {%- else -%}
    select
        {{ as_text('null') }} as entry_uuid,
        {{ as_text('null') }} as dn,
        {{ as_text('null') }} as dn_normalised,
        {{ as_text('null') }} as parent_dn,
        {{ as_text('null') }} as rdn,
        cast(null as {{ dbt.type_int() }}) as depth,
        {{ as_list(as_json('null')) }} as object_class,
        {{ as_json('null') }} as attributes,
        {{ as_list(as_json('null')) }} as binary_attributes,
        {{ as_time('null') }} as create_timestamp,
        {{ as_time('null') }} as modify_timestamp,
        {{ as_time('null') }} as extracted_at,
        {{ as_time('null') }} as deleted_at
    {{ from_nothing() }}
    {%- endif %}

),

-- An append-only load holds an entry once per run: the last one landed counts.
numbered as (

    select
        landed.*,
        row_number() over (
            partition by entry_uuid
            order by
                extracted_at desc,
                case when deleted_at is null then 1 else 0 end
        ) as recency
    from landed

),

live as (

    select
        {{ as_text('entry_uuid') }} as entry_id,

        {{ as_text('dn') }} as dn,
        {{ as_text('coalesce(dn_normalised, lower(dn))') }} as dn_normalised,
        {{ as_text('parent_dn') }} as parent_dn,
        {{ as_text('rdn') }} as rdn,

        {{ as_list('object_class') }} as object_class,
        {{ as_json('attributes') }} as attributes,
        {{ as_list('binary_attributes') }} as binary_attributes,

        cast(depth as {{ dbt.type_int() }}) as depth,

        {{ as_time('create_timestamp') }} as created_at,
        {{ as_time('modify_timestamp') }} as modified_at,
        {{ as_time('extracted_at') }} as extracted_at
    from numbered
    where
        recency = 1
        and deleted_at is null
        and dn is not null

)

select
    entry_id,

    dn,
    dn_normalised,
    parent_dn,
    {{ as_text(parent_of_normalised_dn('dn_normalised')) }} as parent_dn_normalised,
    rdn,

    object_class,
    attributes,
    binary_attributes,

    depth,

    created_at,
    modified_at,
    extracted_at
from live
{%- endmacro %}


{#- The end of a select of literals that gives no row. -#}
{% macro from_nothing() -%}
  {{ return(adapter.dispatch('from_nothing', 'flext_dbt_ldap')()) }}
{%- endmacro %}

{% macro default__from_nothing() -%}where 1 = 0{%- endmacro %}

{% macro oracle__from_nothing() -%}from dual where 1 = 0{%- endmacro %}


{#- A whole number inside a text; null for any other text. -#}
{% macro whole_number(expression) -%}
  {{ return(adapter.dispatch('whole_number', 'flext_dbt_ldap')(expression)) }}
{%- endmacro %}

{% macro default__whole_number(expression) -%}
  try_cast({{ expression }} as bigint)
{%- endmacro %}

{% macro postgres__whole_number(expression) -%}
  case when {{ expression }} ~ '^-?[0-9]{1,18}$' then cast({{ expression }} as bigint) end
{%- endmacro %}

{% macro oracle__whole_number(expression) -%}
  to_number({{ expression }} default null on conversion error)
{%- endmacro %}


{#- Whether one bit (2, 4, 8…) is set in a whole number, negative ones included. -#}
{% macro has_bit(expression, bit) -%}
  mod(mod({{ expression }}, {{ 2 * bit }}) + {{ 2 * bit }}, {{ 2 * bit }}) >= {{ bit }}
{%- endmacro %}


{#- Merging equal rows keeps a graph of many ways small; Oracle recurses only by
    `union all` and needs to be told what a circle is. -#}
{% macro recursive_union() -%}
  {{ return(adapter.dispatch('recursive_union', 'flext_dbt_ldap')()) }}
{%- endmacro %}

{% macro default__recursive_union() -%}union{%- endmacro %}

{% macro oracle__recursive_union() -%}union all{%- endmacro %}

{% macro cycle_clause(columns) -%}
  {{ return(adapter.dispatch('cycle_clause', 'flext_dbt_ldap')(columns)) }}
{%- endmacro %}

{% macro default__cycle_clause(columns) -%}{%- endmacro %}

{% macro oracle__cycle_clause(columns) -%}
  cycle {{ columns | join(', ') }} set is_circle to 'Y' default 'N'
{%- endmacro %}


{#- Whole days from a time until now; null stays null. -#}
{% macro days_since(time) -%}
  {{ return(adapter.dispatch('days_since', 'flext_dbt_ldap')(time)) }}
{%- endmacro %}

{% macro default__days_since(time) -%}
  cast(date_diff('day', {{ time }}, now()) as {{ dbt.type_int() }})
{%- endmacro %}

{% macro postgres__days_since(time) -%}
  cast(extract(epoch from now() - {{ time }}) / 86400 as {{ dbt.type_int() }})
{%- endmacro %}

{% macro oracle__days_since(time) -%}
  trunc(cast(systimestamp as date) - cast({{ time }} as date))
{%- endmacro %}

{#- Where the columns of a customer are found. A query may select any columns
    under any names, so each of ours has the names that it usually has; the
    variable `oracle_customer_columns` puts others first. -#}

{% macro customer_column_names() -%}
  {%- set usual = {
    'customer_id': ['customer_id', 'cust_id', 'customer_number', 'customer_no', 'id'],
    'full_name': ['full_name', 'customer_name', 'cust_name', 'display_name', 'name'],
    'given_name': ['first_name', 'given_name', 'cust_first_name', 'firstname'],
    'surname': ['last_name', 'surname', 'family_name', 'cust_last_name', 'lastname'],
    'company_name': ['company_name', 'company', 'organization_name', 'organization'],
    'email': ['email', 'email_address', 'cust_email', 'mail', 'e_mail'],
    'phone': ['phone', 'phone_number', 'telephone', 'phone_nbr', 'main_phone_number'],
    'street': ['street', 'address', 'address_line1', 'address_line_1', 'street_address'],
    'city': ['city', 'town', 'cust_city'],
    'region': ['region', 'state', 'state_province', 'province'],
    'postal_code': ['postal_code', 'zip', 'zip_code', 'postcode'],
    'country': ['country', 'country_code', 'country_id'],
    'status': ['status', 'customer_status', 'is_active', 'active', 'active_flag'],
    'created_at': ['created_at', 'creation_date', 'created_date', 'create_ts'],
    'updated_at': ['updated_at', 'last_update_date', 'modified_at', 'update_ts', 'mod_ts'],
  } -%}
  {%- set names = {} -%}
  {%- for column, candidates in usual.items() -%}
    {%- set given = var('oracle_customer_columns').get(column) -%}
    {%- set given = [given] if given is string else (given or candidates) -%}
    {%- do names.update({column: given}) -%}
  {%- endfor -%}
  {{ return(names) }}
{%- endmacro %}


{#- {our column: SQL of the landed one}, null for one that was not landed. Where
    the database lists no column the table is missing, and the statement is left
    to fail on it by name. -#}
{% macro customer_columns(relation) -%}
  {%- set found = {} -%}
  {%- for column in adapter.get_columns_in_relation(relation) if execute -%}
    {%- do found.update({column.name | lower: column}) -%}
  {%- endfor -%}
  {%- set expressions = {} -%}
  {%- for ours, candidates in customer_column_names().items() -%}
    {%- set is_time = ours in ('created_at', 'updated_at') -%}
    {%- set there = candidates | map('lower') | select('in', found) | list -%}
    {%- if not found -%}
      {%- set name = landed_name(candidates[0]) -%}
      {%- do expressions.update({ours: name if is_time else as_text(name)}) -%}
    {%- elif there -%}
      {%- set column = found[there[0]] -%}
      {%- set name = adapter.quote(column.name) -%}
      {%- set text = name if is_time else as_text(name) -%}
      {#- A number without declared digits may have landed with a fraction. -#}
      {%- if ours == 'customer_id' and not column.is_string() -%}
        {%- set text = "regexp_replace(" ~ text ~ ", '^(-?[0-9]+)[.]0+$', '\\1')" -%}
      {%- endif -%}
      {%- do expressions.update({ours: text}) -%}
    {%- elif ours == 'customer_id' or var('oracle_customer_columns').get(ours) -%}
      {{ exceptions.raise_compiler_error(
        relation ~ " has no column for " ~ ours ~ ": looked for "
        ~ candidates | join(', ') ~ "; it has " ~ found | join(', ')
        ~ ". Name yours in the variable oracle_customer_columns: {" ~ ours ~ ": ...}"
      ) }}
    {%- else -%}
      {%- do expressions.update({ours: as_time('null') if is_time else as_text('null')}) -%}
    {%- endif -%}
  {%- endfor -%}
  {{ return(expressions) }}
{%- endmacro %}


{#- A text without space around it, null when nothing is left. -#}
{% macro tidy(expression) -%}
  nullif(trim({{ expression }}), '')
{%- endmacro %}


{#- Digits with one leading plus: `+49 (0)30 12` -> `+493012`, `0049 30` -> `+4930`. -#}
{% macro phone_number(expression) -%}
  {%- set without_trunk = "replace(" ~ expression ~ ", '(0)', '')" -%}
  {%- set digits = without_pattern(without_trunk, '[^0-9]') -%}
  nullif(
    case
      when trim({{ expression }}) like '+%' then '+' || {{ digits }}
      when {{ digits }} like '00%' then '+' || substr({{ digits }}, 3)
      else {{ digits }}
    end,
    ''
  )
{%- endmacro %}


{#- A list variable as the inside of an `in (...)`, in lower case. -#}
{% macro quoted_values(values) -%}
  {%- for value in values -%}
  '{{ value | string | lower | replace("'", "''") }}'{{ ', ' if not loop.last }}
  {%- endfor -%}
{%- endmacro %}

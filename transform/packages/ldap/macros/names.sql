{#- LDAP names are case-insensitive, may carry options (`cn;lang-fr`) and have
    second spellings (RFC 4519, RFC 4524). These macros give one name to all. -#}

{#- `cn;lang-fr` -> `cn`, in lower case. -#}
{% macro attribute_type(name) -%}
  lower(
    case
      when {{ dbt.position("';'", name) }} > 0
        then substr({{ name }}, 1, {{ dbt.position("';'", name) }} - 1)
      else {{ name }}
    end
  )
{%- endmacro %}


{#- `cn;lang-fr` -> `lang-fr`, in lower case; null without options. -#}
{% macro attribute_options(name) -%}
  case
    when {{ dbt.position("';'", name) }} > 0
      then lower(substr({{ name }}, {{ dbt.position("';'", name) }} + 1))
  end
{%- endmacro %}


{#- Lower-case attribute types to the spelling that the marts use. -#}
{% macro canonical_attribute(attribute_type) -%}
  {%- set second_spellings = {
    'commonname': 'cn',
    'surname': 'sn',
    'gn': 'givenname',
    'userid': 'uid',
    'rfc822mailbox': 'mail',
    'organizationname': 'o',
    'organizationalunitname': 'ou',
    'domaincomponent': 'dc',
    'countryname': 'c',
    'localityname': 'l',
    'stateorprovincename': 'st',
    'streetaddress': 'street',
    'mobiletelephonenumber': 'mobile',
    'hometelephonenumber': 'homephone',
    'pagertelephonenumber': 'pager',
    'fax': 'facsimiletelephonenumber',
  } -%}
  case {{ attribute_type }}
    {%- for spelling, name in second_spellings.items() %}
    when '{{ spelling }}' then '{{ name }}'
    {%- endfor %}
    else {{ attribute_type }}
  end
{%- endmacro %}


{#- What follows the first comma that no backslash escapes. Exact only for a
    normalised DN, in which every comma within a value is escaped. -#}
{% macro parent_of_normalised_dn(dn) -%}
  nullif({{ adapter.dispatch('without_first_rdn', 'flext_dbt_ldap')(dn) }}, {{ dn }})
{%- endmacro %}

{% macro default__without_first_rdn(dn) -%}
  regexp_replace({{ dn }}, '^([^\\,]|\\.)*,', '')
{%- endmacro %}


{#- A spelling under which a DN inside a value and an entry's DN meet: lower
    case, no space around separators. It only finds an entry; a DN that it
    cannot bring together is kept and stays unresolved. -#}
{% macro dn_match_key(dn) -%}
  {{ return(adapter.dispatch('dn_match_key', 'flext_dbt_ldap')(dn)) }}
{%- endmacro %}

{% macro default__dn_match_key(dn) -%}
  lower(regexp_replace(trim({{ dn }}), '([^\\ ]) *([,=+]) *', '\1\2', 'g'))
{%- endmacro %}

{% macro oracle__dn_match_key(dn) -%}
  lower(regexp_replace(trim({{ dn }}), '([^\ ]) *([,=+]) *', '\1\2'))
{%- endmacro %}


{#- The first value of an attribute, from rows of attribute values grouped
    by entry. -#}
{% macro first_value_of(attribute) -%}
  max(case when attribute_key = '{{ attribute }}' and value_rank = 1 then attribute_value end)
{%- endmacro %}


{#- A list variable as the inside of an `in (...)`. -#}
{% macro quoted_names(names) -%}
  {%- for name in names -%}
  '{{ name | lower | replace("'", "''") }}'{{ ', ' if not loop.last }}
  {%- endfor -%}
{%- endmacro %}

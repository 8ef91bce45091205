-- Nothing is lost or altered on the way to the mart that is written back.
with landed as (

    {% for stream in ['users', 'groups', 'organizational_units'] -%}
    select
        entry_uuid,
        dn,
        object_class,
        attributes,
        binary_attributes
    from {{ source('ldap', stream) }}
    {% if not loop.last %}
    union all

    {% endif %}
    {%- endfor %}

),

entries as (

    select * from {{ ref('ldap__entries') }}

)

select landed.entry_uuid
from landed
left join entries on landed.entry_uuid = entries.entry_id
where
    entries.entry_id is null
    or landed.dn <> entries.dn
    or landed.object_class <> entries.object_class
    or landed.attributes <> entries.attributes
    or landed.binary_attributes <> entries.binary_attributes

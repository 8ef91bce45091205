-- An entry that several streams read is taken once: as a user before a group,
-- as a group before a unit.
with streams as (

    {% for stream, entry_type, rank in [
        ('users', 'user', 1),
        ('groups', 'group', 2),
        ('organizational_units', 'organizational_unit', 3),
    ] -%}
    select
        entry_id,
        dn,
        dn_normalised,
        parent_dn,
        parent_dn_normalised,
        rdn,
        '{{ entry_type }}' as entry_type,
        object_class,
        attributes,
        binary_attributes,
        depth,
        {{ rank }} as type_rank,
        created_at,
        modified_at,
        extracted_at
    from {{ ref('stg_ldap__' ~ stream) }}
    {% if not loop.last %}
    union all

    {% endif %}
    {%- endfor %}

),

numbered as (

    select
        streams.*,
        row_number() over (partition by entry_id order by type_rank) as repetition
    from streams

)

select
    entry_id,

    dn,
    dn_normalised,
    parent_dn,
    parent_dn_normalised,
    rdn,
    {{ as_text('entry_type') }} as entry_type,

    object_class,
    attributes,
    binary_attributes,

    depth,

    created_at,
    modified_at,
    extracted_at
from numbered
where repetition = 1

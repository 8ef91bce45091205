-- Attributes with several values as one text each, values in the server's order.
with attribute_values as (

    select * from {{ ref('int_ldap__attribute_values_unnested') }}
    where attribute_key in ('objectclass', 'member', 'uniquemember', 'memberuid', 'memberof')

),

joined as (

    select
        entry_id,
        attribute_key,
        {{ dbt.listagg('attribute_value', "'; '", 'order by position') }} as attribute_values
    from attribute_values
    group by
        entry_id,
        attribute_key

)

select
    entry_id,

    {{ as_text("max(case when attribute_key = 'objectclass' then attribute_values end)") }}
        as object_classes,
    {{ as_text(
        "coalesce(max(case when attribute_key = 'member' then attribute_values end), "
        ~ "max(case when attribute_key = 'uniquemember' then attribute_values end))"
    ) }} as members,
    {{ as_text("max(case when attribute_key = 'memberuid' then attribute_values end)") }}
        as member_uids,
    {{ as_text("max(case when attribute_key = 'memberof' then attribute_values end)") }}
        as member_of
from joined
group by entry_id

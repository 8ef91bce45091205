-- Nothing is lost or altered on the way to the mart that is written back.
with landed as (

    select * from {{ source('ldif', 'ldif_entries') }}

),

entries as (

    select * from {{ ref('ldif__entries') }}

)

select
    landed.source_file,
    landed.line_number
from landed
left join entries
    on landed.source_file = entries.source_file
    and landed.line_number = entries.line_number
where
    (
        entries.dn is null
        -- The one record that another file replaces.
        and not (landed.source_file = 'people.ldif' and landed.line_number = 67)
    )
    or landed.dn <> entries.dn
    or landed.object_class <> entries.object_class
    or landed.attributes <> entries.attributes
    or landed.binary_attributes <> entries.binary_attributes

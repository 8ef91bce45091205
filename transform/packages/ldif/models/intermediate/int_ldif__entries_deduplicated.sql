-- The rule when several records hold one DN: the one landed last stands for it;
-- within one moment the later file by name, then the later line.
with entries as (

    select * from {{ ref('stg_ldif__entries') }}

),

ranked as (

    select
        entries.*,
        row_number() over (
            partition by dn_normalised
            order by extracted_at desc, source_file desc, line_number desc
        ) as recency,
        count(*) over (partition by dn_normalised) as entries_for_dn
    from entries

),

object_classes as (

    select * from {{ ref('int_ldif__object_classes_unnested') }}

),

classified as (

    select
        entry_id,
        max(
            case
                when object_class in ({{ quoted_names(var('ldif_group_object_classes')) }})
                    then 6
                -- Active Directory makes every computer a person as well.
                when object_class = 'computer' then 5
                when object_class in ({{ quoted_names(var('ldif_person_object_classes')) }})
                    then 4
                when object_class in ('organizationalunit', 'container') then 3
                when object_class in ('organization', 'country', 'locality') then 2
                when object_class in ('domain', 'dcobject', 'domaindns') then 1
                else 0
            end
        ) as kind,
        max(
            case when specificity = 1 then object_class_as_written end
        ) as primary_object_class
    from object_classes
    group by entry_id

)

select
    ranked.entry_id,

    ranked.dn,
    ranked.dn_normalised,
    ranked.parent_dn,
    ranked.parent_dn_normalised,
    ranked.rdn,
    ranked.source_file,
    ranked.change_type,
    case classified.kind
        when 6 then 'group'
        when 5 then 'computer'
        when 4 then 'person'
        when 3 then 'organizational_unit'
        when 2 then 'organization'
        when 1 then 'domain'
        else 'other'
    end as entry_type,
    classified.primary_object_class,

    ranked.object_class,
    ranked.attributes,
    ranked.binary_attributes,

    ranked.line_number,
    ranked.depth,
    ranked.entry_size_bytes,
    ranked.entries_for_dn,

    ranked.extracted_at
from ranked
left join classified on ranked.entry_id = classified.entry_id
where ranked.recency = 1

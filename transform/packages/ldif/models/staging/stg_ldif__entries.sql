with landed as (

    select
        source_file,
        line_number,
        dn,
        dn_normalised,
        parent_dn,
        rdn,
        change_type,
        object_class,
        attributes,
        binary_attributes,
        depth,
        entry_size,
        {{ singer_column('_sdc_extracted_at') }} as extracted_at,
        {{ singer_column('_sdc_deleted_at') }} as deleted_at
    from {{ source('ldif', 'ldif_entries') }}

),

-- An append-only load holds a record once per run: the last one landed counts.
numbered as (

    select
        landed.*,
        row_number() over (
            partition by source_file, line_number
            order by
                extracted_at desc,
                case when deleted_at is null then 1 else 0 end
        ) as recency
    from landed

),

live as (

    select
        {{ as_text("source_file || ':' || " ~ as_text('line_number')) }} as entry_id,

        {{ as_text('dn') }} as dn,
        -- A DN that the tap could not parse is its own key.
        {{ as_text('coalesce(dn_normalised, lower(dn))') }} as dn_normalised,
        {{ as_text('parent_dn') }} as parent_dn,
        {{ as_text('rdn') }} as rdn,
        {{ as_text('source_file') }} as source_file,
        {{ as_text('change_type') }} as change_type,

        {{ as_list('object_class') }} as object_class,
        {{ as_json('attributes') }} as attributes,
        {{ as_list('binary_attributes') }} as binary_attributes,

        {{ as_count('line_number') }} as line_number,
        cast(depth as {{ dbt.type_int() }}) as depth,
        {{ as_count('entry_size') }} as entry_size_bytes,

        {{ as_time('extracted_at') }} as extracted_at
    from numbered
    where recency = 1 and deleted_at is null

)

select
    entry_id,

    dn,
    dn_normalised,
    parent_dn,
    {{ as_text(parent_of_normalised_dn('dn_normalised')) }} as parent_dn_normalised,
    rdn,
    source_file,
    change_type,

    object_class,
    attributes,
    binary_attributes,

    line_number,
    depth,
    entry_size_bytes,

    extracted_at
from live

{{ config(enabled=var('ldif_changes_enabled')) }}

with landed as (

    select
        source_file,
        line_number,
        dn,
        change_type,
        operations,
        new_rdn,
        delete_old_rdn,
        new_superior,
        controls,
        {{ singer_column('_sdc_extracted_at') }} as extracted_at,
        {{ singer_column('_sdc_deleted_at') }} as deleted_at
    from {{ source('ldif', 'ldif_changes') }}

),

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

)

select
    {{ as_text("source_file || ':' || " ~ as_text('line_number')) }} as change_id,

    {{ as_text('dn') }} as dn,
    {{ as_text('lower(change_type)') }} as change_type,
    {{ as_text('new_rdn') }} as new_rdn,
    {{ as_text('new_superior') }} as new_superior,
    {{ as_text('source_file') }} as source_file,

    {{ as_json('operations') }} as operations,
    {{ as_json('controls') }} as controls,

    {{ as_count('line_number') }} as line_number,

    {{ flag(is_true('delete_old_rdn')) }} as is_old_rdn_deleted,

    {{ as_time('extracted_at') }} as extracted_at
from numbered
where recency = 1 and deleted_at is null

{{ config(enabled=var('ldif_changes_enabled')) }}

with changes as (

    select * from {{ ref('stg_ldif__changes') }}

)

select
    change_id,

    dn,
    change_type,
    new_rdn,
    new_superior,
    source_file,

    operations,
    controls,

    line_number,
    -- Changes act in the order of their lines, so a file is replayed by this.
    {{ as_count(
        'row_number() over (partition by source_file order by line_number)'
    ) }} as change_number,

    is_old_rdn_deleted,

    extracted_at
from changes

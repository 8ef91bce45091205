{{ config(enabled=var('ldif_flext_names')) }}

select
    dn,
    parent_dn,
    rdn,
    entry_type,
    path,
    depth as dn_depth,
    level_from_root,
    child_count as direct_child_count,
    descendant_count as total_descendant_count,
    is_leaf as is_leaf_node
from {{ ref('ldif__hierarchy') }}

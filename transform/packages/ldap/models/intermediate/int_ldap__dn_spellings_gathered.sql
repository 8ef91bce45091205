-- Every spelling under which an entry can be meant by a DN; one that would fit
-- two entries is left out.
with entries as (

    select
        entry_id,
        dn,
        dn_normalised
    from {{ ref('int_ldap__entries_combined') }}

),

spellings as (

    select
        dn_normalised as reference,
        entry_id
    from entries

    union

    select
        {{ dn_match_key('dn') }} as reference,
        entry_id
    from entries

)

select
    {{ as_text('reference') }} as reference,
    min(entry_id) as entry_id
from spellings
group by reference
having count(*) = 1

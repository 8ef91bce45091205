-- Climbs from each place where entries stand to the nearest organizational unit
-- that was read: containers, domains and units out of sight lie in between.
{{ with_recursive() }} units as (

    select
        entry_id,
        dn_normalised
    from {{ ref('stg_ldap__organizational_units') }}

),

places as (

    select distinct parent_dn_normalised as place
    from {{ ref('int_ldap__entries_combined') }}
    where parent_dn_normalised is not null

),

climbs (place, candidate, steps) as (

    select
        place,
        place,
        0
    from places

    union all

    select
        climbs.place,
        {{ as_text(parent_of_normalised_dn('climbs.candidate')) }},
        climbs.steps + 1
    from climbs
    left join units on climbs.candidate = units.dn_normalised
    where
        units.dn_normalised is null
        and climbs.candidate is not null
        and climbs.steps < {{ var('ldap_max_depth') }}

)

select
    climbs.place as place_dn_normalised,
    min(units.entry_id) as organizational_unit_id
from climbs
inner join units on climbs.candidate = units.dn_normalised
group by climbs.place

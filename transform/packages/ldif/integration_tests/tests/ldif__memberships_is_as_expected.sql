{{ differing_rows('ldif__memberships') }}

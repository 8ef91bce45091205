{{ differing_rows('ldap__memberships') }}

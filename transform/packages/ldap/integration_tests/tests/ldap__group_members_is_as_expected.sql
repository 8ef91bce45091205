{{ differing_rows('ldap__group_members') }}

{{ differing_rows('ldap__group_nesting') }}

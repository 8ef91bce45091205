{{ differing_rows('ldap__users') }}

{{ differing_rows('ldap__groups') }}

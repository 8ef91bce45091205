{{ differing_rows('ldap__organizational_units') }}

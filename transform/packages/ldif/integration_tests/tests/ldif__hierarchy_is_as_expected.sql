{{ differing_rows('ldif__hierarchy') }}

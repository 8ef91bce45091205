{{ differing_rows('ldif__changes') }}

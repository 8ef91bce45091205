{{ differing_rows('ldif__groups') }}

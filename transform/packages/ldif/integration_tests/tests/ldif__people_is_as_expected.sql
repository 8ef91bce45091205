{{ differing_rows('ldif__people') }}

{{ differing_rows('ldif__file_statistics') }}

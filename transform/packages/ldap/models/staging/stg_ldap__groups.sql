{{ staged_entries('groups') }}

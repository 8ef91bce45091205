{{ staged_entries('users') }}

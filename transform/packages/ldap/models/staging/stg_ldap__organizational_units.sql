{{ staged_entries('organizational_units') }}

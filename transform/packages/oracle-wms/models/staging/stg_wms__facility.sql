{{ staged_entity('facility') }}

{{ staged_entity('location') }}

{{ staged_entity('allocation') }}

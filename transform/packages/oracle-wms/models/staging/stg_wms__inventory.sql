{{ staged_entity('inventory') }}

{{ staged_entity('item') }}

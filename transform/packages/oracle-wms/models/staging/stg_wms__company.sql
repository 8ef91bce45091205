{{ staged_entity('company') }}

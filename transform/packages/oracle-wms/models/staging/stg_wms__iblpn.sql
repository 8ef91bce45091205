{{ staged_entity('iblpn') }}

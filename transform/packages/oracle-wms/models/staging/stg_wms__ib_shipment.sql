{{ staged_entity('ib_shipment') }}

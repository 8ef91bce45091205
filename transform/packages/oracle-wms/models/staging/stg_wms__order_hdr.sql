{{ staged_entity('order_hdr') }}

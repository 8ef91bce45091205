{{ staged_entity('order_dtl') }}

{{ differing_rows('customer_normalization') }}

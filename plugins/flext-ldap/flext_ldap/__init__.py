"""Singer tap and target for LDAP directories (RFC 4511)."""

"""Singer tap and target for LDIF files (RFC 2849)."""

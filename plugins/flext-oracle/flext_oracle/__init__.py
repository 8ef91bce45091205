"""Singer tap and target for Oracle Database."""

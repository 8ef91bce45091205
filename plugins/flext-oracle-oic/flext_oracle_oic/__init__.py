"""Singer tap and target for Oracle Integration Cloud (Gen 2 and Integration 3)."""

"""Singer tap and target for Oracle WMS Cloud; see the package's README."""

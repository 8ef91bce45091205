"""Oracle Integration Cloud: its tap and target are not part of this version."""

"""The commands of flexcore-gen, one module each; see flexcore_gen.cli."""

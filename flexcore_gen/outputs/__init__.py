"""One module per kind of output; each has `plan_files(project)`."""

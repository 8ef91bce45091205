"""`flexcore-gen report`: the runs as one static page without scripts.

`collect` reads the store, `timeline` and `lineage` turn runs and the plan into
boxes and lines, `page` renders them. Pictures are SVG of the same data; every text
is escaped by the template, and the page's policy forbids it to load or run anything.
"""

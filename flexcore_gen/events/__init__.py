"""The event hook: what every `meltano run` did, kept in an append-only store.

Meltano imports `addon` in each of its commands (entry point group
`meltano.settings`); everything else here is imported only once a run begins, or
by `flexcore-gen runs` and `flexcore-gen events`. Nothing in this package imports
the generator, and the generator imports nothing but `commands`.

The mechanism, the guarantees and what is not covered: docs/explanation/events.md.
"""

"""Which variables an environment needs: every `${NAME}` that its settings hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flexcore_gen.environments import as_seen_in
from flexcore_gen.reading import REFERENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flexcore_gen.loading import Plain
    from flexcore_gen.model import Ecosystem, Environment


def variables_of(
    ecosystem: Ecosystem, environment: Environment | None
) -> tuple[str, ...]:
    """The names, sorted; of connections that pipelines use, warehouse and events."""
    seen = as_seen_in(ecosystem, environment) if environment else ecosystem
    used = {step.connection for pipeline in seen.pipelines for step in pipeline.steps}
    values: list[Plain] = [dict(seen.warehouse.settings), dict(seen.events)]
    values += [dict(c.settings) for n, c in seen.connections.items() if n in used]
    values += [dict(s.settings) for p in seen.pipelines for s in p.steps]
    return tuple(sorted({name for value in values for name in _names(value)}))


def _names(value: Plain) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _names(item)
    elif isinstance(value, list):
        for item in value:
            yield from _names(item)
    elif isinstance(value, str):
        yield from (found[1] for found in REFERENCE.finditer(value))

"""Which variables an environment needs: every `${NAME}` that its settings hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flexcore_gen.reading import REFERENCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flexcore_gen.deployment import Deployment
    from flexcore_gen.loading import Plain
    from flexcore_gen.model import Ecosystem, Pipeline


def variables_of(
    seen: Ecosystem, pipelines: Iterable[Pipeline] | None = None
) -> tuple[str, ...]:
    """The names, sorted, for an ecosystem as one environment sees it.

    Connections that no pipeline uses are left out: nothing asks for them.

    Args:
        seen: The ecosystem.
        pipelines: Those of its pipelines that are meant; else all.
    """
    chosen = seen.pipelines if pipelines is None else tuple(pipelines)
    used = {step.connection for pipeline in chosen for step in pipeline.steps}
    values: list[Plain] = [
        dict(seen.warehouse.settings),
        dict(seen.events),
        dict(seen.defaults),
        seen.state_backend,
        *(dict(c.settings) for name, c in seen.connections.items() if name in used),
    ]
    for pipeline in chosen:
        for step in pipeline.steps:
            values += [dict(step.settings), dict(step.variables)]
    return tuple(sorted({name for value in values for name in _names(value)}))


def event_variables_of(seen: Ecosystem) -> tuple[str, ...]:
    """The same for the event store and its handlers alone."""
    return tuple(sorted(set(_names(dict(seen.events)))))


def state_password(deployment: Deployment) -> str:
    """The name of the secret that opens the Postgres of Meltano's state."""
    given = REFERENCE.fullmatch(str(deployment.postgres.get("password", "")))
    return given[1] if given else "POSTGRES_PASSWORD"


def _names(value: Plain) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _names(item)
    elif isinstance(value, list):
        for item in value:
            yield from _names(item)
    elif isinstance(value, str):
        yield from REFERENCE.findall(value)

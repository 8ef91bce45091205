"""deploy/container: the image that runs pipelines, and the names of its secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flexcore_gen.environments import as_seen_in, environment_of
from flexcore_gen.plan import PlannedFile
from flexcore_gen.reading import REFERENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flexcore_gen.loading import Plain
    from flexcore_gen.model import Ecosystem
    from flexcore_gen.plan import Project

FOLDER = "deploy/container"
USER = 10001
#: What the entrypoint makes addresses of; see templates/container.
PASSWORD = "FLEXCORE_POSTGRES_PASSWORD"  # noqa: S105 - the name of a secret


def plan_container(project: Project) -> Iterator[PlannedFile]:
    """Dockerfile and entrypoint; the build's context is a bundle."""
    source = project.ecosystem.source.rsplit("/", 1)[-1]
    for name in ("Dockerfile", "entrypoint.py"):
        yield PlannedFile(
            f"{FOLDER}/{name}",
            template=f"container/{name}.jinja",
            context={"source": source},
            sources=(project.ecosystem.mark,),
        )


def secret_names(ecosystem: Ecosystem) -> tuple[str, ...]:
    """Every variable that the default environment's settings refer to, sorted."""
    environment = environment_of(ecosystem, ecosystem.default_environment)
    seen = as_seen_in(ecosystem, environment)
    values: list[Plain] = [
        dict(seen.warehouse.settings),
        dict(seen.events),
        dict(seen.defaults),
        seen.state_backend,
        *(dict(connection.settings) for connection in seen.connections.values()),
    ]
    for pipeline in seen.pipelines:
        for step in pipeline.steps:
            values += [dict(step.settings), dict(step.variables)]
    return tuple(sorted({name for value in values for name in _references(value)}))


def event_secrets(ecosystem: Ecosystem) -> tuple[str, ...]:
    """Every variable that the event store and its handlers refer to, sorted."""
    environment = environment_of(ecosystem, ecosystem.default_environment)
    events: Plain = dict(as_seen_in(ecosystem, environment).events)
    return tuple(sorted(set(_references(events))))


def _references(value: Plain) -> Iterator[str]:
    if isinstance(value, str):
        yield from REFERENCE.findall(value)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)

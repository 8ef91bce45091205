"""deploy/container: the image that runs pipelines, the same in every environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flexcore_gen.plan import PlannedFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flexcore_gen.plan import Project

FOLDER = "deploy/container"
USER = 10001
#: What the entrypoint makes addresses of; see templates/container.
PASSWORD = "FLEXCORE_POSTGRES_PASSWORD"  # noqa: S105 - the name of a secret


def plan_files(project: Project) -> Iterator[PlannedFile]:
    """Dockerfile and entrypoint; the build's context is a bundle."""
    source = project.ecosystem.source.rsplit("/", 1)[-1]
    for name in ("Dockerfile", "entrypoint.py"):
        yield PlannedFile(
            f"{FOLDER}/{name}",
            template=f"container/{name}.jinja",
            context={"source": source},
            sources=(project.ecosystem.mark,),
        )

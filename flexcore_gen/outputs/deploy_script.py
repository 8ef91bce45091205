"""deploy/deploy.sh: what CI calls to deploy, a person's from the first moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flexcore_gen.outputs.continuous_integration import DEPLOY, stages
from flexcore_gen.plan import STARTER, PlannedFile
from flexcore_gen.resources import resource_root

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flexcore_gen.plan import Project


def plan_files(project: Project) -> Iterator[PlannedFile]:
    """The script, if CI deploys any environment."""
    if any(stage.deploys for stage in stages(project)):
        yield PlannedFile(
            DEPLOY,
            owner=STARTER,
            copy_of=resource_root("templates") / "continuous_integration/deploy.sh",
            sources=project.sources(),
        )

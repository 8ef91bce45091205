"""deploy/airflow/requirements.txt: Airflow, every package pinned and hashed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flexcore_gen.outputs.airflow import FOLDER
from flexcore_gen.plan import PlannedFile
from flexcore_gen.resources import resource_root

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flexcore_gen.plan import Project


def plan_files(project: Project) -> Iterator[PlannedFile]:
    """The requirements, for an environment that holds nothing of the project."""
    yield PlannedFile(
        f"{FOLDER}/requirements.txt",
        copy_of=resource_root("templates") / "airflow" / "requirements.txt",
        sources=project.sources(),
    )

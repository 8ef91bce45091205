"""The way from a folder to its changes, shared by the commands.

Reads what the decisions need to know about the folder (models that exist, dbt
packages that stand there), then plans, renders and compares.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flexcore_gen.changes import compare
from flexcore_gen.ecosystem import load_ecosystem
from flexcore_gen.known_plugins import TRANSFORM_SYSTEMS, dbt_package
from flexcore_gen.manifest import load_manifest
from flexcore_gen.plan import plan_files, plan_project
from flexcore_gen.render import render
from flexcore_gen.write import apply, link_folder

if TYPE_CHECKING:
    from pathlib import Path

    from flexcore_gen.changes import Change
    from flexcore_gen.manifest import Manifest
    from flexcore_gen.plan import Project

_MODELS = "transform/models"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A project, and what generating it would change."""

    root: Path
    project: Project
    manifest: Manifest
    changes: tuple[Change, ...]


def open_project(path: Path) -> Project:
    """Reads and plans an ecosystem; see `load_ecosystem` for `path`.

    The project's folder is the ecosystem's, also where `path` is a part of it.

    Raises:
        FlexCoreError: It cannot be read, or has errors.
    """
    ecosystem = load_ecosystem(path)
    folder = ecosystem.folder
    manifest = load_manifest(folder)
    return plan_project(
        ecosystem, _existing_models(folder), _local_packages(folder, manifest)
    )


def compare_project(path: Path) -> Outcome:
    """What generating would change in the ecosystem's folder."""
    project = open_project(path)
    root = project.ecosystem.folder
    manifest = load_manifest(root)
    source = project.ecosystem.source.rsplit("/", 1)[-1]
    rendered = [render(file, source) for file in plan_files(project)]
    changes = compare(rendered, root, manifest, project.ecosystem.owned)
    return Outcome(root, project, manifest, changes)


def write_project(outcome: Outcome) -> None:
    """Writes the changes and links the dbt packages."""
    apply(outcome.changes, outcome.root, outcome.manifest)
    if "dbt" not in outcome.project.ecosystem.outputs:
        return
    from flexcore_gen.outputs.dbt import used_packages  # noqa: PLC0415 - only here

    for system in used_packages(outcome.project):
        link_folder(
            outcome.root,
            f"transform/dbt_packages/{dbt_package(system)}",
            f"../packages/{system}",
        )


def _existing_models(root: Path) -> set[str]:
    """Models that stand anywhere but where a starter would be written."""
    found = set()
    for folder in (root / _MODELS, root / "transform/packages"):
        for path in folder.rglob("*.sql") if folder.is_dir() else ():
            if path != root / _MODELS / path.name:
                found.add(path.stem)
    return found


def _local_packages(root: Path, manifest: Manifest) -> set[str]:
    """Systems whose dbt package stands in the project and is not our copy."""
    return {
        system
        for system in TRANSFORM_SYSTEMS
        if (root / f"transform/packages/{system}/dbt_project.yml").is_file()
        and f"transform/packages/{system}/dbt_project.yml" not in manifest.files
    }

"""What a host without network gets: the project's files and how to install them.

    bundle/
      install.sh           makes .venv from wheels/ and links the dbt packages
      requirements.txt     every wheel with its hash
      wheels/
      project/             inputs, rendered files, models, plugins of one's own
      SHA256SUMS           of everything above

Only files that the generator reads or wrote go in, so no .env, state, log or data
file does. The same project and versions give the same files.
"""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

from flexcore_gen.manifest import MANIFEST
from flexcore_gen.outputs.warehouse import warehouse_systems
from flexcore_gen.resources import resource_root
from flexcore_gen.tasks import BUILD
from flexcore_gen.wheelhouse import (
    collect_wheels,
    installed_pins,
    requirements_text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flexcore_gen.manifest import Manifest
    from flexcore_gen.plan import Project

_INPUT_FOLDERS = ("pipelines", "config", "plugins", "transform")
_INPUT_SUFFIXES = {".yaml", ".yml", ".json", ".sql", ".py", ".toml", ".md", ".csv"}
_LEFT_OUT = {
    "target",
    "logs",
    "dbt_packages",
    "__pycache__",
    ".venv",
    "venv",
    "build",
    "dist",
}


def needed_packages(project: Project) -> tuple[str, ...]:
    """The requirements that a project's pipelines come down to, sorted."""
    needed = {"flexcore"}
    ecosystem = project.ecosystem
    for environment in ecosystem.environments:
        chosen = ecosystem.deployed_by(environment)
        if {"compose", "kubernetes"} & set(chosen):
            # Meltano's state of deployed runs is kept in Postgres.
            needed.add("flexcore[postgres]")
        if "prometheus" in ecosystem.deployment_in(environment).parts:
            needed.add("flexcore[metrics]")
    for plan in project.pipelines:
        for instance in plan.instances:
            # A plugin of the project's own is installed from the folder it names.
            url = project.plugins[instance.plugin].pip_url
            needed.add(url.rsplit("/", 1)[-1] if url.startswith("-e ") else url)
        if any(task.kind == BUILD for task in plan.tasks):
            needed.add("dbt-core")
            needed.update(f"dbt-{s}" for s in warehouse_systems(project.ecosystem))
    return tuple(sorted(needed))


def write_bundle(
    project: Project, root: Path, manifest: Manifest, out: Path
) -> tuple[int, int]:
    """Writes the bundle into `out`, a new folder.

    Returns:
        How many wheels and how many files of the project it holds.

    Raises:
        FlexCoreError: A package is not installed here, or pip fails.
    """
    pins = installed_pins(needed_packages(project))
    hashes = collect_wheels(pins, out / "wheels")
    (out / "requirements.txt").write_text(requirements_text(hashes), encoding="utf-8")
    files = sorted({*_inputs(root, project), *manifest.files, MANIFEST})
    for path in files:
        target = out / "project" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / path, target)
    shutil.copyfile(
        resource_root("templates") / "bundle/install.sh", out / "install.sh"
    )
    (out / "install.sh").chmod(0o755)
    (out / "SHA256SUMS").write_text(_sums(out), encoding="utf-8")
    return len(hashes), len(files)


def _inputs(root: Path, project: Project) -> Iterator[str]:
    yield project.ecosystem.source.rsplit("/", 1)[-1]
    for name in _INPUT_FOLDERS:
        for path in (root / name).rglob("*"):
            relative = path.relative_to(root)
            if (
                path.is_file()
                and not path.is_symlink()
                and path.suffix in _INPUT_SUFFIXES
                and not _LEFT_OUT & set(relative.parts)
            ):
                yield relative.as_posix()


def _sums(out: Path) -> str:
    lines = []
    for path in sorted(out.rglob("*")):
        if path.is_file():
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            lines.append(f"{digest}  {path.relative_to(out).as_posix()}\n")
    return "".join(lines)

"""The dbt project below transform/: profile, packages, sources, starter models.

dbt finds its packages in transform/dbt_packages, which is not committed:
`generate` links them there itself, as `dbt deps` would, so no run has to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flexcore_gen.known_plugins import TRANSFORM, dbt_package
from flexcore_gen.outputs.warehouse import dbt_profile, warehouse_systems
from flexcore_gen.plan import STARTER, PlannedFile
from flexcore_gen.resources import dbt_package_folder, dbt_package_models
from flexcore_gen.tasks import BUILD

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flexcore_gen.errors import Mark
    from flexcore_gen.plan import Project
    from flexcore_gen.tasks import PipelinePlan

#: Parts of a package that a project needs; the rest tests the package itself.
_PACKAGE_PARTS = ("dbt_project.yml", "macros", "models", "tests", "snapshots")
_NOT_COPIED = {"target", "dbt_packages", "logs", "__pycache__"}


def plan_files(project: Project) -> Iterator[PlannedFile]:
    """Every file of the dbt project, none if no pipeline transforms."""
    if not any(t.kind == BUILD for plan in project.pipelines for t in plan.tasks):
        return
    sources = project.sources()
    yield PlannedFile(
        "transform/dbt_project.yml",
        owner=STARTER,
        data=_dbt_project(project),
        sources=sources,
    )
    yield PlannedFile(
        "transform/profiles/profiles.yml",
        data=dbt_profile(
            warehouse_systems(project.ecosystem),
            project.ecosystem.warehouse.model_schema,
        ),
        sources=(project.ecosystem.warehouse.mark,),
    )
    systems = used_packages(project)
    if systems:
        yield PlannedFile(
            "transform/packages.yml",
            data={"packages": [{"local": f"packages/{s}"} for s in systems]},
            sources=sources,
        )
    for system in systems:
        if system not in project.local_packages:
            yield from _package_files(system, sources)
    yield from _landed_sources(project)
    yield from _starter_models(project)


def used_packages(project: Project) -> tuple[str, ...]:
    """The systems whose dbt package the pipelines use and we ship, sorted."""
    used = {
        project.plugins[step.plugin].system
        for plan in project.pipelines
        for step in plan.pipeline.steps
        if step.kind == TRANSFORM
    }
    return tuple(
        sorted(
            system
            for system in used
            if system in project.local_packages or dbt_package_folder(system)
        )
    )


def _dbt_project(project: Project) -> dict[str, Any]:
    name = project.ecosystem.project.replace("-", "_")
    document: dict[str, Any] = {
        "name": name if name[0].isalpha() else f"project_{name}",
        "version": "1.0.0",
        "config-version": 2,
        "profile": "flexcore",
        "require-dbt-version": [">=1.10.0", "<1.13.0"],
        "model-paths": ["models"],
        "clean-targets": ["target", "dbt_packages"],
        "flags": {"send_anonymous_usage_stats": False, "use_colors": False},
    }
    defaults: dict[str, Any] = {}
    for plan in project.pipelines:
        for task in plan.tasks:
            for key, value in task.variables.items():
                if key.endswith("_schema") and key != "flexcore_schema":
                    defaults.setdefault(key, value)
    if defaults:
        document["vars"] = dict(sorted(defaults.items()))
    return document


def _package_files(system: str, sources: tuple[Mark, ...]) -> Iterator[PlannedFile]:
    folder = dbt_package_folder(system)
    if folder is None:
        return
    for path in _files(folder):
        relative = path.relative_to(folder).as_posix()
        yield PlannedFile(
            f"transform/packages/{system}/{relative}", copy_of=path, sources=sources
        )


def _files(folder: Path) -> Iterator[Path]:
    for part in _PACKAGE_PARTS:
        place = folder / part
        if place.is_file():
            yield place
        elif place.is_dir():
            yield from sorted(
                path
                for path in place.rglob("*")
                if path.is_file()
                and not _NOT_COPIED & set(path.relative_to(folder).parts)
            )


def _landed_sources(project: Project) -> Iterator[PlannedFile]:
    landed: dict[str, set[str]] = {}
    marks: dict[str, list[Mark]] = {}
    for plan in project.pipelines:
        for stream in plan.landed:
            landed.setdefault(stream.connection, set()).add(stream.stream)
            marks.setdefault(stream.connection, []).append(plan.pipeline.mark)
    for name in sorted(landed):
        connection = project.ecosystem.connections.get(name)
        if connection is None:
            continue
        yield PlannedFile(
            f"transform/models/sources/{connection.source}.yml",
            data={
                "version": 2,
                "sources": [
                    {
                        "name": connection.source,
                        "schema": connection.schema,
                        "description": f"What connection {name} "
                        f"({connection.system}) landed.",
                        "tables": [{"name": table} for table in sorted(landed[name])],
                    }
                ],
            },
            sources=(connection.mark, *marks[name]),
        )


def _starter_models(project: Project) -> Iterator[PlannedFile]:
    """A first version of each model that a transform names and nobody wrote."""
    # A second one of a package's models would be ambiguous to dbt.
    shipped = {m for s in used_packages(project) for m in dbt_package_models(s)}
    wanted: dict[str, tuple[PipelinePlan, Mark]] = {}
    for plan in project.pipelines:
        for step in plan.pipeline.steps:
            if step.kind == TRANSFORM:
                for model in step.models:
                    wanted.setdefault(model, (plan, step.mark))
    for model in sorted(wanted):
        plan, mark = wanted[model]
        path = f"transform/models/{model}.sql"
        if model in project.models or model in shipped:
            continue
        streams = [
            {
                "source": project.ecosystem.connections[s.connection].source,
                "stream": s.stream,
            }
            for s in plan.landed
            if s.connection in project.ecosystem.connections
        ]
        yield PlannedFile(
            path,
            owner=STARTER,
            template="dbt_project/models/model.sql.jinja",
            context={
                "model": model,
                "pipeline": plan.pipeline.name,
                "streams": streams,
                "place": mark.file,
            },
            sources=(mark,),
        )


__all__ = ["dbt_package", "plan_files", "used_packages"]

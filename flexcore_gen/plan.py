"""Decides every file of a project: asks each output for the files it wants.

A `PlannedFile` names its destination, its owner and its content, either as a
template with a finished context or as data to be dumped. Nothing is rendered
or written here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from flexcore_gen.environments import as_seen_in
from flexcore_gen.errors import InvalidEcosystemError, Mark, Problem, sorted_problems
from flexcore_gen.known_plugins import KnownPlugins, known_plugins
from flexcore_gen.landing import plan_pipelines
from flexcore_gen.shapes import DEPLOYED_OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from flexcore_gen.model import Ecosystem
    from flexcore_gen.tasks import PipelinePlan

GENERATED, STARTER = "generated", "starter"


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One file to be.

    Exactly one of `template` (with `context`), `data` and `copy_of` is set.
    `sources` are the places in the input that made it, for `explain`.
    """

    path: str
    owner: str = GENERATED
    template: str | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    data: Any = None
    copy_of: Path | None = None
    sources: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True)
class Project:
    """What the outputs decide from.

    `models` are the dbt models that already exist, by name; `local_packages`
    the systems whose dbt package stands in the project itself.
    """

    ecosystem: Ecosystem
    plugins: KnownPlugins
    pipelines: tuple[PipelinePlan, ...]
    models: frozenset[str] = frozenset()
    local_packages: frozenset[str] = frozenset()

    def sources(self, *marks: Mark) -> tuple[Mark, ...]:
        """Marks of the whole ecosystem with each pipeline's."""
        return (
            self.ecosystem.mark,
            *marks,
            *(plan.pipeline.mark for plan in self.pipelines),
        )


def plan_project(
    ecosystem: Ecosystem,
    models: Iterable[str] = (),
    local_packages: Iterable[str] = (),
) -> Project:
    """The pipelines' tasks, ready for the outputs.

    Raises:
        InvalidEcosystemError: The steps of some pipelines do not fit together.
    """
    problems: list[Problem] = []
    plugins = known_plugins(ecosystem.folder)
    pipelines = plan_pipelines(ecosystem, plugins, problems)
    if problems:
        raise InvalidEcosystemError([*problems, *ecosystem.remarks])
    return Project(
        ecosystem, plugins, pipelines, frozenset(models), frozenset(local_packages)
    )


def plan_files(project: Project) -> tuple[PlannedFile, ...]:
    """Every file that the project's outputs want, by path.

    Raises:
        InvalidEcosystemError: Outputs cannot do what is asked of them.
    """
    files: dict[str, PlannedFile] = {}
    problems: list[Problem] = []
    for name, seen in _renderings(project):
        module = import_module(f"flexcore_gen.outputs.{name}")
        try:
            for file in module.plan_files(seen):
                if file.path in files:
                    raise AssertionError(f"two outputs plan {file.path}")
                files[file.path] = file
        except InvalidEcosystemError as error:
            problems += error.problems
    if problems:
        raise InvalidEcosystemError(sorted_problems(problems))
    return tuple(files[path] for path in sorted(files))


def _renderings(project: Project) -> Iterator[tuple[str, Project]]:
    """Each output with the project as it sees it.

    What deploys sees one environment, the only one, with its overlay; its steps'
    own settings do not matter there, so the plans are those of the whole project.
    """
    ecosystem = project.ecosystem
    for name in ecosystem.outputs:
        if name not in DEPLOYED_OUTPUTS:
            yield name, project
    deployed: set[str] = set()
    for environment in ecosystem.environments:
        chosen = ecosystem.deployed_by(environment)
        deployed.update(chosen)
        if chosen:
            seen = as_seen_in(ecosystem, environment, environment.name)
            for name in chosen:
                yield name, replace(project, ecosystem=seen)
    # What is the same in every environment stands beside their folders.
    if deployed & {"compose", "kubernetes"}:
        yield "container", project
    if "airflow" in deployed:
        yield "airflow_itself", project
    if {"github_actions", "gitlab_ci"} & set(ecosystem.outputs):
        yield "deploy_script", project

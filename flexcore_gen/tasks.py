"""A pipeline as tasks: what the landing rules decide and the outputs render.

Names are stable. A plugin is called `<plugin>--<pipeline>--<step>` and, in a
split extract, `…--p<number>`; Meltano's state ids follow. Only the step's own
names are in it, so nothing else in the project can rename it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flexcore_gen.loading import Plain
    from flexcore_gen.model import Pipeline

#: A state id (`environment:tap-to-target`) is a folder name in some backends.
MAX_PLUGIN_NAME = 100

LAND, DIRECT, LOAD, BUILD = "land", "direct", "load", "build"


@dataclass(frozen=True, slots=True)
class Instance:
    """One inherited plugin: a base plugin with what one step adds to it.

    `step` owns the settings; None for the warehouse's side of a task.
    `generated` are settings that the rules decide; they win over the step's.
    """

    name: str
    plugin: str
    step: str | None
    connection: str | None = None
    uses_warehouse: bool = False
    settings: Mapping[str, Plain] = field(default_factory=dict)
    generated: Mapping[str, Plain] = field(default_factory=dict)
    select: tuple[str, ...] = ()
    metadata: Mapping[str, Plain] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Task:
    """One task of a Meltano job: a tap and a target, or a dbt build.

    `name` is unique in the pipeline; `needs` names the tasks that come first.
    """

    name: str
    kind: str
    steps: tuple[str, ...]
    needs: tuple[str, ...]
    tap: Instance | None = None
    target: Instance | None = None
    command: str | None = None
    select: tuple[str, ...] = ()
    variables: Mapping[str, Plain] = field(default_factory=dict)

    @property
    def blocks(self) -> str:
        """The task as `meltano run` takes it."""
        if self.tap and self.target:
            return f"{self.tap.name} {self.target.name}"
        return f"dbt:{self.command}"


@dataclass(frozen=True, slots=True)
class LandedStream:
    """A table that an extract leaves in the warehouse."""

    connection: str
    stream: str


@dataclass(frozen=True, slots=True)
class PipelinePlan:
    """A pipeline as tasks in the order in which they run."""

    pipeline: Pipeline
    tasks: tuple[Task, ...]
    landed: tuple[LandedStream, ...]

    @property
    def instances(self) -> tuple[Instance, ...]:
        """Every inherited plugin, taps before targets of a task."""
        return tuple(
            instance
            for task in self.tasks
            for instance in (task.tap, task.target)
            if instance
        )


def plugin_name(*parts: str) -> str:
    """Joins parts with `--`; a name that is too long is cut and gets a digest."""
    name = "--".join(parts)
    if len(name) <= MAX_PLUGIN_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:10]
    return f"{name[: MAX_PLUGIN_NAME - 11].rstrip('-')}-{digest}"

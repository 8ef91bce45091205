"""Turns a pipeline's steps into tasks: what lands, what goes straight through.

The rules (DESIGN §5), all pure functions of the ecosystem:

1. An extract whose only consumer is one load, and which is that load's only
   input, is one direct task: tap and target of the two steps. A split extract
   stays direct unless the target writes a file, which its parts would share.
2. Any other extract lands in the warehouse: once, however many read it.
3. Transforms that follow each other are one dbt build.
4. Any other load reads the warehouse: the models of the transforms, and the
   landed tables of the extracts, that it depends on.

Names are stable. A plugin is called `<plugin>--<pipeline>--<step>` and, in a
split extract, `…--p<number>`; Meltano's state ids follow. Only the step's own
names are in it, so nothing else in the project can rename it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flexcore_gen.errors import Problem, suggest
from flexcore_gen.known_plugins import (
    TAP,
    TARGET,
    TRANSFORM,
    TRANSFORM_SYSTEMS,
    WAREHOUSE_TAP,
    WAREHOUSE_TARGET,
    KnownPlugins,
    dbt_package,
)
from flexcore_gen.reading_back import from_oracle, from_warehouse, missing_keys
from flexcore_gen.resources import dbt_package_models

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flexcore_gen.loading import Plain
    from flexcore_gen.model import Connection, Ecosystem, Pipeline, Step

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


def plan_pipelines(
    ecosystem: Ecosystem, plugins: KnownPlugins, problems: list[Problem]
) -> tuple[PipelinePlan, ...]:
    """The plan of every pipeline that fits together; problems of the others."""
    plans = []
    for pipeline in ecosystem.pipelines:
        before = len(problems)
        order = _ordered(pipeline, problems)
        if order is not None and len(problems) == before:
            planner = _Planner(ecosystem, plugins, pipeline, problems)
            plans.append(planner.plan(order))
    _check_models(ecosystem, plans, problems)
    return tuple(plans)


def plugin_name(*parts: str) -> str:
    """Joins parts with `--`; a name that is too long is cut and gets a digest."""
    name = "--".join(parts)
    if len(name) <= MAX_PLUGIN_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:10]
    return f"{name[: MAX_PLUGIN_NAME - 11].rstrip('-')}-{digest}"


def landed_streams(
    step: Step, settings: Mapping[str, Plain], plugins: KnownPlugins
) -> tuple[str, ...]:
    """The streams that an extract is known to land; empty if only it knows."""
    if step.streams:
        return step.streams
    queries = settings.get("queries")
    if isinstance(queries, list) and queries:
        names = [
            query["name"]
            for query in queries
            if isinstance(query, dict) and isinstance(query.get("name"), str)
        ]
        return tuple(str(name) for name in names)
    for key in ("entities", "streams"):
        listed = settings.get(key)
        if isinstance(listed, list) and all(
            isinstance(name, str) and name.replace("_", "").isalnum() for name in listed
        ):
            return tuple(str(name) for name in listed)
    return plugins[step.plugin].streams


def _ordered(pipeline: Pipeline, problems: list[Problem]) -> list[Step] | None:
    """The steps in dependency order, transforms of one level side by side."""
    steps = {step.name: step for step in pipeline.steps}
    path = f"pipelines.{pipeline.name}"
    is_bad = False
    for step in pipeline.steps:
        for name in step.depends_on:
            if name in steps:
                continue
            is_bad = True
            problems.append(
                Problem(
                    step.mark,
                    f'step "{step.name}" depends on "{name}", which is no step here',
                    suggest(name, steps),
                    f"{path}.{step.name}.depends_on",
                )
            )
    if is_bad:
        return None
    rank = {TAP: 0, TRANSFORM: 1, TARGET: 2}
    position = {step.name: index for index, step in enumerate(pipeline.steps)}
    waiting = {step.name: set(step.depends_on) for step in pipeline.steps}
    order: list[Step] = []
    while waiting:
        ready = [name for name, needs in waiting.items() if not needs]
        if not ready:
            circle = _circle(waiting)
            problems.append(
                Problem(
                    steps[circle[0]].mark,
                    f"the steps wait for each other: {' → '.join(circle)}",
                    "remove one of these depends_on",
                    path,
                )
            )
            return None
        chosen = min(ready, key=lambda name: (rank[steps[name].kind], position[name]))
        del waiting[chosen]
        for needs in waiting.values():
            needs.discard(chosen)
        order.append(steps[chosen])
    return order


def _circle(waiting: Mapping[str, set[str]]) -> list[str]:
    seen: list[str] = []
    name = min(waiting)
    while name not in seen:
        seen.append(name)
        name = min(waiting[name])
    return [*seen[seen.index(name) :], name]


class _Planner:
    def __init__(
        self,
        ecosystem: Ecosystem,
        plugins: KnownPlugins,
        pipeline: Pipeline,
        problems: list[Problem],
    ) -> None:
        self.ecosystem = ecosystem
        self.plugins = plugins
        self.pipeline = pipeline
        self.problems = problems
        self.steps = {step.name: step for step in pipeline.steps}
        self.path = f"pipelines.{pipeline.name}"
        self.tasks: list[Task] = []
        self.made_by: dict[str, list[str]] = {}
        self.landed: list[LandedStream] = []

    def plan(self, order: list[Step]) -> PipelinePlan:
        direct = self._direct()
        building: list[Step] = []
        for step in order:
            if step.kind == TRANSFORM:
                building.append(step)
                continue
            if building:
                self._build(building)
                building = []
            if step.kind == TAP:
                if step.name not in direct.values():
                    self._land(step)
            elif step.name in direct:
                self._straight(self.steps[direct[step.name]], step)
            else:
                self._load(step)
        if building:
            self._build(building)
        return PipelinePlan(self.pipeline, tuple(self.tasks), tuple(self.landed))

    # which extracts go straight through --------------------------------------

    def _inputs(self, step: Step) -> list[Step]:
        """The steps whose data a step takes: not the loads it waits for."""
        found = (self.steps[name] for name in step.depends_on)
        return [other for other in found if other.kind != TARGET]

    def _direct(self) -> dict[str, str]:
        """Loads that take one extract straight: load name to extract name."""
        consumers: dict[str, list[Step]] = {}
        for step in self.pipeline.steps:
            if step.kind == TAP:
                continue
            for source in self._inputs(step):
                consumers.setdefault(source.name, []).append(step)
        found = {}
        for name, takers in consumers.items():
            source, taker = self.steps[name], takers[0]
            if (
                source.kind == TAP
                and len(takers) == 1
                and taker.kind == TARGET
                and len(self._inputs(taker)) == 1
                and not (source.partition and self.plugins[taker.plugin].writes_files)
                and not taker.models
                and not taker.fields
                and not taker.stream
                and not taker.key_properties
            ):
                found[taker.name] = name
        return found

    # tasks ----------------------------------------------------------------------

    def _add(self, task: Task) -> None:
        self.tasks.append(task)
        for step in task.steps:
            self.made_by.setdefault(step, []).append(task.name)

    def _needs(self, *steps: Step) -> tuple[str, ...]:
        own = {step.name for step in steps}
        return tuple(
            dict.fromkeys(
                task
                for step in steps
                for name in step.depends_on
                if name not in own
                for task in self.made_by.get(name, ())
            )
        )

    def _name(self, plugin: str, step: Step, part: int | None) -> str:
        parts = [plugin, self.pipeline.name, step.name]
        if part is not None:
            parts.append(f"p{part}")
        return plugin_name(*parts)

    def _parts(self, step: Step) -> list[int | None]:
        if step.partition is None:
            return [None]
        return list(range(1, step.partition.count + 1))

    def _tap(self, step: Step, part: int | None) -> Instance:
        generated: dict[str, Plain] = {}
        if part is not None and step.partition is not None:
            generated["partition"] = f"{part}/{step.partition.count}"
        metadata: dict[str, Plain] = {}
        if step.replication_method or step.replication_key:
            entry: dict[str, Plain] = {}
            if step.replication_method:
                entry["replication-method"] = step.replication_method
            if step.replication_key:
                entry["replication-key"] = step.replication_key
            metadata = {stream: dict(entry) for stream in step.streams or ("*",)}
        return Instance(
            name=self._name(step.plugin, step, part),
            plugin=step.plugin,
            step=step.name,
            connection=step.connection,
            settings=step.settings,
            generated=generated,
            select=step.select or tuple(f"{stream}.*" for stream in step.streams),
            metadata=metadata,
        )

    def _target(self, step: Step, part: int | None) -> Instance:
        return Instance(
            name=self._name(step.plugin, step, part),
            plugin=step.plugin,
            step=step.name,
            connection=step.connection,
            settings=step.settings,
        )

    def _land(self, step: Step) -> None:
        connection = self._connection(step)
        needs = self._needs(step)
        for part in self._parts(step):
            tap = self._tap(step, part)
            target = self._warehouse_target(step, part, connection.schema)
            name = step.name if part is None else f"{step.name}--p{part}"
            self._add(Task(name, LAND, (step.name,), needs, tap, target))
        for stream in landed_streams(step, step.settings, self.plugins):
            self.landed.append(LandedStream(connection.name, stream))

    def _straight(self, source: Step, step: Step) -> None:
        needs = self._needs(source, step)
        for part in self._parts(source):
            tap = self._tap(source, part)
            target = self._target(step, part)
            name = step.name if part is None else f"{step.name}--p{part}"
            steps = (source.name, step.name)
            self._add(Task(name, DIRECT, steps, needs, tap, target))

    def _load(self, step: Step) -> None:
        inputs = self._inputs(step)
        if not inputs:
            self._problem(
                step,
                f'step "{step.name}" has nothing to load',
                "add depends_on with the tap or transform that it takes data from",
            )
            return
        tables = self._tables(step, inputs)
        if any(source.kind == TRANSFORM for source in inputs):
            self.problems += missing_keys(
                self.ecosystem, self.pipeline, step, self.plugins[step.plugin]
            )
        tap = self._warehouse_tap(step, tables)
        target = self._target(step, None)
        self._add(Task(step.name, LOAD, (step.name,), self._needs(step), tap, target))

    def _tables(self, step: Step, inputs: list[Step]) -> list[tuple[str, str]]:
        """(schema, table) of everything that a load reads back."""
        tables: list[tuple[str, str]] = []
        transforms = [source for source in inputs if source.kind == TRANSFORM]
        for source in transforms:
            schema = source.model_schema or self._model_schema()
            models = step.models or source.models
            if not models:
                self._problem(
                    step,
                    f'step "{step.name}" does not say which model of '
                    f'"{source.name}" it loads',
                    "add `model:` to its config, such as `model: "
                    f"{source.plugin.removeprefix('flext-dbt-').replace('-', '_')}"
                    "__entries`",
                )
            tables += [(schema, model) for model in models]
        for source in inputs:
            if source.kind != TAP:
                continue
            connection = self._connection(source)
            streams = landed_streams(source, source.settings, self.plugins)
            if not transforms and step.models:
                streams = step.models
            if not streams:
                self._problem(
                    source,
                    f'step "{source.name}" feeds several steps, and its streams are '
                    "not known before it runs",
                    "name them: add `streams: [...]` to its config",
                )
            tables += [(connection.schema, stream) for stream in streams]
        return list(dict.fromkeys(tables))

    def _build(self, steps: list[Step]) -> None:
        first = not any(task.kind == BUILD for task in self.tasks)
        command = f"build-{self.pipeline.name}"
        if not first:
            command = plugin_name(command, steps[0].name)
        select: list[str] = []
        variables: dict[str, Plain] = {}
        schemas = {step.model_schema for step in steps}
        if len(schemas) > 1:
            self._problem(
                steps[1],
                "transforms that run together build into different schemas",
                "give them the same `schema`, or put a load between them",
            )
        for step in steps:
            select += [f"+{model}" for model in step.models] or [
                f"package:{dbt_package(self.plugins[step.plugin].system)}"
            ]
            variables.update(self._package_variables(step))
            variables.update(step.variables)
        if schema := steps[0].model_schema:
            variables["flexcore_schema"] = schema
        self._add(
            Task(
                name=steps[0].name,
                kind=BUILD,
                steps=tuple(step.name for step in steps),
                needs=self._needs(*steps),
                command=command,
                select=tuple(dict.fromkeys(select)),
                variables=dict(sorted(variables.items())),
            )
        )

    def _package_variables(self, step: Step) -> dict[str, Plain]:
        """`<system>_schema`: where the package finds what this pipeline landed."""
        system = self.plugins[step.plugin].system
        inputs = [source for source in self._ancestors(step) if source.kind == TAP]
        connections = {
            source.connection: self._connection(source)
            for source in inputs
            if source.connection
        }
        same = {n: c for n, c in connections.items() if c.system == system}
        chosen = same or connections
        if len(chosen) > 1:
            self._problem(
                step,
                f'step "{step.name}" takes data of several connections: '
                f"{', '.join(sorted(chosen))}",
                f"say where its package reads: `vars: {{{system.replace('-', '_')}"
                "_schema: raw_…}`",
            ) if f"{system.replace('-', '_')}_schema" not in step.variables else None
            return {}
        return {
            f"{system.replace('-', '_')}_schema": connection.schema
            for connection in chosen.values()
        }

    def _ancestors(self, step: Step) -> list[Step]:
        found: dict[str, Step] = {}
        waiting = list(step.depends_on)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found[name] = self.steps[name]
                waiting += self.steps[name].depends_on
        return [found[name] for name in sorted(found)]

    # the warehouse's side ----------------------------------------------------------

    def _warehouse_target(self, step: Step, part: int | None, schema: str) -> Instance:
        plugin = self._warehouse_plugin(WAREHOUSE_TARGET, "flext-target-oracle")
        key = "default_target_schema" if plugin == "flext-target-oracle" else "schema"
        generated: dict[str, Plain] = {key: schema}
        return Instance(
            name=self._name(plugin, step, part),
            plugin=plugin,
            step=None,
            uses_warehouse=True,
            generated=generated,
        )

    def _warehouse_tap(self, step: Step, tables: list[tuple[str, str]]) -> Instance:
        plugin = self._warehouse_plugin(WAREHOUSE_TAP, "flext-tap-oracle")
        is_oracle = plugin == "flext-tap-oracle"
        settings = from_oracle if is_oracle else from_warehouse
        return Instance(
            name=self._name(plugin, step, None),
            plugin=plugin,
            step=None,
            uses_warehouse=True,
            generated=settings(step, tables),
        )

    def _warehouse_plugin(self, usual: str, for_oracle: str) -> str:
        return for_oracle if self.ecosystem.warehouse.system == "oracle" else usual

    def _model_schema(self) -> str:
        return self.ecosystem.warehouse.model_schema

    def _connection(self, step: Step) -> Connection:
        from flexcore_gen.model import Connection  # noqa: PLC0415 - rarely needed

        if step.connection is not None:
            return self.ecosystem.connections[step.connection]
        system = self.plugins[step.plugin].system
        return Connection(system, system, {}, step.mark)

    def _problem(self, step: Step, what: str, fix: str) -> None:
        self.problems.append(Problem(step.mark, what, fix, f"{self.path}.{step.name}"))


def _check_models(
    ecosystem: Ecosystem, plans: Iterable[PipelinePlan], problems: list[Problem]
) -> None:
    """Two pipelines must not build one model from two places into one schema."""
    seen: dict[tuple[str, str], tuple[str, str]] = {}
    usual = ecosystem.warehouse.model_schema
    for plan in plans:
        for task in plan.tasks:
            schema = str(task.variables.get("flexcore_schema", usual))
            origin = ", ".join(
                str(value)
                for key, value in task.variables.items()
                if key.endswith("_schema") and key != "flexcore_schema"
            )
            for model in dict.fromkeys(map(_model_group, task.select)):
                first = seen.setdefault((model, schema), (origin, plan.pipeline.name))
                if first[0] == origin:
                    continue
                step = plan.pipeline.step(task.steps[0])
                problems.append(
                    Problem(
                        step.mark,
                        f'pipelines "{first[1]}" and "{plan.pipeline.name}" build '
                        f"{model} from {first[0]} and from {origin} into schema "
                        f'"{schema}", and would overwrite each other',
                        "give one of them its own: add `schema:` to the transform's "
                        "config",
                        f"pipelines.{plan.pipeline.name}.{step.name}",
                    )
                )


def _model_group(selected: str) -> str:
    """A selected model, or the package that it belongs to."""
    model = selected.removeprefix("+")
    for system in TRANSFORM_SYSTEMS:
        prefix = system.replace("-", "_")
        if model in dbt_package_models(system) or model.startswith(
            (f"{prefix}__", f"stg_{prefix}__", f"int_{prefix}__")
        ):
            return dbt_package(system)
    return model.removeprefix("package:")

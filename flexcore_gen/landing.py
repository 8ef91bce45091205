"""Turns a pipeline's steps into tasks: what lands, what goes straight through.

The rules (DESIGN §5), all pure functions of the ecosystem:

1. An extract whose only consumer is one load, and which is that load's only
   input, is one direct task: tap and target of the two steps. A split extract
   stays direct unless the target writes a file, which its parts would share.
2. Any other extract lands in the warehouse: once, however many read it.
3. Transforms that follow each other are one dbt build.
4. Any other load reads the warehouse: the models of the transforms, and the
   landed tables of the extracts, that it depends on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flexcore_gen.errors import Problem
from flexcore_gen.known_plugins import (
    TAP,
    TARGET,
    TRANSFORM,
    WAREHOUSE_TAP,
    WAREHOUSE_TARGET,
    KnownPlugins,
    dbt_package,
)
from flexcore_gen.model_clashes import check_models
from flexcore_gen.reading_back import from_oracle, from_warehouse, missing_keys
from flexcore_gen.step_order import ordered_steps
from flexcore_gen.tasks import (
    BUILD,
    DIRECT,
    LAND,
    LOAD,
    Instance,
    LandedStream,
    PipelinePlan,
    Task,
    plugin_name,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flexcore_gen.loading import Plain
    from flexcore_gen.model import Connection, Ecosystem, Pipeline, Step


def plan_pipelines(
    ecosystem: Ecosystem, plugins: KnownPlugins, problems: list[Problem]
) -> tuple[PipelinePlan, ...]:
    """The plan of every pipeline that fits together; problems of the others."""
    plans = []
    for pipeline in ecosystem.pipelines:
        before = len(problems)
        order = ordered_steps(pipeline, problems)
        if order is not None and len(problems) == before:
            planner = _Planner(ecosystem, plugins, pipeline, problems)
            plans.append(planner.plan(order))
    check_models(ecosystem, plans, problems)
    return tuple(plans)


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

"""Reads ecosystem.yaml, pipelines/ and config/ into an `Ecosystem`.

Every problem is collected before the reading gives up, each with file, line
and column. Warnings and notes come back in `Ecosystem.remarks`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from flexcore_gen.connection_reading import read_connections
from flexcore_gen.deploy_reading import read_deployment
from flexcore_gen.errors import (
    InvalidEcosystemError,
    Problem,
    sorted_problems,
    suggest,
)
from flexcore_gen.events_reading import read_events
from flexcore_gen.known_plugins import KnownPlugins, known_plugins
from flexcore_gen.loading import Value
from flexcore_gen.model import Connection, Ecosystem, Environment
from flexcore_gen.pipeline_reading import PipelineReader, check_uses
from flexcore_gen.reading import Reader
from flexcore_gen.shapes import (
    ECOSYSTEM,
    OUTPUTS,
    OVERLAY,
    PARALLEL_OUTPUTS,
)
from flexcore_gen.sources import Sources, load_sources, merge
from flexcore_gen.warehouse_reading import merged_warehouse, read_warehouse
from flexcore_gen.watch_reading import read_watch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from flexcore_gen.loading import Plain
    from flexcore_gen.model import Pipeline

_DEFAULT_OUTPUTS = ("meltano", "dbt")


def load_ecosystem(path: Path) -> Ecosystem:
    """Reads an ecosystem, or a file that is a part of one.

    Args:
        path: A folder with ecosystem.yaml, that file, or a single pipeline,
            request, connection or environment file.

    Raises:
        FlexCoreError: Nothing can be read at that place.
        InvalidEcosystemError: The input has errors; it carries all of them.
    """
    problems: list[Problem] = []
    sources = load_sources(path, problems)
    if sources is None:
        raise InvalidEcosystemError(problems)
    return read_ecosystem(sources, known_plugins(sources.root), problems)


def read_ecosystem(
    sources: Sources, plugins: KnownPlugins, problems: list[Problem]
) -> Ecosystem:
    """Turns loaded sources into an ecosystem; see `load_ecosystem`."""
    ecosystem = _EcosystemReader(sources, plugins, problems).read()
    problems = list(sorted_problems(problems))
    if ecosystem is None or any(problem.is_error for problem in problems):
        raise InvalidEcosystemError(problems)
    return ecosystem


class _EcosystemReader:
    def __init__(
        self, sources: Sources, plugins: KnownPlugins, problems: list[Problem]
    ) -> None:
        self.sources = sources
        self.plugins = plugins
        self.reader = Reader(problems)
        self.problems = problems

    def read(self) -> Ecosystem | None:
        reader, main = self.reader, self.sources.main
        entries = reader.fields(main, ECOSYSTEM, "")
        if "version" in entries:
            self._version(entries["version"])
        project = (
            reader.name(entries["project"], "project") if "project" in entries else None
        )
        connections = self._connections(entries.get("connections"))
        warehouse = read_warehouse(entries.get("warehouse"), main.mark, reader)
        defaults = self._defaults(entries.get("defaults"))
        outputs = (
            reader.choices(entries["outputs"], ECOSYSTEM.field("outputs"), "outputs")
            if "outputs" in entries
            else _DEFAULT_OUTPUTS
        )
        environments = self._environments(entries, connections)
        everywhere = dict(connections)
        for environment in environments:
            for name, connection in environment.connections.items():
                if name not in everywhere:
                    everywhere[name] = Connection(
                        name, connection.system, {}, connection.mark
                    )
        pipelines = self._pipelines(entries, everywhere)
        default = self._default_environment(entries, environments)
        ecosystem = Ecosystem(
            project=project or "unnamed",
            warehouse=warehouse,
            connections=dict(sorted(everywhere.items())),
            pipelines=tuple(sorted(pipelines, key=lambda p: p.name)),
            environments=environments,
            default_environment=default,
            outputs=tuple(name for name in OUTPUTS if name in outputs),
            mark=main.mark,
            source=self.sources.main_file,
            folder=self.sources.root,
            events=read_events(entries.get("events"), "events", self.reader),
            defaults=defaults,
            deployment=read_deployment(entries.get("deploy"), reader),
            install=(
                reader.choice(
                    entries["install"], ECOSYSTEM.field("install").choices, "install"
                )
                if "install" in entries
                else None
            )
            or "shared",
            state_backend=(
                reader.text(entries["state_backend"], "state_backend")
                if "state_backend" in entries
                and reader.check_no_secret(
                    "state_backend", entries["state_backend"], "state_backend"
                )
                else None
            ),
            watch=read_watch(entries.get("watch"), reader),
            owned=(
                reader.texts(entries["owned"], "owned") if "owned" in entries else ()
            ),
        )
        self._step_overlays(ecosystem)
        ecosystem = self._with_steps(ecosystem)
        check_uses(ecosystem, self.plugins, reader)
        self._check_warehouse(ecosystem, entries)
        remarks = tuple(p for p in sorted_problems(self.problems) if not p.is_error)
        return replace(ecosystem, remarks=remarks)

    def _version(self, value: Value) -> None:
        version = self.reader.integer(value, "version", 0)
        if version is not None and version != 1:
            self.reader.error(
                value.mark,
                f"version {version} is not known",
                "write `version: 1`",
                "version",
            )

    def _connections(self, value: Value | None) -> dict[str, Connection]:
        return read_connections(value, self.plugins, self.reader)

    # environments --------------------------------------------------------

    def _environments(
        self, entries: dict[str, Value], connections: dict[str, Connection]
    ) -> tuple[Environment, ...]:
        reader = self.reader
        overlays = self.sources.overlays
        if "environments" in entries:
            names = list(
                dict.fromkeys(reader.names(entries["environments"], "environments"))
            )
            for name, overlay in overlays.items():
                if name not in names:
                    reader.warn(
                        overlay.mark,
                        f'no environment is called "{name}", so this file is not used',
                        suggest(name, names)
                        + f"; or add {name} to environments in ecosystem.yaml",
                        "environments",
                    )
        else:
            names = sorted(overlays) or ["development"]
        found = []
        for name in names:
            own = overlays.get(name)
            found.append(
                self._environment(name, own, entries, connections)
                if own is not None
                else Environment(name)
            )
        return tuple(found)

    def _environment(
        self,
        name: str,
        overlay: Value,
        entries: dict[str, Value],
        base: dict[str, Connection],
    ) -> Environment:
        reader = self.reader
        own = reader.fields(overlay, OVERLAY, "")
        connections: dict[str, Connection] = {}
        if "connections" in own:
            touched = self._touched(own["connections"], base)
            merged = merge(entries.get("connections"), own["connections"])
            if touched and isinstance(merged.data, dict):
                only = {key: merged.data[key] for key in touched}
                connections = self._connections(
                    Value(only, merged.mark, "", merged.key_marks)
                )
        warehouse = (
            read_warehouse(
                merged_warehouse(entries.get("warehouse"), own["warehouse"]),
                overlay.mark,
                reader,
            )
            if "warehouse" in own
            else None
        )
        return Environment(
            name=name,
            mark=overlay.mark,
            connections=connections,
            warehouse=warehouse,
            events=read_events(own.get("events"), "events", self.reader),
            defaults=(
                self._defaults(merge(entries.get("defaults"), own["defaults"]))
                if "defaults" in own
                else None
            ),
            deployment=(
                read_deployment(merge(entries.get("deploy"), own["deploy"]), reader)
                if "deploy" in own
                else None
            ),
            outputs=(
                reader.choices(own["outputs"], OVERLAY.field("outputs"), "outputs")
                if "outputs" in own
                else None
            ),
        )

    def _touched(self, value: Value, base: dict[str, Connection]) -> list[str]:
        """The connections of an overlay, without those that change their system."""
        touched = []
        for name, item in (self.reader.mapping(value, "connections") or {}).items():
            system = item.data.get("system") if isinstance(item.data, dict) else None
            before = base.get(name)
            if system and before and system.data != before.system:
                self.reader.error(
                    system.mark,
                    f'connection "{name}" is {before.system} in '
                    f"{self.sources.main_file} and {system.text} here",
                    "a connection keeps its system in every environment",
                    f"connections.{name}.system",
                )
            else:
                touched.append(name)
        return touched

    def _default_environment(
        self, entries: dict[str, Value], environments: tuple[Environment, ...]
    ) -> str:
        names = [environment.name for environment in environments]
        if value := entries.get("default_environment"):
            chosen = self.reader.choice(value, names, "default_environment")
            if chosen:
                return chosen
        return names[0] if names else "development"

    # pipelines -----------------------------------------------------------

    def _pipelines(
        self, entries: dict[str, Value], connections: Mapping[str, Connection]
    ) -> list[Pipeline]:
        self.pipeline_reader = PipelineReader(self.reader, self.plugins, connections)
        found: dict[str, Pipeline] = {}
        documents = list(self.sources.pipelines)
        if "pipelines" in entries:
            documents += [
                (item, f"pipelines[{index}]")
                for index, item in enumerate(
                    self.reader.items(entries["pipelines"], "pipelines")
                )
            ]
        for value, path in documents:
            for pipeline in self.pipeline_reader.read(value, path):
                if before := found.get(pipeline.name):
                    self.reader.error(
                        pipeline.mark,
                        f'a second pipeline is called "{pipeline.name}"',
                        f"rename one of the two; the first is at {before.mark}",
                        f"{path}.name",
                    )
                    continue
                found[pipeline.name] = pipeline
        return list(found.values())

    def _step_overlays(self, ecosystem: Ecosystem) -> None:
        """Reads `pipelines:` of each overlay into `self.step_settings`."""
        self.step_settings: dict[str, dict[tuple[str, str], dict[str, Plain]]] = {}
        pipelines = {pipeline.name: pipeline for pipeline in ecosystem.pipelines}
        for environment in ecosystem.environments:
            overlay = self.sources.overlays.get(environment.name)
            if overlay is None or not isinstance(overlay.data, dict):
                continue
            value = overlay.data.get("pipelines")
            if value is None:
                continue
            settings: dict[tuple[str, str], dict[str, Plain]] = {}
            for name, steps in (self.reader.mapping(value, "pipelines") or {}).items():
                path = f"pipelines.{name}"
                if name not in pipelines:
                    self.reader.error(
                        value.key_marks.get(name, steps.mark),
                        f'no pipeline is called "{name}"',
                        suggest(name, pipelines),
                        path,
                    )
                    continue
                known = {step.name: step for step in pipelines[name].steps}
                for step, item in (self.reader.mapping(steps, path) or {}).items():
                    where = f"{path}.{step}"
                    if step not in known:
                        self.reader.error(
                            steps.key_marks.get(step, item.mark),
                            f'pipeline "{name}" has no step "{step}"',
                            suggest(step, known),
                            where,
                        )
                        continue
                    settings[name, step] = self.pipeline_reader.overlay(
                        known[step], item, where
                    )
            self.step_settings[environment.name] = settings

    def _with_steps(self, ecosystem: Ecosystem) -> Ecosystem:
        return replace(
            ecosystem,
            environments=tuple(
                replace(
                    environment,
                    steps=self.step_settings.get(environment.name, {}),
                )
                for environment in ecosystem.environments
            ),
        )

    # the rest ------------------------------------------------------------

    def _defaults(self, value: Value | None) -> dict[str, Plain]:
        if value is None:
            return {}
        settings = {
            name: setting
            for plugin_name in self.plugins.names
            for name, setting in self.plugins[plugin_name].settings.items()
            if not setting.is_sensitive
        }
        found: dict[str, Plain] = {}
        for key, item in (self.reader.mapping(value, "defaults") or {}).items():
            path = f"defaults.{key}"
            if key not in settings:
                self.reader.error(
                    value.key_marks.get(key, item.mark),
                    f'no plugin has a setting "{key}"',
                    suggest(key, settings, "`flexcore-gen list plugins` shows them"),
                    path,
                )
                continue
            found[key] = self.reader.setting(settings[key], item, path)
        return found

    def _check_warehouse(self, ecosystem: Ecosystem, entries: dict[str, Value]) -> None:
        base = ecosystem.warehouse
        found = [base, *(e.warehouse for e in ecosystem.environments if e.warehouse)]
        for warehouse in found[1:]:
            if (warehouse.system == "oracle") != (base.system == "oracle"):
                self.reader.error(
                    warehouse.mark,
                    f"the warehouse is {base.system} in {self.sources.main_file} and "
                    f"{warehouse.system} here, and Oracle is reached by other plugins",
                    "use oracle in every environment or in none",
                    "warehouse.system",
                )
            if warehouse.model_schema != base.model_schema:
                self.reader.error(
                    warehouse.mark,
                    f'the models are in schema "{base.model_schema}" in '
                    f'{self.sources.main_file} and in "{warehouse.model_schema}" here',
                    "give the schema in ecosystem.yaml; it holds for every environment",
                    "warehouse.schema",
                )
        for environment in ecosystem.environments:
            chosen = ecosystem.deployed_by(environment)
            engines = [name for name in PARALLEL_OUTPUTS if name in chosen]
            warehouse = ecosystem.warehouse_in(environment)
            if engines and warehouse.system == "duckdb":
                self.reader.error(
                    environment.mark or entries["outputs"].mark,
                    f"environment {environment.name}: {' and '.join(engines)} run "
                    "steps side by side, and DuckDB lets one process open its file",
                    "use a postgres or oracle warehouse (found at "
                    f"{warehouse.mark}), or deploy it otherwise: `outputs: []` in "
                    f"config/{environment.name}.yaml",
                    "outputs",
                )

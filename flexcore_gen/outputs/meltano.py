"""meltano.yml: base plugins, one inherited plugin per step, jobs, schedules.

Plugins inherit in three levels, so that each setting stands in one place:

- `flext-tap-oracle`: the definition, and the project's defaults;
- `flext-tap-oracle--oracle-prod`: what a connection says, per environment;
- `flext-tap-oracle--nightly--extract`: what a step says, one per step, because
  two runs of one plugin name overwrite each other's files in `.meltano/run`.

Past `SPLIT_FROM` pipelines each pipeline's part goes into its own file below
meltano/, which meltano.yml includes; names do not change with it.
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

from flexcore_gen.known_plugins import TAP, Plugin
from flexcore_gen.outputs.warehouse import (
    dbt_config,
    dbt_settings,
    plugin_config,
    uses_own_plugin,
    warehouse_systems,
)
from flexcore_gen.plan import PlannedFile
from flexcore_gen.quoting import command_line, json_argument
from flexcore_gen.tasks import BUILD, plugin_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flexcore_gen.loading import Plain
    from flexcore_gen.model import Environment
    from flexcore_gen.plan import Project
    from flexcore_gen.tasks import Instance, PipelinePlan, Task

SPLIT_FROM = 50
BUFFER_BYTES = 10 * 1024 * 1024
REQUIRES_MELTANO = ">=4.4,<4.5"
#: The batch lane: records go from tap to target in files, a folder per tap.
_BATCHES: Plain = {
    "encoding": {"format": "parquet"},
    "storage": {
        "root": "$MELTANO_PROJECT_ROOT/.meltano/batches/$MELTANO_EXTRACTOR_NAME"
    },
}
#: What Meltano acts on; texts for people would cost every command time.
_SETTING_KEYS = ("name", "aliases", "kind", "sensitive", "options", "value", "env")
_ABSOLUTE = re.compile(r"/|\$|[A-Za-z][A-Za-z0-9+.-]+://")


def plan_files(project: Project) -> Iterator[PlannedFile]:
    """meltano.yml, and a file per pipeline in large projects."""
    document = _Document(project)
    split = len(project.pipelines) > SPLIT_FROM
    main = document.head(split=split)
    plugins: dict[str, list[Any]] = {"extractors": [], "loaders": []}
    document.add_bases(plugins)
    jobs: list[Any] = []
    schedules: list[Any] = []
    for plan in project.pipelines:
        own: dict[str, list[Any]] = {"extractors": [], "loaders": []}
        document.add_steps(plan, own)
        job, schedule = _job(plan), _schedule(plan)
        if split:
            part: dict[str, Any] = {"plugins": _present(own), "jobs": [job]}
            if schedule:
                part["schedules"] = [schedule]
            yield PlannedFile(
                f"meltano/{plan.pipeline.name}.meltano.yml",
                data=part,
                sources=(plan.pipeline.mark, *(s.mark for s in plan.pipeline.steps)),
            )
            continue
        for section, entries in own.items():
            plugins[section] += entries
        jobs.append(job)
        if schedule:
            schedules.append(schedule)
    main["plugins"] = _present(plugins)
    if utility := document.dbt():
        main["plugins"]["utilities"] = [utility]
    if jobs:
        main["jobs"] = jobs
    if schedules:
        main["schedules"] = schedules
    main["environments"] = document.environments()
    yield PlannedFile("meltano.yml", data=main, sources=project.sources())


def connection_plugin(plugin: str, connection: str) -> str:
    """The name of the plugin that holds a connection's settings."""
    return plugin_name(plugin, connection)


def _present(sections: Mapping[str, list[Any]]) -> dict[str, Any]:
    return {name: entries for name, entries in sections.items() if entries}


def _job(plan: PipelinePlan) -> dict[str, Any]:
    job: dict[str, Any] = {
        "name": plan.pipeline.name,
        "tasks": [task.blocks for task in plan.tasks],
    }
    notes: dict[str, Plain] = {}
    if plan.pipeline.description:
        notes["description"] = plan.pipeline.description
    if plan.pipeline.metadata:
        notes["metadata"] = dict(plan.pipeline.metadata)
    if notes:
        job["annotations"] = {"flexcore": notes}
    return job


def _schedule(plan: PipelinePlan) -> dict[str, Any] | None:
    if plan.pipeline.schedule is None:
        return None
    name = plan.pipeline.name
    return {"name": name, "interval": plan.pipeline.schedule, "job": name}


class _Document:
    def __init__(self, project: Project) -> None:
        self.project = project
        self.ecosystem = project.ecosystem
        self.instances = [i for plan in project.pipelines for i in plan.instances]
        self.used = sorted({instance.plugin for instance in self.instances})
        self.connections = sorted(
            {(i.plugin, i.connection) for i in self.instances if i.connection}
        )

    def head(self, *, split: bool) -> dict[str, Any]:
        ecosystem = self.ecosystem
        head: dict[str, Any] = {
            "requires_meltano": REQUIRES_MELTANO,
            "project_id": str(
                uuid.uuid5(uuid.NAMESPACE_DNS, f"{ecosystem.project}.flexcore")
            ),
            "default_environment": ecosystem.default_environment,
            "send_anonymous_usage_stats": False,
            "project_readonly": True,
            "cli": {"disable_version_check": True},
            "elt": {"buffer_size": BUFFER_BYTES},
        }
        if ecosystem.state_backend:
            head["state_backend"] = {"uri": ecosystem.state_backend}
        if notes := self._events_notes():
            head["annotations"] = {"flexcore": notes}
        if split:
            head["include_paths"] = ["./meltano/*.meltano.yml"]
        return head

    def _events_notes(self) -> dict[str, Any]:
        """What the event hook reads: the store first, for the file's readers."""
        notes = _events(self.ecosystem.events)
        differs = any("store" in e.events for e in self.ecosystem.environments)
        if differs and "events_store" not in notes:
            notes = {"events_store": "sqlite:///.flexcore/events.db", **notes}
        return notes

    # plugins ----------------------------------------------------------------

    def add_bases(self, sections: dict[str, list[Any]]) -> None:
        """Adds the base plugins and those of the connections."""
        for name in self.used:
            plugin = self.project.plugins[name]
            definition = _slim(plugin)
            if self.ecosystem.install == "isolated":
                definition["pip_url"] = plugin.pip_url
            if config := self._base_config(plugin, None):
                definition["config"] = config
            sections[_section(plugin)].append(definition)
        for name, connection in self.connections:
            plugin = self.project.plugins[name]
            entry: dict[str, Any] = {
                "name": connection_plugin(name, connection),
                "inherit_from": name,
            }
            if config := self._connection_config(plugin, connection, None):
                entry["config"] = config
            sections[_section(plugin)].append(entry)
        for plugin in self._warehouse_plugins():
            sections[_section(plugin)].append(
                {
                    "name": connection_plugin(plugin.name, "warehouse"),
                    "inherit_from": plugin.name,
                    "config": self._warehouse_config(plugin, None),
                }
            )

    def _warehouse_plugins(self) -> list[Plugin]:
        """A system's own plugins that stand for the warehouse, if it has any."""
        if not uses_own_plugin(self.ecosystem.warehouse):
            return []
        names = sorted({i.plugin for i in self.instances if i.uses_warehouse})
        return [self.project.plugins[name] for name in names]

    def _warehouse_config(
        self, plugin: Plugin, environment: Environment | None
    ) -> dict[str, Any]:
        warehouse = (environment and environment.warehouse) or self.ecosystem.warehouse
        config = plugin_config(warehouse, plugin)
        if plugin.kind != TAP and "add_record_metadata" not in self.ecosystem.defaults:
            # The dbt packages order and date rows by the _sdc_ columns.
            config["add_record_metadata"] = True
        return config

    def add_steps(self, plan: PipelinePlan, sections: dict[str, list[Any]]) -> None:
        """Adds one inherited plugin per step and part."""
        for instance in plan.instances:
            plugin = self.project.plugins[instance.plugin]
            entry: dict[str, Any] = {
                "name": instance.name,
                "inherit_from": self._parent(instance),
            }
            config = _paths(plugin, {**instance.settings, **instance.generated})
            if config:
                entry["config"] = config
            if instance.select:
                entry["select"] = list(instance.select)
            if instance.metadata:
                entry["metadata"] = dict(instance.metadata)
            sections[_section(plugin)].append(entry)

    def _parent(self, instance: Instance) -> str:
        if instance.connection:
            return connection_plugin(instance.plugin, instance.connection)
        if instance.uses_warehouse and uses_own_plugin(self.ecosystem.warehouse):
            return connection_plugin(instance.plugin, "warehouse")
        return instance.plugin

    def _base_config(
        self, plugin: Plugin, environment: Environment | None
    ) -> dict[str, Any]:
        defaults = self.ecosystem.defaults
        if environment is not None and environment.defaults is not None:
            defaults = environment.defaults
        config = {k: v for k, v in defaults.items() if k in plugin.settings}
        if "batch_config" in plugin.settings and "batch_config" not in config:
            config["batch_config"] = _BATCHES
        if plugin.system == "warehouse":
            warehouse = (environment and environment.warehouse) or (
                self.ecosystem.warehouse
            )
            config.update(plugin_config(warehouse, plugin))
            if "add_record_metadata" in plugin.settings:
                # The dbt packages order and date rows by the _sdc_ columns.
                config.setdefault("add_record_metadata", True)
        return _paths(plugin, config)

    def _connection_config(
        self, plugin: Plugin, name: str, environment: Environment | None
    ) -> dict[str, Any]:
        connection = self.ecosystem.connection_in(name, environment)
        known = {k: v for k, v in connection.settings.items() if k in plugin.settings}
        return _paths(plugin, known)

    # environments -------------------------------------------------------------

    def environments(self) -> list[dict[str, Any]]:
        """Each environment with what it changes."""
        return [self._environment(e) for e in self.ecosystem.environments]

    def _environment(self, environment: Environment) -> dict[str, Any]:
        sections: dict[str, list[Any]] = {
            "extractors": [],
            "loaders": [],
            "utilities": [],
        }
        for plugin, name, config in self._changed_plugins(environment):
            if config:
                section = sections[_section(plugin)]
                section.append({"name": name, "config": dict(config)})
        if environment.warehouse and self._builds():
            before = dbt_config(self.ecosystem.warehouse)
            if changes := _changed(before, dbt_config(environment.warehouse)):
                sections["utilities"].append({"name": "dbt", "config": changes})
        entry: dict[str, Any] = {"name": environment.name}
        if notes := _events(environment.events):
            entry["annotations"] = {"flexcore": notes}
        if plugins := _present(sections):
            entry["config"] = {"plugins": plugins}
        return entry

    def _changed_plugins(
        self, environment: Environment
    ) -> Iterator[tuple[Plugin, str, Mapping[str, Any]]]:
        """Each plugin that the environment touches, with what differs."""
        for name in self.used:
            plugin = self.project.plugins[name]
            if environment.defaults is not None or environment.warehouse:
                now = self._base_config(plugin, environment)
                yield plugin, name, _changed(self._base_config(plugin, None), now)
        for plugin in self._warehouse_plugins() if environment.warehouse else ():
            before = self._warehouse_config(plugin, None)
            now = self._warehouse_config(plugin, environment)
            own = connection_plugin(plugin.name, "warehouse")
            yield plugin, own, _changed(before, now)
        for name, connection in self.connections:
            if connection in environment.connections:
                plugin = self.project.plugins[name]
                before = self._connection_config(plugin, connection, None)
                now = self._connection_config(plugin, connection, environment)
                own = connection_plugin(name, connection)
                yield plugin, own, _changed(before, now)
        for plan in self.project.pipelines if environment.steps else ():
            for instance in plan.instances:
                place = (plan.pipeline.name, instance.step or "")
                if changes := environment.steps.get(place):
                    plugin = self.project.plugins[instance.plugin]
                    yield plugin, instance.name, _paths(plugin, changes)

    # dbt ------------------------------------------------------------------------

    def _builds(self) -> list[Task]:
        return [
            task
            for plan in self.project.pipelines
            for task in plan.tasks
            if task.kind == BUILD
        ]

    def dbt(self) -> dict[str, Any] | None:
        """The dbt utility with one command per build, or None without builds."""
        builds = self._builds()
        if not builds:
            return None
        commands: dict[str, Any] = {
            "deps": {"args": "deps", "description": "Link the dbt packages."},
            "build": {"args": "build", "description": "Build and test every model."},
        }
        for task in builds:
            assert task.command is not None  # noqa: S101 - a build has one
            # Unit tests try the code, which no run changes; they are for CI.
            arguments = ["build", "--exclude-resource-type", "unit_test"]
            arguments += ["--select", *task.select]
            if task.variables:
                arguments += ["--vars", json_argument(task.variables)]
            commands[task.command] = {
                "args": command_line(arguments),
                "description": f"Build and test what {', '.join(task.steps)} needs.",
            }
        entry: dict[str, Any] = {
            "name": "dbt",
            "namespace": "dbt",
            "executable": "dbt",
            "settings": dbt_settings(warehouse_systems(self.ecosystem)),
            "config": dbt_config(self.ecosystem.warehouse),
            "commands": commands,
        }
        if self.ecosystem.install == "isolated":
            entry["pip_url"] = "flexcore[dbt]"
        return entry


def _slim(plugin: Plugin) -> dict[str, Any]:
    """A definition without the texts that only people read."""
    definition = {
        key: value
        for key, value in plugin.definition.items()
        if key in {"name", "namespace", "executable", "capabilities"}
    }
    definition["settings"] = [
        {key: setting[key] for key in _SETTING_KEYS if key in setting}
        for setting in plugin.definition.get("settings", ())
    ]
    return definition


def _section(plugin: Plugin) -> str:
    return "extractors" if plugin.kind == TAP else "loaders"


def _events(events: Mapping[str, Plain]) -> dict[str, Any]:
    notes: dict[str, Any] = {}
    if "store" in events:
        notes["events_store"] = events["store"]
    for key in ("handlers", "exporters"):
        if events.get(key):
            notes[key] = events[key]
    return notes


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """What is different now; a setting that is gone becomes null."""
    changes = {key: value for key, value in now.items() if before.get(key) != value}
    changes.update({key: None for key in before if key not in now})
    return dict(sorted(changes.items()))


def _paths(plugin: Plugin, config: Mapping[str, Plain]) -> dict[str, Any]:
    """The settings with relative paths made to count from the project's root.

    Plugins run in the caller's folder, not in the project's.
    """
    found: dict[str, Any] = {}
    for name, value in sorted(config.items()):
        setting = plugin.settings.get(name)
        if setting is not None and setting.is_path:
            if isinstance(value, list):
                value = [_rooted(v) if isinstance(v, str) else v for v in value]  # noqa: PLW2901 - the same setting
            elif isinstance(value, str):
                value = _rooted(value)  # noqa: PLW2901 - the same setting
        found[name] = value
    return found


def _rooted(path: str) -> str:
    if not path or _ABSOLUTE.match(path):
        return path
    return f"$MELTANO_PROJECT_ROOT/{path.removeprefix('./')}"

"""Reads pipelines and their steps, and checks that the steps fit together."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from flexcore_gen.errors import suggest
from flexcore_gen.known_plugins import TRANSFORM
from flexcore_gen.loading import Value
from flexcore_gen.model import Pipeline, Step
from flexcore_gen.shapes import PIPELINE, STEP
from flexcore_gen.stamping import stamp, substitute
from flexcore_gen.step_reading import StepReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flexcore_gen.known_plugins import KnownPlugins, Plugin
    from flexcore_gen.loading import Plain
    from flexcore_gen.model import Connection, Ecosystem
    from flexcore_gen.reading import Reader

_CRON_WORDS = re.compile(r"@(hourly|daily|weekly|monthly|yearly|once)\Z")
_CRON_FIELD = re.compile(r"(\*|[0-9A-Za-z]+(-[0-9A-Za-z]+)?)(/[0-9]+)?\Z")
_CRON_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_RESERVED = {"dbt", "flexcore", "all"}


class PipelineReader:
    """Reads pipeline documents against the known plugins and connections."""

    def __init__(
        self,
        reader: Reader,
        plugins: KnownPlugins,
        connections: Mapping[str, Connection],
    ) -> None:
        self.reader = reader
        self.plugins = plugins
        self.connections = connections

    def read(self, value: Value, path: str) -> Iterator[Pipeline]:
        """The pipelines of one document: one, or one per `foreach` entry."""
        if isinstance(value.data, dict) and "foreach" in value.data:
            rest = Value(
                {key: item for key, item in value.data.items() if key != "foreach"},
                value.mark,
                "",
                value.key_marks,
            )
            sets = stamp(value.data["foreach"], self.reader, f"{path}.foreach")
            for names in sets:
                stamped = substitute(rest, names, self.reader, path)
                if pipeline := self._pipeline(stamped, path):
                    yield pipeline
        elif pipeline := self._pipeline(value, path):
            yield pipeline

    def _pipeline(self, value: Value, path: str) -> Pipeline | None:
        reader = self.reader
        entries = reader.fields(value, PIPELINE, path)
        name = (
            reader.name(entries["name"], f"{path}.name") if "name" in entries else None
        )
        if name in _RESERVED or (name and name in self.plugins):
            reader.error(
                entries["name"].mark,
                f'"{name}" is already the name of something else in Meltano',
                f'choose another name, such as "{name}-pipeline"',
                f"{path}.name",
            )
        if name:
            path = f"pipelines.{name}"
        schedule = None
        if "schedule" in entries and entries["schedule"].data is not None:
            schedule = self._schedule(entries["schedule"], f"{path}.schedule")
        steps: dict[str, Step] = {}
        if "steps" in entries:
            for index, item in enumerate(reader.items(entries["steps"], path)):
                step = self._step(item, f"{path}.steps[{index}]")
                if step is None:
                    continue
                if step.name in steps:
                    reader.error(
                        step.mark,
                        f'a second step is called "{step.name}"',
                        "rename one of the two; the first is at "
                        f"{steps[step.name].mark}",
                        f"{path}.steps[{index}].name",
                    )
                    continue
                steps[step.name] = step
            if not steps and not reader.items(entries["steps"], path):
                reader.error(
                    entries["steps"].mark,
                    "the pipeline has no steps",
                    "add at least one step with a tap",
                    f"{path}.steps",
                )
        if name is None:
            return None
        description = (
            reader.text(entries["description"], f"{path}.description")
            if "description" in entries
            else None
        )
        return Pipeline(
            name=name,
            steps=tuple(steps.values()),
            mark=entries["name"].mark,
            description=description or "",
            schedule=schedule,
            metadata=(
                reader.scalars(entries["metadata"], f"{path}.metadata")
                if "metadata" in entries
                else {}
            ),
        )

    def _schedule(self, value: Value, path: str) -> str | None:
        text = self.reader.text(value, path)
        if text is None:
            return None
        fields = text.split()
        if _CRON_WORDS.match(text) or (
            len(fields) == len(_CRON_RANGES)
            and all(map(_is_cron_field, fields, _CRON_RANGES))
        ):
            return text
        self.reader.error(
            value.mark,
            f'"{text}" is not a schedule',
            "write five cron fields, such as `0 * * * *`, or @hourly, @daily, "
            "@weekly, @monthly, @yearly",
            path,
        )
        return None

    def _step(self, value: Value, path: str) -> Step | None:
        reader = self.reader
        entries = reader.fields(value, STEP, path)
        name = (
            reader.name(entries["name"], f"{path}.name") if "name" in entries else None
        )
        plugin = None
        if "service" in entries:
            service = reader.text(entries["service"], f"{path}.service")
            if service is not None and service not in self.plugins.services:
                reader.error(
                    entries["service"].mark,
                    f'no plugin is called "{service}"',
                    suggest(
                        service,
                        self.plugins.services,
                        "`flexcore-gen list plugins` shows all",
                    ),
                    f"{path}.service",
                )
            elif service is not None:
                plugin = self.plugins[service]
        depends_on = (
            reader.names(entries["depends_on"], f"{path}.depends_on")
            if "depends_on" in entries
            else ()
        )
        if name is None or plugin is None:
            return None
        if "description" in entries:
            reader.text(entries["description"], f"{path}.description")
        mark = entries["name"].mark
        step = Step(name, plugin.name, plugin.kind, mark, depends_on=depends_on)
        config = entries.get("config", Value({}, mark))
        options = StepReader(self.reader, self.connections)
        return options.read(step, plugin, config, f"{path}.config")

    def overlay(self, step: Step, value: Value, path: str) -> dict[str, Plain]:
        """The plugin settings that an environment gives to a step."""
        plugin = self.plugins[step.plugin]
        settings: dict[str, Plain] = {}
        for key, item in (self.reader.mapping(value, path) or {}).items():
            where = f"{path}.{key}"
            canonical = plugin.canonical(key)
            if canonical is None:
                self.reader.error(
                    value.key_marks.get(key, item.mark),
                    f'an environment cannot change "{key}" of {plugin.name}',
                    suggest(key, plugin.settings, "only its settings can differ"),
                    where,
                )
                continue
            settings[canonical] = self.reader.setting(
                plugin.settings[canonical], item, where
            )
        return settings


def check_uses(ecosystem: Ecosystem, plugins: KnownPlugins, reader: Reader) -> None:
    """Checks, per environment, that each step's settings are complete."""
    for pipeline in ecosystem.pipelines:
        for step in pipeline.steps:
            if step.kind == TRANSFORM:
                continue
            path = f"pipelines.{pipeline.name}.{step.name}"
            plugin = plugins[step.plugin]
            if step.connection is None:
                if not _is_complete(plugin, step.settings):
                    reader.error(
                        step.mark,
                        f'step "{step.name}" names no connection',
                        f"add `connection:` with a connection to {plugin.system}",
                        f"{path}.config",
                    )
                continue
            for environment in ecosystem.environments or (None,):
                if step.connection not in ecosystem.connections:
                    continue
                connection = ecosystem.connection_in(step.connection, environment)
                overlay = (
                    environment.steps.get((pipeline.name, step.name), {})
                    if environment
                    else {}
                )
                given = {**connection.settings, **step.settings, **overlay}
                if _is_complete(plugin, given):
                    continue
                wanted = " or ".join(" and ".join(group) for group in plugin.required)
                place = f" in {environment.name}" if environment else ""
                reader.error(
                    connection.mark,
                    f'connection "{connection.name}"{place} is incomplete for '
                    f"{plugin.name}",
                    f"it needs {wanted}",
                    path,
                )
                break


def _is_complete(plugin: Plugin, given: Mapping[str, Plain]) -> bool:
    if not plugin.required:
        return True
    return any(all(name in given for name in group) for group in plugin.required)


def _is_cron_field(text: str, bounds: tuple[int, int]) -> bool:
    for part in text.split(","):
        if not _CRON_FIELD.match(part):
            return False
        for number in re.findall(r"[0-9]+", part.split("/")[0]):
            if not bounds[0] <= int(number) <= bounds[1]:
                return False
    return True

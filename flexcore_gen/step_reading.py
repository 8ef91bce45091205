"""Reads a step's `config`: what the generator acts on, and plugin settings."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flexcore_gen.errors import suggest
from flexcore_gen.known_plugins import TAP, TARGET, TRANSFORM
from flexcore_gen.model import Partition
from flexcore_gen.shapes import STEP_CONFIG

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flexcore_gen.known_plugins import Plugin
    from flexcore_gen.loading import Plain, Value
    from flexcore_gen.model import Connection, Step
    from flexcore_gen.reading import Reader

MAX_PARTITIONS = 64
_STREAM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.$#-]{0,199}\Z")
#: Which keys of a step's config mean something for which kind of step.
_KEYS = {
    TAP: {
        "connection", "query", "streams", "select", "replication_method",
        "replication_key", "parallel_jobs", "partition",
    },
    TARGET: {
        "connection", "model", "models", "stream", "fields", "key_properties",
    },
    TRANSFORM: {"model", "models", "schema", "vars"},
}  # fmt: skip


class StepReader:
    """Reads the configuration of one step at a time."""

    def __init__(self, reader: Reader, connections: Mapping[str, Connection]) -> None:
        self.reader = reader
        self.connections = connections

    def read(self, step: Step, plugin: Plugin, config: Value, path: str) -> Step:
        """The step with what its configuration says."""
        reader = self.reader
        entries = reader.fields(config, STEP_CONFIG, path)
        found: dict[str, Any] = {}
        settings: dict[str, Plain] = {}
        options = self._options()
        for key, item in entries.items():
            where = f"{path}.{key}"
            canonical = plugin.canonical(key)
            if key in _KEYS[plugin.kind]:
                if key not in {"connection", "query"}:
                    options[key](item, where, found)
            elif canonical is None:
                self._unknown(key, plugin, config, where)
            else:
                plain = reader.setting(plugin.settings[canonical], item, where)
                if plain is not None:
                    settings[canonical] = plain
        if plugin.folds_case:
            _fold(found)
        if plugin.kind != TRANSFORM and "query" in entries:
            self._query(step, plugin, entries["query"], settings, found, path)
        if plugin.kind != TRANSFORM and "connection" in entries:
            found["connection"] = self._connection(
                entries["connection"], plugin, f"{path}.connection"
            )
        if found.get("partition") and "partition" not in plugin.settings:
            reader.error(
                (entries.get("partition") or entries["parallel_jobs"]).mark,
                f"{plugin.name} cannot be split into parts",
                "remove parallel_jobs and partition from this step",
                path,
            )
            del found["partition"]
        return replace(step, settings=settings, **found)

    def _unknown(self, key: str, plugin: Plugin, config: Value, path: str) -> None:
        aliases = (s.aliases for s in plugin.settings.values())
        allowed = _KEYS[plugin.kind].union(plugin.settings, *aliases)
        self.reader.error(
            config.key_marks.get(key, config.mark),
            f'{plugin.name} has no setting "{key}"',
            suggest(
                key, allowed, f"`flexcore-gen list plugins {plugin.name}` shows them"
            ),
            path,
        )

    def _options(self) -> dict[str, Callable[[Value, str, dict[str, Any]], None]]:
        """For each key that the generator acts on, what reads it."""
        return {
            "parallel_jobs": self._parallel_jobs,
            "partition": self._partition,
            "streams": self._streams,
            "stream": self._stream,
            "model": self._models,
            "models": self._models,
            "select": self._put("select", self.reader.texts),
            "schema": self._put("model_schema", self.reader.identifier),
            "vars": self._put("variables", self.reader.scalars),
            "fields": self._put("fields", self.reader.scalars),
            "key_properties": self._put("key_properties", self.reader.texts),
            "replication_key": self._put("replication_key", self.reader.text),
            "replication_method": self._put("replication_method", self._method),
        }

    @staticmethod
    def _put(
        field: str, read: Callable[[Value, str], Any]
    ) -> Callable[[Value, str, dict[str, Any]], None]:
        def put(item: Value, path: str, found: dict[str, Any]) -> None:
            found[field] = read(item, path)

        return put

    def _method(self, item: Value, path: str) -> str | None:
        choices = STEP_CONFIG.field("replication_method").choices
        return self.reader.choice(item, choices, path)

    def _parallel_jobs(self, item: Value, path: str, found: dict[str, Any]) -> None:
        count = self.reader.integer(item, path, 1, MAX_PARTITIONS)
        if count and count > 1:
            found.setdefault("partition", Partition(count))

    def _partition(self, item: Value, path: str, found: dict[str, Any]) -> None:
        reader = self.reader
        shape = STEP_CONFIG.field("partition").shape
        assert shape is not None  # noqa: S101 - it has one
        fields = reader.fields(item, shape, path)
        if "count" not in fields:
            return
        count = reader.integer(fields["count"], path, 1, MAX_PARTITIONS)
        if count and count > 1:
            found["partition"] = Partition(count)

    def _streams(self, item: Value, path: str, found: dict[str, Any]) -> None:
        found["streams"] = tuple(
            text
            for text in self.reader.texts(item, path)
            if self._is_stream(text, item, path)
        )

    def _stream(self, item: Value, path: str, found: dict[str, Any]) -> None:
        text = self.reader.text(item, path)
        if text is not None and self._is_stream(text, item, path):
            found["stream"] = text

    def _models(self, item: Value, path: str, found: dict[str, Any]) -> None:
        models = self.reader.identifiers(item, path)
        found["models"] = (*found.get("models", ()), *models)

    def _is_stream(self, text: str, item: Value, path: str) -> bool:
        if _STREAM.match(text):
            return True
        self.reader.error(
            item.mark,
            f'"{text[:60]}" cannot be the name of a stream',
            "use letters, digits, `_`, `-` and `.`",
            path,
        )
        return False

    def _query(
        self,
        step: Step,
        plugin: Plugin,
        item: Value,
        settings: dict[str, Plain],
        found: Mapping[str, Any],
        path: str,
    ) -> None:
        """One query becomes a list of one, its stream named like the step.

        The keys that stand beside it are the query's.
        """
        if "queries" not in plugin.settings:
            self.reader.error(
                item.mark,
                f"{plugin.name} reads no queries",
                "remove `query`",
                f"{path}.query",
            )
            return
        sql = self.reader.text(item, f"{path}.query")
        if sql is not None:
            others = settings.get("queries")
            query: dict[str, Plain] = {"name": step.name.replace("-", "_"), "sql": sql}
            if "key_properties" in settings:
                query["key_properties"] = settings.pop("key_properties")
            if found.get("replication_key"):
                query["replication_key"] = found["replication_key"]
            settings["queries"] = [
                *(others if isinstance(others, list) else []),
                query,
            ]

    def _connection(self, item: Value, plugin: Plugin, path: str) -> str | None:
        reader = self.reader
        name = reader.name(item, path)
        if name is None:
            return None
        connection = self.connections.get(name)
        if connection is None:
            reader.error(
                item.mark,
                f'no connection is called "{name}"',
                suggest(
                    name,
                    self.connections,
                    f"add connections.{name} with `system: {plugin.system}`",
                ),
                path,
            )
            return None
        if connection.system == plugin.system:
            return name
        fitting = sorted(
            c.name for c in self.connections.values() if c.system == plugin.system
        )
        reader.error(
            item.mark,
            f'{plugin.name} cannot use connection "{name}", which is '
            f"{connection.system}",
            f"use a connection to {plugin.system}"
            + (f": {', '.join(fitting)}" if fitting else ""),
            path,
        )
        return None


def _fold(found: dict[str, Any]) -> None:
    """Spell streams and keys as the tap does: `SALES-ORDERS` is `sales-orders`."""
    for key in ("streams", "select"):
        if key in found:
            found[key] = tuple(
                ".".join(map(_folded, name.split("."))) for name in found[key]
            )
    if found.get("replication_key"):
        found["replication_key"] = _folded(found["replication_key"])


def _folded(name: str) -> str:
    """Lower case, unless its case carries meaning."""
    return name.lower() if name == name.upper() else name

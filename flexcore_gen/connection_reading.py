"""Reads connections: which system, and the settings of its tap and target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flexcore_gen.errors import suggest
from flexcore_gen.known_plugins import CONNECTION_HINTS
from flexcore_gen.loading import Value
from flexcore_gen.model import Connection
from flexcore_gen.reading import SECRET_STORE
from flexcore_gen.shapes import CONNECTION
from flexcore_gen.stamping import stamp, substitute

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flexcore_gen.errors import Mark
    from flexcore_gen.known_plugins import KnownPlugins, PluginSetting
    from flexcore_gen.loading import Plain
    from flexcore_gen.reading import Reader

#: A plugin `<tap>--warehouse` may stand for the warehouse itself.
_RESERVED = "warehouse"


def read_connections(
    value: Value | None, plugins: KnownPlugins, reader: Reader
) -> dict[str, Connection]:
    """The connections of a `connections:` mapping, by name."""
    found: dict[str, Connection] = {}
    if value is None:
        return found
    for key, item in (reader.mapping(value, "connections") or {}).items():
        mark = value.key_marks.get(key, item.mark)
        path = f"connections.{key}"
        for name_value, entry in _stamped(Value(key, mark, key), item, reader, path):
            name = reader.name(name_value, path)
            if name is None:
                continue
            if name in found or name == _RESERVED:
                reader.error(
                    mark,
                    f'a second connection is called "{name}"'
                    if name in found
                    else f'a connection cannot be called "{name}"',
                    "choose another name",
                    path,
                )
            elif connection := _connection(name, entry, mark, plugins, reader):
                found[name] = connection
    return found


def _stamped(
    key: Value, item: Value, reader: Reader, path: str
) -> Iterator[tuple[Value, Value]]:
    """Name and entry of a connection, or of each that its `foreach` makes."""
    if not isinstance(item.data, dict) or "foreach" not in item.data:
        yield key, item
        return
    entries = {k: v for k, v in item.data.items() if k != "foreach"}
    rest = Value(entries, item.mark, "", item.key_marks)
    for names in stamp(item.data["foreach"], reader, f"{path}.foreach"):
        yield (
            substitute(key, names, reader, path),
            substitute(rest, names, reader, path),
        )


def _connection(
    name: str, value: Value, mark: Mark, plugins: KnownPlugins, reader: Reader
) -> Connection | None:
    path = f"connections.{name}"
    entries = reader.fields(value, CONNECTION, path)
    if "system" not in entries:
        return None
    system = reader.choice(entries["system"], plugins.systems, f"{path}.system")
    if system is None:
        return None
    known = _settings(system, plugins)
    settings: dict[str, Plain] = {}
    secrets: dict[str, str] = {}
    for key, item in entries.items():
        if (
            key in CONNECTION.names
            or key in CONNECTION_HINTS.get(system, frozenset()) - known.keys()
        ):
            continue
        where = f"{path}.{key}"
        key_mark = value.key_marks.get(key, item.mark)
        setting = known.get(key)
        if setting is None:
            reader.error(
                key_mark,
                f'unknown key "{key}" in a connection to {system}',
                suggest(key, known, f"`flexcore-gen list plugins {system}` shows all"),
                where,
            )
            continue
        if setting.name in settings:
            reader.error(
                key_mark,
                f'"{key}" and another key both mean "{setting.name}"',
                "keep one of the two",
                where,
            )
            continue
        plain = reader.setting(setting, item, where)
        if (
            setting.is_sensitive
            and isinstance(plain, str)
            and SECRET_STORE.match(plain)
        ):
            variable = f"{name}_{setting.name}".upper().replace("-", "_")
            secrets[variable] = plain
            plain = f"${{{variable}}}"
        if plain is not None:
            settings[setting.name] = plain
    return Connection(name, system, settings, mark, secrets)


def _settings(system: str, plugins: KnownPlugins) -> dict[str, PluginSetting]:
    """The settings of a system's tap and target, by name and by alias."""
    found: dict[str, PluginSetting] = {}
    for plugin in plugins.of_system(system):
        for setting in plugin.settings.values():
            found.setdefault(setting.name, setting)
    for setting in list(found.values()):
        for alias in setting.aliases:
            found.setdefault(alias, setting)
    return found

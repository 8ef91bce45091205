"""The plugins that a pipeline can name, read from their definition files.

Ours come from `plugins/flext-*/flext-*.meltano.yml`, a project's own from its
`plugins/*/*.meltano.yml` (`flexcore-gen new plugin` makes one). Both are Meltano
plugin definitions; nothing is imported from the plugins. Transforms are the dbt
packages, one per system.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import yaml

from flexcore_gen.errors import FlexCoreError, InvalidEcosystemError, Mark, Problem
from flexcore_gen.loading import load_file
from flexcore_gen.resources import definition_files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SENSITIVE_KINDS = {"password", "oauth"}
_OWN_NAME = re.compile(r"(?P<kind>tap|target)-(?P<system>[a-z0-9]+(-[a-z0-9]+)*)\Z")

TAP, TARGET, TRANSFORM = "tap", "target", "transform"
WAREHOUSE_TAP, WAREHOUSE_TARGET = "flext-tap-warehouse", "flext-target-warehouse"

#: Systems with a dbt package: its folder below transform/packages.
TRANSFORM_SYSTEMS = ("ldap", "ldif", "oracle", "oracle-wms")

#: Keys of a connection that describe it without being a plugin's setting.
CONNECTION_HINTS = {
    "oracle": frozenset({"pool_size"}),
    "ldap": frozenset(),
    "ldif": frozenset(),
    "oracle-oic": frozenset(),
    "oracle-wms": frozenset(),
}

#: Streams of taps whose streams never change, where a definition names none.
_FIXED_STREAMS = {
    "flext-tap-ldif": ("ldif_entries", "ldif_changes"),
    "flext-tap-ldap": ("users", "groups", "organizational_units"),
}


@dataclass(frozen=True, slots=True)
class PluginSetting:
    """One setting of a tap or target."""

    name: str
    kind: str
    label: str
    description: str
    is_sensitive: bool
    aliases: tuple[str, ...]
    options: tuple[str, ...]
    words: Mapping[str, str] = field(default_factory=dict)
    """Other tools' words for an option, in lower case: what they mean here."""
    text_key: str | None = None
    """Of a mapping: the key under which a text alone is meant."""

    @property
    def is_path(self) -> bool:
        """Whether a relative value counts from the project's root."""
        return (
            self.kind == "file"
            or self.name == "path"
            or self.name.endswith(("_path", "_file", "_location", "_dir"))
        )


@dataclass(frozen=True, slots=True)
class Plugin:
    """A tap, target or transform.

    `definition` is the Meltano definition as it goes into meltano.yml, empty
    for transforms. `streams` are the stream names that do not depend on the
    source, empty where the source decides.
    """

    name: str
    kind: str
    system: str
    label: str
    description: str
    settings: dict[str, PluginSetting]
    streams: tuple[str, ...]
    required: tuple[tuple[str, ...], ...]
    definition: dict[str, Any]
    pip_url: str = ""
    """What `install: isolated` installs it from."""

    upserts_by_key: bool = False
    """Whether a target merges rows by key unless its load_method says otherwise."""
    folds_case: bool = False
    """Whether a tap's streams and columns are lower case where all of it is upper."""

    @property
    def writes_files(self) -> bool:
        """Whether two runs side by side would overwrite each other's output."""
        return self.kind == TARGET and self.system == "ldif"

    def canonical(self, key: str) -> str | None:
        """The setting that `key` names, directly or as an alias."""
        if key in self.settings:
            return key
        for setting in self.settings.values():
            if key in setting.aliases:
                return setting.name
        return None


class KnownPlugins:
    """All plugins by name, with the questions the planner asks about them."""

    def __init__(self, plugins: list[Plugin]) -> None:
        self._by_name = {plugin.name: plugin for plugin in plugins}

    def __contains__(self, name: object) -> bool:
        """Whether a plugin has this name."""
        return name in self._by_name

    def __getitem__(self, name: str) -> Plugin:
        """The plugin of this name."""
        return self._by_name[name]

    def get(self, name: str) -> Plugin | None:
        """The plugin of this name, or None."""
        return self._by_name.get(name)

    @property
    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted(self._by_name))

    @property
    def services(self) -> tuple[str, ...]:
        """What a step's `service` may name: all but the warehouse's own two."""
        return tuple(
            name for name in self.names if self._by_name[name].system != "warehouse"
        )

    @property
    def systems(self) -> tuple[str, ...]:
        """The systems a connection may have, sorted."""
        return tuple(sorted({p.system for p in self._by_name.values()} - {"warehouse"}))

    def of_system(self, system: str) -> tuple[Plugin, ...]:
        """Tap and target of a system."""
        return tuple(
            plugin
            for plugin in self._by_name.values()
            if plugin.system == system and plugin.kind != TRANSFORM
        )


@cache
def known_plugins(root: Path | None = None) -> KnownPlugins:
    """Reads every definition file that we ship, and the project's own.

    Args:
        root: The project's folder; None for what we ship alone.

    Raises:
        InvalidEcosystemError: A definition file of the project is not usable.
    """
    plugins: list[Plugin] = []
    for path in definition_files():
        for raw, kind in _definitions(_document(path)):
            system = raw["name"].split("-", 2)[2]
            plugins.append(_plugin(raw, kind, system, f"flext-{system}"))
    if not plugins:
        raise FlexCoreError(
            "no plugin definitions were found",
            fix="install the package again: `uv pip install --reinstall flexcore`",
        )
    shipped = {plugin.name for plugin in plugins}
    plugins += [_transform(system) for system in TRANSFORM_SYSTEMS]
    if root is not None:
        plugins += _own_plugins(root, shipped)
    return KnownPlugins(plugins)


def _document(path: Path) -> Any:  # noqa: ANN401 - YAML of any shape
    text = path.read_text(encoding="utf-8")
    return yaml.load(text, Loader=_LOADER)  # noqa: S506 - a safe loader


def _definitions(document: Any) -> list[tuple[dict[str, Any], str]]:  # noqa: ANN401 - YAML
    """The taps and targets of a definition file, each with its kind."""
    sections = document["plugins"]
    return [
        (raw, kind)
        for section, kind in (("extractors", TAP), ("loaders", TARGET))
        for raw in sections.get(section) or ()
    ]


def _own_plugins(root: Path, shipped: set[str]) -> list[Plugin]:
    """The plugins that the project defines; what we ship counts as shipped."""
    found: dict[str, Plugin] = {}
    problems: list[Problem] = []
    for path in sorted((root / "plugins").glob("*/*.meltano.yml")):
        shown = path.relative_to(root).as_posix()
        try:
            definitions = _definitions(_document(path))
            if all(raw["name"] in shipped for raw, _ in definitions):
                continue
            if load_file(path, shown, problems) is None:
                continue
            for raw, kind in definitions:
                plugin = _own_plugin(raw, kind, path.parent.name)
                _add(found, plugin)
        except (
            yaml.YAMLError,
            LookupError,
            TypeError,
            ValueError,
            AttributeError,
        ) as error:
            problems.append(
                Problem(
                    Mark(shown, 1, 1),
                    f"this is not a plugin definition: {error}",
                    "write it as `flexcore-gen new plugin` does",
                )
            )
    if problems:
        raise InvalidEcosystemError(problems)
    return list(found.values())


def _add(found: dict[str, Plugin], plugin: Plugin) -> None:
    if plugin.name in found:
        raise ValueError(f'a second plugin is called "{plugin.name}"')
    found[plugin.name] = plugin


def _own_plugin(raw: dict[str, Any], kind: str, folder: str) -> Plugin:
    match = _OWN_NAME.match(raw["name"])
    if match is None or match["kind"] != kind:
        raise ValueError(f'"{raw["name"]}" should be {kind}-<name>, in lower case')
    for setting in raw.get("settings", ()):
        if not isinstance(setting.get("name"), str):
            raise TypeError(f'a setting of "{raw["name"]}" has no name')
    return _plugin(
        raw, kind, match["system"], raw.get("pip_url", f"-e plugins/{folder}")
    )


def dbt_package(system: str) -> str:
    """The dbt name of a system's package."""
    return f"flext_dbt_{system.replace('-', '_')}"


def _plugin(raw: dict[str, Any], kind: str, system: str, pip_url: str) -> Plugin:
    name = raw["name"]
    notes = raw.get("annotations", {}).get("flexcore", {})
    settings = {
        item["name"]: PluginSetting(
            name=item["name"],
            kind=item.get("kind", "string"),
            label=item.get("label", ""),
            description=" ".join(item.get("description", "").split()),
            is_sensitive=bool(item.get("sensitive"))
            or item.get("kind") in _SENSITIVE_KINDS,
            aliases=tuple(item.get("aliases", ())),
            options=tuple(str(option["value"]) for option in item.get("options", ())),
            words=notes.get("words", {}).get(item["name"], {}),
            text_key=notes.get("text_keys", {}).get(item["name"]),
        )
        for item in raw.get("settings", ())
    }
    return Plugin(
        name=name,
        kind=kind,
        system=system,
        label=raw.get("label", name),
        description=" ".join(raw.get("description", "").split()),
        settings=settings,
        streams=tuple(notes.get("streams", _FIXED_STREAMS.get(name, ()))),
        required=tuple(tuple(g) for g in raw.get("settings_group_validation", ())),
        definition=raw,
        pip_url=pip_url,
        upserts_by_key=bool(notes.get("upserts_by_key")),
        folds_case=bool(notes.get("folds_case")),
    )


def _transform(system: str) -> Plugin:
    return Plugin(
        name=f"flext-dbt-{system}",
        kind=TRANSFORM,
        system=system,
        label=f"dbt package {dbt_package(system)}",
        description=f"Builds dbt models on what flext-tap-{system} landed.",
        settings={},
        streams=(),
        required=(),
        definition={},
    )

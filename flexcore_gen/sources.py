"""Finds and loads the files that make up an ecosystem.

A folder (or its ecosystem.yaml) gives the whole: ecosystem.yaml, every
pipelines/*.yaml|yml|json and config/*.yaml|yml. Any other file is taken as a
part of an ecosystem and gets an assumed one around it, so that a single
pipeline or connection file can be validated as it stands.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flexcore_gen.errors import FlexCoreError, Mark, Problem
from flexcore_gen.loading import Value, load_file
from flexcore_gen.seed_forms import normalise

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAIN_NAMES = ("ecosystem.yaml", "ecosystem.yml")
_SUFFIXES = {".yaml", ".yml", ".json"}


@dataclass(slots=True)
class Sources:
    """Loaded and normalised documents.

    `pipelines` are documents of one pipeline each with the path that messages
    use; `overlays` are by environment.
    """

    root: Path
    main: Value
    main_file: str
    pipelines: list[tuple[Value, str]] = field(default_factory=list)
    overlays: dict[str, Value] = field(default_factory=dict)


def find_root(start: Path) -> Path | None:
    """The folder at or above `start` that holds an ecosystem.yaml."""
    for folder in (start, *start.parents):
        if any((folder / name).is_file() for name in MAIN_NAMES):
            return folder
    return None


def load_sources(path: Path, problems: list[Problem]) -> Sources | None:
    """Loads an ecosystem or a part of one; None if its main file is unusable.

    Raises:
        FlexCoreError: There is nothing at `path`.
    """
    path = path.absolute()
    if path.is_dir():
        for name in MAIN_NAMES:
            if (path / name).is_file():
                return _load_whole(path, path / name, problems)
        raise FlexCoreError(
            f"there is no ecosystem.yaml in {_shown(path)}",
            fix="name a folder that has one, or make one with `flexcore-gen init`",
        )
    if path.name in MAIN_NAMES:
        return _load_whole(path.parent, path, problems)
    if path.parent.name in {"pipelines", "config"}:
        root = path.parent.parent
        for name in MAIN_NAMES:
            if (root / name).is_file():
                return _load_whole(root, root / name, problems)
    return _load_part(path, problems)


def merge(base: Value | None, overlay: Value) -> Value:
    """The overlay over the base: mappings by key, anything else replaced."""
    if (
        base is None
        or not isinstance(base.data, dict)
        or not isinstance(overlay.data, dict)
    ):
        return overlay
    entries = dict(base.data)
    marks = dict(base.key_marks)
    for key, item in overlay.data.items():
        entries[key] = merge(entries.get(key), item)
        marks[key] = overlay.key_marks.get(key, item.mark)
    return Value(entries, overlay.mark, "", marks)


def _load_whole(root: Path, main: Path, problems: list[Problem]) -> Sources | None:
    shown = _shown(main)
    value = load_file(main, shown, problems)
    sources = Sources(root, Value({}, Mark(shown, 1, 1)), shown)
    if value is not None:
        part = normalise(value, main, problems)
        sources.main = part.main
        sources.pipelines += part.pipelines
    for path in _files(root / "pipelines"):
        document = load_file(path, _shown(path), problems)
        if document is None:
            continue
        part = normalise(document, path, problems)
        sources.pipelines += part.pipelines
        if isinstance(part.main.data, dict) and part.main.data:
            _misplaced(part.main, "a pipeline", problems)
    for path in _files(root / "config"):
        document = load_file(path, _shown(path), problems)
        if document is None:
            continue
        if path.stem in sources.overlays:
            problems.append(
                Problem(
                    document.mark,
                    f'environment "{path.stem}" has a second file',
                    "keep one of them",
                )
            )
        sources.overlays[path.stem] = normalise(document, path, problems).main
    return sources if value is not None else None


def _load_part(path: Path, problems: list[Problem]) -> Sources | None:
    shown = _shown(path)
    value = load_file(path, shown, problems)
    if value is None:
        return None
    part = normalise(value, path, problems)
    main = part.main
    entries = dict(main.data) if isinstance(main.data, dict) else {}
    mark = main.mark
    if "project" not in entries:
        name = re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-")[:40].strip("-")
        entries["version"] = Value(1, mark, "1")
        entries["project"] = Value(name or "part", mark, name or "part")
        _assume_connections(entries, part.pipelines, mark, problems)
        if environment := part.environment:
            entries["environments"] = Value(
                [Value(environment, mark, environment)], mark
            )
    return Sources(
        path.parent,
        Value(entries, mark, "", main.key_marks),
        shown,
        part.pipelines,
    )


def _assume_connections(
    entries: dict[str, Value],
    pipelines: list[tuple[Value, str]],
    mark: Mark,
    problems: list[Problem],
) -> None:
    """Stands in for connections that a single pipeline file only names."""
    known = entries.get("connections", Value({}, mark))
    connections = dict(known.data) if isinstance(known.data, dict) else {}
    for name, system in _named_connections(pipelines):
        text = name.text
        if text in connections or "{{" in text:
            continue
        problems.append(
            Problem(
                name.mark,
                f'connection "{text}" is assumed to be a connection to {system}; '
                "this file does not say how to reach it",
                f"define it in ecosystem.yaml: connections.{text}",
                severity="note",
            )
        )
        connections[text] = _assumed(text, system, name.mark)
    entries["connections"] = Value(connections, mark)


def _assumed(name: str, system: str, mark: Mark) -> Value:
    """A connection whose settings all come from named variables."""
    variable = name.upper().replace("-", "_")
    keys = {
        "oracle": ("host", "service_name", "username", "password"),
        "ldap": ("url", "bind_dn", "password"),
        "ldif": ("path", "output_path"),
        "oracle-oic": (
            "base_url",
            "oauth_client_id",
            "oauth_client_secret",
            "oauth_token_url",
        ),
        "oracle-wms": ("base_url", "username", "password"),
    }.get(system, ())
    entries = {"system": Value(system, mark, system)}
    for key in keys:
        text = f"${{{variable}_{key.upper()}}}"
        entries[key] = Value(text, mark, text)
    return Value(entries, mark)


def _named_connections(
    pipelines: list[tuple[Value, str]],
) -> Iterator[tuple[Value, str]]:
    for pipeline, _ in pipelines:
        steps = pipeline.data.get("steps") if isinstance(pipeline.data, dict) else None
        for step in steps.data if steps and isinstance(steps.data, list) else ():
            if not isinstance(step.data, dict):
                continue
            service, config = step.data.get("service"), step.data.get("config")
            if not service or not config or not isinstance(config.data, dict):
                continue
            connection = config.data.get("connection")
            found = re.fullmatch(r"flext-(?:tap|target)-([a-z-]+)", service.text)
            if connection and isinstance(connection.data, str) and found:
                yield connection, found[1]


def _misplaced(main: Value, wanted: str, problems: list[Problem]) -> None:
    for key, mark in main.key_marks.items():
        problems.append(
            Problem(
                mark,
                f'"{key}" stands in a file of pipelines/',
                f"keep {wanted} here and move the rest to ecosystem.yaml",
            )
        )


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix in _SUFFIXES
        and not path.name.startswith(".")
        # A link to nowhere is read, and told: a pipeline must not vanish in silence.
        and (path.is_file() or (path.is_symlink() and not path.exists()))
    )


def _shown(path: Path) -> str:
    """The path as the user would type it: relative while that is shorter."""
    relative = os.path.relpath(path)
    return relative if not relative.startswith("..") else str(path)

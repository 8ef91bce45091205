"""What changed in the schema of a stream since the last run that moved it.

Read from the catalog that Meltano hands to the tap; what was there last time is kept
in `.flexcore/schemas/<plugin>.json`. A stream that comes or goes is not reported:
that is a matter of selection, not of its schema.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_CATALOG_MAX_BYTES = 32 * 1024 * 1024
_KEY = "(key)"
"""Stands for the stream's key among its columns; no column is named so."""

_REQUIRED = " not null"

Schemas = dict[str, dict[str, str]]
"""Stream to column to type."""


def read_catalog(path: Path) -> Schemas:
    """Return the columns of a catalog's selected streams; `{}` if there is none."""
    try:
        if path.stat().st_size > _CATALOG_MAX_BYTES:
            return {}
        streams = json.loads(path.read_bytes())["streams"]
        return {
            stream["tap_stream_id"]: _columns(stream)
            for stream in streams
            if _is_selected(stream)
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def compare(before: Schemas, now: Schemas) -> list[dict[str, Any]]:
    """Return, per changed stream: stream, added, removed, changed, key."""
    changes = []
    for stream, columns in now.items():
        old = before.get(stream)
        if old is None or old == columns:
            continue
        names = {*old, *columns} - {_KEY}
        change: dict[str, Any] = {
            "stream": stream,
            "added": sorted(name for name in names if name not in old),
            "removed": sorted(name for name in names if name not in columns),
            "changed": {
                name: {"from": old[name], "to": columns[name]}
                for name in sorted(names & old.keys() & columns.keys())
                if old[name] != columns[name]
            },
        }
        if old.get(_KEY) != columns.get(_KEY):
            change["key"] = {"from": old.get(_KEY), "to": columns.get(_KEY)}
        changes.append(change)
    return changes


def changes_since_last_time(directory: Path, plugin: str, now: Schemas) -> list[Any]:
    """Compare with what the plugin's last run saw, and remember what this one did.

    Args:
        directory: The project's `.flexcore`.
        plugin: Name of the extractor.
        now: What `read_catalog` returned.
    """
    path = _kept(directory, plugin)
    before: Schemas = {}
    with contextlib.suppress(OSError, ValueError):
        before = json.loads(path.read_bytes())
    if not now or now == before:
        return []
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps({**before, **now}, sort_keys=True, indent=1))
        draft.replace(path)
    return compare(before, now)


def last_seen(directory: Path, plugin: str) -> Schemas:
    """Return the columns that a plugin's last run saw, and their types.

    Args:
        directory: The project's `.flexcore`.
        plugin: Name of the extractor.
    """
    with contextlib.suppress(OSError, ValueError, AttributeError):
        kept: Schemas = json.loads(_kept(directory, plugin).read_bytes())
        return {
            stream: {
                column: kind.removesuffix(_REQUIRED)
                for column, kind in columns.items()
                if column != _KEY
            }
            for stream, columns in kept.items()
        }
    return {}


def _kept(directory: Path, plugin: str) -> Path:
    return directory / "schemas" / f"{plugin}.json"


def _columns(stream: dict[str, Any]) -> dict[str, str]:
    properties = stream["schema"].get("properties") or {}
    columns = {name: _type(schema) for name, schema in properties.items()}
    if stream.get("key_properties"):
        columns[_KEY] = ", ".join(stream["key_properties"])
    return columns


def _type(schema: dict[str, Any]) -> str:
    kinds = schema.get("type")
    if kinds is None and "anyOf" in schema:
        return " or ".join(sorted({_type(each) for each in schema["anyOf"]}))
    names = [kinds] if isinstance(kinds, str) else list(kinds or ["any"])
    text = " or ".join(sorted(str(name) for name in names if name != "null"))
    if schema.get("format"):
        text += f" ({schema['format']})"
    if schema.get("maxLength"):
        text += f" up to {schema['maxLength']}"
    return text + ("" if "null" in names else _REQUIRED)


def _is_selected(stream: dict[str, Any]) -> bool:
    for entry in stream.get("metadata") or []:
        if not entry.get("breadcrumb"):
            metadata = entry.get("metadata") or {}
            return bool(metadata.get("selected", stream.get("selected", True)))
    return True

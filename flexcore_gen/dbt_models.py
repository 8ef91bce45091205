"""Plans sources and staging models from a Singer catalog of flext-tap-oracle.

One `_<schema>__sources.yml` per Oracle schema, one `stg_<schema>__<table>` per
stream. Names and comments come from somebody's dictionary: they reach SQL only as
quoted names inside string literals of Jinja, and YAML only as dumped data, so
nothing in them is ever read as code.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from flexcore_gen.errors import FlexCoreError
from flexcore_gen.plan import STARTER, PlannedFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_PACKAGE = "flext_dbt_oracle"
_QUERIES = "queries"  # stands for the schema of streams that are queries
_OURS = ("extracted_at", "deleted_at", "recency")
_MAX_DIGITS = 38
_INT64 = 2**63
_LONGEST_NAME = 60  # Postgres takes 63 bytes; a number may still be added
_DECLARED = re.compile(r"NUMBER\((\d+)(?:,(\d+))?\)")
_STRANGE = re.compile(r"[^A-Z0-9_$#]")  # what flext-target-oracle makes underscores of
_JINJA = re.compile(r"\{(?=[{%#])")


@dataclass(frozen=True, slots=True)
class StagedColumn:
    """A column of a staging model: its name, and the Jinja that makes its value."""

    name: str
    expression: str
    description: str


@dataclass(frozen=True, slots=True)
class StagedStream:
    """A stream with what its staging model needs."""

    stream: str
    schema: str
    model: str
    description: str
    columns: tuple[StagedColumn, ...]
    keys: tuple[str, ...]


def plan_models(path: Path, schema: str | None = None) -> tuple[PlannedFile, ...]:
    """The files for a catalog, by path.

    Args:
        path: Catalog as `flext-tap-oracle --discover` prints it.
        schema: Warehouse schema of the landed tables; None reads the variable
            `oracle_schema`.

    Raises:
        FlexCoreError: It is no catalog, or nothing in it is selected.
    """
    streams = read_catalog(path)
    files = []
    for source in sorted({stream.schema for stream in streams}):
        tables = [stream for stream in streams if stream.schema == source]
        files.append(
            PlannedFile(
                f"_{source}__sources.yml",
                owner=STARTER,
                data=_sources(source, tables, schema),
            )
        )
    for stream in streams:
        files += [
            PlannedFile(
                f"{stream.model}.sql",
                owner=STARTER,
                template="dbt_models/staging.sql.jinja",
                context={
                    "catalog": name_part(path.stem),
                    "source": stream.schema,
                    "table": _literal(stream.stream),
                    "columns": stream.columns,
                    "keys": stream.keys,
                },
            ),
            PlannedFile(f"{stream.model}.yml", owner=STARTER, data=_properties(stream)),
        ]
    return tuple(sorted(files, key=lambda file: file.path))


def read_catalog(path: Path) -> tuple[StagedStream, ...]:
    """The selected streams of a catalog, by name.

    Raises:
        FlexCoreError: It is no catalog, or nothing in it is selected.
    """
    fix = "make it with `flext-tap-oracle --config … --discover > catalog.json`"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FlexCoreError(f"cannot read {path}: {error.strerror}", fix=fix) from error
    except ValueError as error:
        raise FlexCoreError(
            f"{path} is not JSON: {error}", where=str(path), fix=fix
        ) from error
    try:
        entries = sorted(document["streams"], key=lambda e: str(e["tap_stream_id"]))
        models: set[str] = set()
        streams = tuple(
            _stream(entry, models) for entry in entries if _is_selected(entry)
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise FlexCoreError(
            f"{path} is no Singer catalog: {error}", where=str(path), fix=fix
        ) from error
    if not streams:
        raise FlexCoreError(
            f"{path} selects no stream",
            where=str(path),
            fix="discover with filters that let a table through, or select one",
        )
    return streams


def _metadata(entry: Mapping[str, Any]) -> dict[tuple[str, ...], Mapping[str, Any]]:
    return {
        tuple(item["breadcrumb"]): item["metadata"]
        for item in entry.get("metadata", ())
    }


def _is_selected(entry: Mapping[str, Any]) -> bool:
    return _metadata(entry).get((), {}).get("selected") is not False


def _stream(entry: Mapping[str, Any], models: set[str]) -> StagedStream:
    name = str(entry.get("stream") or entry["tap_stream_id"])
    metadata = _metadata(entry)
    root = metadata.get((), {})
    place = root.get("schema-name")
    schema = name_part(str(place)) if place else _QUERIES
    # The tap writes a stream as schema-table, both in lower case where it can.
    first, dash, rest = name.partition("-")
    table = rest if place and dash and first.lower() == place.lower() else name
    keys = entry.get("key_properties") or root.get("table-key-properties") or ()
    names = set(_OURS)
    columns: dict[str, StagedColumn] = {}
    for column, kind in entry["schema"]["properties"].items():
        about = metadata.get(("properties", column), {})
        is_left_out = about.get("selected") is False and column not in keys
        if is_left_out or about.get("inclusion") == "unsupported":
            continue
        columns[column] = StagedColumn(
            _unused(name_part(column), names),
            _expression(column, kind),
            _plain(kind.get("description", "")),
        )
    return StagedStream(
        stream=name,
        schema=schema,
        model=_unused(_fitting(f"stg_{schema}__{name_part(table)}"), models),
        description=_plain(entry["schema"].get("description", "")),
        columns=tuple(columns.values()),
        keys=tuple(columns[key].name for key in keys),
    )


def name_part(name: str) -> str:
    """A name in lower case with underscores, as models and columns are called."""
    clean = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "unnamed"
    return f"n_{clean}" if clean[0].isdigit() else clean


def _fitting(model: str) -> str:
    """The name, or cut and with a hash where Postgres would find it too long."""
    if len(model) <= _LONGEST_NAME:
        return model
    return f"{model[: _LONGEST_NAME - 9]}_{sha256(model.encode()).hexdigest()[:8]}"


def _unused(name: str, taken: set[str]) -> str:
    """The name, or with a number where it is taken already; takes it."""
    candidate, number = name, 2
    while candidate in taken:
        candidate, number = f"{name}_{number}", number + 1
    taken.add(candidate)
    return candidate


def _expression(column: str, kind: Mapping[str, Any]) -> str:
    """The call of the package's macros that casts a landed column."""
    landed = f"{_PACKAGE}.landed_name({_literal(column)})"
    macro, digits = _cast(kind)
    if not macro:
        return landed
    return f"{_PACKAGE}.{macro}({', '.join([landed, *map(str, digits)])})"


def _cast(kind: Mapping[str, Any]) -> tuple[str, tuple[int, ...]]:
    """Macro and digits for a property; no macro where a cast could lose something."""
    declared = kind.get("type", ())
    types = {declared} if isinstance(declared, str) else set(declared)
    types.discard("null")
    if types == {"integer"}:
        bounds = (abs(kind.get(name, 0)) for name in ("minimum", "maximum"))
        is_wide = any(bound >= _INT64 for bound in bounds)
        return ("as_decimal", (_MAX_DIGITS, 0)) if is_wide else ("as_count", ())
    if types == {"number"}:
        found = _DECLARED.fullmatch(kind.get("x-sql-datatype", ""))
        precision, scale = (int(found[1]), int(found[2] or 0)) if found else (0, 0)
        is_exact = 0 < precision <= _MAX_DIGITS and scale <= precision
        return ("as_decimal", (precision, scale)) if is_exact else ("", ())
    if types == {"string"}:
        return ("as_time" if kind.get("format") == "date-time" else "as_text"), ()
    macros = {
        ("boolean",): "as_flag",
        ("number", "string"): "as_double",  # NaN and the infinities travel as text
    }
    return macros.get(tuple(sorted(types)), "as_json"), ()


def _sources(
    name: str, streams: Iterable[StagedStream], schema: str | None
) -> dict[str, Any]:
    is_query = name == _QUERIES
    source = {
        "name": name,
        "description": "What flext-tap-oracle lands from "
        + ("queries." if is_query else f"the Oracle schema {name}."),
        "database": "{{ var('oracle_database', target.database) }}",
        "schema": schema or "{{ var('oracle_schema', 'raw_oracle') }}",
        "loader": "flext-tap-oracle",
        "config": {"loaded_at_field": "_sdc_extracted_at"},
        "tables": [
            _described(s.stream, s.description) | _identifier(s.stream) for s in streams
        ],
    }
    return {"version": 2, "sources": [source]}


def _identifier(stream: str) -> dict[str, str]:
    """The landed table's name, where flext-target-oracle makes another than others."""
    in_oracle = _STRANGE.sub("_", stream.rpartition("-")[2].upper())
    if in_oracle == stream.upper():
        return {}
    others = f"{_literal(in_oracle)} if target.type == 'oracle' else {_literal(stream)}"
    return {"identifier": f"{{{{ {others} }}}}"}


def _properties(stream: StagedStream) -> dict[str, Any]:
    grain = (
        f"One row per {', '.join(stream.keys)}, as landed last."
        if stream.keys
        else "One row per landed row: the table has no key."
    )
    model: dict[str, Any] = {
        "name": stream.model,
        "description": f"{grain} {stream.description}".strip(),
    }
    if stream.keys:
        test = {"arguments": {"columns": list(stream.keys)}}
        model["data_tests"] = [{f"{_PACKAGE}.row_key": test}]
    model["columns"] = [_described(c.name, c.description) for c in stream.columns]
    model["columns"].append(_described("extracted_at", "When the tap read the row."))
    return {"version": 2, "models": [model]}


def _described(name: str, description: str) -> dict[str, str]:
    return {"name": name} | ({"description": description} if description else {})


def _plain(text: str) -> str:
    """A comment in one line, of which dbt reads nothing as Jinja."""
    return _JINJA.sub("{ ", " ".join(text.split()))


def _literal(text: str) -> str:
    """A text as a string literal of Jinja, which takes Python's escapes."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return "'" + escaped.replace("\r", "\\r").replace("\n", "\\n") + "'"


__all__ = ["StagedColumn", "StagedStream", "plan_models", "read_catalog"]

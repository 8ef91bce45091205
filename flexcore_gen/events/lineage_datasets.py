"""Names datasets as OpenLineage does: streams, files, warehouse tables, dbt models.

https://openlineage.io/docs/spec/naming: `postgres://host:port` with
`database.schema.table`, `oracle://host:port` with `service.schema.table`, `file` with
the path; DuckDB has no rule there: `duckdb://` and the path. A table that a target
loads, a dbt model reads and a tap reads back has one name, so the graph holds together.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flexcore_gen.events.lineage_facets import as_read, as_written, dataset

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DEFAULT_PORTS = {"postgres": 5432, "oracle": 1521}
_MANIFEST_MAX_BYTES = 64 * 1024 * 1024
_MAGIC = frozenset("*?[")
Columns = dict[str, str]
"""Column to type, of one stream."""


def stream_inputs(
    extracted: Mapping[str, Any], columns: Mapping[str, Columns], root: Path
) -> list[dict[str, Any]]:
    """Return what a step read, from its DataExtracted: tables, files or streams.

    Args:
        extracted: The event's data.
        columns: Of each stream, where they are known.
        root: The project's folder, which relative paths start from.
    """
    source = extracted.get("source") or {}
    streams = extracted.get("streams") or {}
    if files := source.get("files"):
        return _files_read(files, streams, columns, root)
    found = []
    for stream, numbers in streams.items():
        namespace, name = f"flexcore://{_plain(extracted.get('plugin'))}", stream
        if place := (source.get("tables") or {}).get(stream):
            address = {**source, "destination": source.get("address")}
            schema, table = place
            namespace, name = _table(address, schema, table, root)
        found.append(
            as_read(
                dataset(namespace, name, (columns.get(stream) or {}).items()),
                numbers.get("extracted"),
                numbers.get("bytes"),
            )
        )
    return found


def stream_outputs(
    loaded: Mapping[str, Any], columns: Mapping[str, Columns], root: Path
) -> list[dict[str, Any]]:
    """Return what a step wrote, from its TargetLoaded: a table or file per stream.

    Args:
        loaded: The event's data.
        columns: Of each stream, where they are known and arrive as they are.
        root: The project's folder, which relative paths start from.
    """
    found = []
    in_files = set()
    for file in loaded.get("files") or ():
        names = str(file["stream"]).split(", ")
        in_files.update(names)
        known = columns.get(names[0]) or {} if len(names) == 1 else {}
        name = _absolute(file["path"], root)
        written = file.get("records") if file.get("changed") else 0
        count = 1 if file.get("changed") else 0
        found.append(as_written(dataset("file", name, known.items()), written, count))
    for stream, numbers in (loaded.get("streams") or {}).items():
        if stream in in_files:
            continue
        namespace, name = f"flexcore://{_plain(loaded.get('plugin'))}", stream
        if loaded.get("schema") and loaded.get("destination"):
            # flext-target-oracle drops the schema that a stream's name begins with.
            table = stream.rpartition("-")[2] if loaded.get("database") else stream
            namespace, name = _table(loaded, str(loaded["schema"]), table, root)
        found.append(as_written(dataset(namespace, name), numbers.get("rows")))
    return found


def model_datasets(
    data: dict[str, Any], places: list[dict[str, Any]], run_id: str, root: Path
) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]]:
    """Yield each dbt model with its inputs and its output.

    Args:
        data: Of DataTransformationCompleted, or of a failed dbt step.
        places: TargetLoaded of the run: where its warehouse is, if dbt did not say.
        run_id: dbt's artifacts are read only if they are of this run.
        root: The project's folder, which relative paths start from.
    """
    manifest = _manifest(data, run_id)
    nodes = {**manifest.get("nodes", {}), **manifest.get("sources", {})}
    adapter = str((manifest.get("metadata") or {}).get("adapter_type") or "dbt")
    namespace = _warehouse(adapter, data, places, root)

    def name_of(node: dict[str, Any]) -> str:
        table = node.get("identifier") or node.get("alias") or node.get("name")
        database = None if adapter == "duckdb" else node.get("database")
        return _joined(namespace, database, node.get("schema"), table)

    for model in data.get("models") or ():
        node = nodes.get(model["unique_id"]) or {}
        above = (node.get("depends_on") or {}).get("nodes") or []
        inputs = [
            dataset(namespace, name_of(nodes[each])) for each in above if each in nodes
        ]
        own = namespace if node else "flexcore://dbt"
        name = name_of(node) if node else model["name"]
        columns = [
            (column["name"], column.get("data_type"))
            for column in (node.get("columns") or {}).values()
        ]
        output = dataset(own, name, columns)
        yield model, inputs, as_written(output, model.get("rows"))


def _files_read(
    files: list[str],
    streams: Mapping[str, Any],
    columns: Mapping[str, Columns],
    root: Path,
) -> list[dict[str, Any]]:
    """Return the files and folders that a tap reads; a glob is its folder."""
    names = dict.fromkeys(_absolute(_without_glob(each), root) for each in files)
    known = columns.get(next(iter(streams), ""), {}) if len(streams) == 1 else {}
    found = [dataset("file", name, known.items()) for name in names]
    if len(found) > 1:  # Nobody said which file gave how many.
        return found
    rows = [each.get("extracted") for each in streams.values()]
    total = sum(rows) if all(isinstance(each, int) for each in rows) else None
    return [as_read(each, total) for each in found]


def _without_glob(path: str) -> str:
    parts = Path(path).parts
    at = next((i for i, part in enumerate(parts) if _MAGIC & set(part)), len(parts))
    return str(Path(*parts[:at])) if at else "."


def _absolute(path: object, root: Path) -> str:
    # Not resolved: a link is the name that people know, and this looks at nothing.
    return os.path.normpath(root / Path(str(path)).expanduser())


def _table(
    place: Mapping[str, Any], schema: str, table: str, root: Path
) -> tuple[str, str]:
    namespace, database = _place(place, root)
    return namespace, _joined(namespace, database, schema, table)


def _joined(namespace: str, *parts: object) -> str:
    """Return a table's full name; in Oracle without regard to case, as Oracle does."""
    words = [str(part) for part in parts if part]
    if namespace.startswith("oracle:"):
        words = [word.upper() if word == word.lower() else word for word in words]
    return ".".join(words)


def _place(loaded: Mapping[str, Any], root: Path) -> tuple[str, str | None]:
    """Return namespace and database of a plugin's address."""
    text = str(loaded["destination"])
    nowhere = f"flexcore://{_plain(loaded.get('plugin'))}"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return nowhere, None
    if parts.scheme.startswith("duckdb"):
        # duckdb:///relative and duckdb:////absolute
        return _duckdb(parts.path.removeprefix("/"), root), None
    if parts.scheme.startswith("postgres"):
        namespace = f"postgres://{parts.hostname}:{port or _DEFAULT_PORTS['postgres']}"
        return namespace, parts.path.strip("/") or None
    if service := loaded.get("database"):
        port = loaded.get("port") or _DEFAULT_PORTS["oracle"]
        return f"oracle://{text}:{port}", str(service)
    return nowhere, None


def _warehouse(
    adapter: str, data: dict[str, Any], places: list[dict[str, Any]], root: Path
) -> str:
    """Return the namespace of dbt's tables: as its step said, else as the run's."""
    own = data.get("warehouse") or {}
    if own.get("host"):
        port = own.get("port") or _DEFAULT_PORTS.get(adapter, "")
        return f"{adapter}://{own['host']}:{port}"
    if own.get("path"):
        return _duckdb(own["path"], root)
    for each in places:
        if each.get("schema") and each.get("destination"):
            return _place(each, root)[0]
    return f"{adapter}://warehouse"


def _duckdb(path: str, root: Path) -> str:
    return f"duckdb://{_absolute(path, root)}"


def _manifest(data: dict[str, Any], run_id: str) -> dict[str, Any]:
    """Return dbt's manifest; `{}` when it is not there, or another run's."""
    path = Path(str(data.get("artifacts") or "")) / "manifest.json"
    try:
        if path.stat().st_size > _MANIFEST_MAX_BYTES:
            return {}
        found = json.loads(path.read_bytes())
        ours = (found["metadata"].get("env") or {}).get("FLEXCORE_RUN_ID")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return found if isinstance(found, dict) and ours in {None, run_id} else {}


def _plain(plugin: object) -> str:
    return str(plugin or "plugin").partition("--")[0]

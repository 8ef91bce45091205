"""Names datasets as OpenLineage does: streams, warehouse tables, dbt models.

https://openlineage.io/docs/spec/naming: `postgres://host:port` with
`database.schema.table`, `oracle://host:port` with `service.schema.table`; DuckDB has
no rule there: `duckdb://` and the path. A table that a target loads and a dbt model
reads has one name, so the graph holds together.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

_PRODUCER = "https://pypi.org/project/flexcore"
_SCHEMA_FACET = (
    "https://openlineage.io/spec/facets/1-2-0/SchemaDatasetFacet.json"
    "#/$defs/SchemaDatasetFacet"
)
_STATISTICS = (
    "https://openlineage.io/spec/facets/1-0-2/OutputStatisticsOutputDatasetFacet.json"
    "#/$defs/OutputStatisticsOutputDatasetFacet"
)
_DEFAULT_PORTS = {"postgres": 5432, "oracle": 1521}
_MANIFEST_MAX_BYTES = 64 * 1024 * 1024


def stream_inputs(extracted: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the streams that a step read, from its DataExtracted."""
    namespace = f"flexcore://{_plain(extracted.get('plugin') or 'tap')}"
    return [
        {"namespace": namespace, "name": stream, "facets": {}}
        for stream in extracted.get("streams") or {}
    ]


def stream_outputs(loaded: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a step wrote, from its TargetLoaded: a table or file per stream."""
    found = []
    for stream, numbers in (loaded.get("streams") or {}).items():
        if loaded.get("schema") and loaded.get("destination"):
            namespace, database = place_of(loaded)
            name = ".".join(filter(None, (database, loaded["schema"], stream)))
        else:
            namespace = f"flexcore://{_plain(loaded.get('plugin') or 'target')}"
            name = stream
        found.append(_output(namespace, name, numbers.get("rows"), {}))
    return found


def place_of(loaded: dict[str, Any]) -> tuple[str, str | None]:
    """Return namespace and database of a target's destination."""
    text = str(loaded["destination"])
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return f"flexcore://{_plain(str(loaded.get('plugin')))}", None
    if parts.scheme.startswith("duckdb"):
        return f"duckdb://{parts.path}", None
    if parts.scheme.startswith("postgres"):
        namespace = f"postgres://{parts.hostname}:{port or _DEFAULT_PORTS['postgres']}"
        return namespace, parts.path.strip("/") or None
    if "oracle" in str(loaded.get("plugin")):
        port = loaded.get("port") or _DEFAULT_PORTS["oracle"]
        return f"oracle://{text}:{port}", loaded.get("database")
    return f"flexcore://{_plain(str(loaded.get('plugin')))}", None


def model_datasets(
    data: dict[str, Any], places: list[dict[str, Any]], run_id: str
) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]]:
    """Yield each dbt model with its inputs and its output.

    Args:
        data: Of DataTransformationCompleted, or of a failed dbt step.
        places: TargetLoaded of the run: where its warehouse is.
        run_id: dbt's artifacts are read only if they are of this run.
    """
    manifest = _manifest(data, run_id)
    nodes = {**manifest.get("nodes", {}), **manifest.get("sources", {})}
    adapter = (manifest.get("metadata") or {}).get("adapter_type") or "dbt"
    namespace = _warehouse(str(adapter), data, places)

    def name_of(node: dict[str, Any]) -> str:
        table = node.get("identifier") or node.get("alias") or node.get("name")
        database = None if adapter == "duckdb" else node.get("database")
        return ".".join(filter(None, (database, node.get("schema"), table)))

    for model in data.get("models") or ():
        node = nodes.get(model["unique_id"]) or {}
        above = (node.get("depends_on") or {}).get("nodes") or []
        inputs = [
            {"namespace": namespace, "name": name_of(nodes[each]), "facets": {}}
            for each in above
            if each in nodes
        ]
        name = name_of(node) if node else model["name"]
        yield model, inputs, _output(namespace, name, model.get("rows"), node)


def _output(
    namespace: str, name: str, rows: int | None, node: dict[str, Any]
) -> dict[str, Any]:
    facets: dict[str, Any] = {}
    if columns := node.get("columns"):
        fields = [
            {
                "name": column["name"],
                **({"type": column["data_type"]} if column.get("data_type") else {}),
            }
            for column in columns.values()
        ]
        facets["schema"] = {
            "_producer": _PRODUCER,
            "_schemaURL": _SCHEMA_FACET,
            "fields": fields,
        }
    found: dict[str, Any] = {"namespace": namespace, "name": name, "facets": facets}
    if isinstance(rows, int) and rows >= 0:
        statistics = {
            "_producer": _PRODUCER,
            "_schemaURL": _STATISTICS,
            "rowCount": rows,
        }
        found["outputFacets"] = {"outputStatistics": statistics}
    return found


def _warehouse(adapter: str, data: dict[str, Any], places: list[dict[str, Any]]) -> str:
    """Return the namespace of dbt's tables: as its step said, else as the run's."""
    own = data.get("warehouse")
    if isinstance(own, dict) and own.get("host"):
        port = own.get("port") or _DEFAULT_PORTS.get(adapter, "")
        return f"{adapter}://{own['host']}:{port}"
    if isinstance(own, dict) and own.get("path"):
        return f"duckdb:///{str(own['path']).lstrip('/')}"
    for each in places:
        if each.get("schema") and each.get("destination"):
            return place_of(each)[0]
    return f"{adapter}://warehouse"


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


def _plain(plugin: str) -> str:
    return plugin.partition("--")[0]

"""Where a step's data came from and went, as the settings of its plugins say.

For events, so for people to look and for lineage to name datasets by. Settings are
read by the names that FlexCore's plugins and the rendered dbt plugin give them; a
foreign plugin that has others only says less.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_TARGET_PLACES = ("output_path", "url", "base_url", "path", "dsn", "host")
_SOURCE_PLACES = ("url", "base_url", "dsn", "host")
_FILES = ("path", "file_path", "directory_path")
_MAX_FILES = 100
_TABLE_SCHEMES = ("duckdb:", "postgres:", "postgresql:")


def destination_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return `{destination, schema, port, database}` of a target."""
    return {
        "destination": _first(settings, _TARGET_PLACES),
        "schema": settings.get("schema") or _oracle_schema(settings),
        "port": settings.get("port"),
        "database": settings.get("service_name"),
    }


def source_of(settings: Mapping[str, Any], streams: Iterable[str]) -> dict[str, Any]:
    """Return where a tap read, without what is not known.

    Returns:
        `{files: [path, ...]}` for a tap of files; else `{address, port, database,
        tables: {stream: [schema, table]}}`, where tables are those that a stream is a
        copy of: not the streams of queries.
    """
    files = _texts(settings.get(name) for name in _FILES)
    address = _first(settings, _SOURCE_PLACES)
    if files and address is None:
        return {"files": files[:_MAX_FILES]}
    if str(address).startswith(_TABLE_SCHEMES):
        tables = _warehouse_tables(settings, streams)
    elif settings.get("service_name"):
        tables = _oracle_tables(settings, streams)
    else:
        tables = {}
    found = {
        "address": address,
        "port": settings.get("port"),
        "database": settings.get("service_name"),
        "tables": tables,
    }
    return {name: value for name, value in found.items() if value}


def warehouse_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return `{host, port, path}` of dbt's warehouse, without what is not known."""
    found = {
        name: settings.get(f"warehouse_{name}") for name in ("host", "port", "path")
    }
    return {name: value for name, value in found.items() if value}


def _first(settings: Mapping[str, Any], names: Iterable[str]) -> str | None:
    name = next((name for name in names if settings.get(name)), None)
    if name is None:
        return None
    # Oracle's user/password@host: nothing else would know the password in it.
    place = str(settings[name])
    return place.rpartition("@")[2] if name == "dsn" else place


def _texts(values: Iterable[Any]) -> list[str]:
    """Return texts, and those in lists, but standard input."""
    lists = [value if isinstance(value, list) else [value] for value in values]
    each = (value for values in lists for value in values)
    return [
        value for value in each if isinstance(value, str) and value not in {"", "-"}
    ]


def _oracle_schema(settings: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a setting
    if not settings.get("service_name"):
        return None
    return settings.get("default_target_schema") or settings.get("username")


def _warehouse_tables(
    settings: Mapping[str, Any], streams: Iterable[str]
) -> dict[str, list[str]]:
    """Return the tables of flext-tap-warehouse's streams."""
    is_duckdb = str(settings["url"]).startswith("duckdb:")
    schema = str(settings.get("schema") or ("main" if is_duckdb else "public"))
    named: dict[str, list[str] | None] = {}
    if settings.get("query"):
        named[str(settings.get("stream") or "query")] = None
    tables = settings.get("tables")
    for entry in tables if isinstance(tables, list) else ():
        if not isinstance(entry, dict):
            continue
        table = entry.get("table")
        stream = str(entry.get("stream") or table or "query")
        place = [str(entry.get("schema") or schema), str(table)]
        named[stream] = place if table else None
    found = {stream: named.get(stream, [schema, stream]) for stream in streams}
    return {stream: place for stream, place in found.items() if place}


def _oracle_tables(
    settings: Mapping[str, Any], streams: Iterable[str]
) -> dict[str, list[str]]:
    """Return the tables of flext-tap-oracle's streams: `schema-table`, in lower case.

    A name whose case carries meaning in Oracle keeps it in the stream's name.
    """
    queries = settings.get("queries")
    named = {
        str(each.get("name"))
        for each in (queries if isinstance(queries, list) else ())
        if isinstance(each, dict)
    }
    if settings.get("stream_prefix") is not None:
        return {}
    return {
        stream: list(stream.split("-", 1))
        for stream in streams
        if "-" in stream and stream not in named
    }

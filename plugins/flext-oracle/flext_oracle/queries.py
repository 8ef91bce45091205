"""Configured queries: how they are written, and what they return."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import oracledb

from flext_oracle import sql
from flext_oracle.errors import OracleError, explain
from flext_oracle.sql import Column
from flext_oracle.type_mapping import ColumnType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KEYS = (
    "name",
    "sql",
    "query",
    "key_properties",
    "primary_keys",
    "replication_key",
    "binds",
    "parameters",
)
NO_SCALE = -127  # how the driver describes a NUMBER without scale

SIMPLE_TYPES: dict[Any, str] = {
    oracledb.DB_TYPE_DATE: "DATE",
    oracledb.DB_TYPE_CLOB: "CLOB",
    oracledb.DB_TYPE_NCLOB: "NCLOB",
    oracledb.DB_TYPE_BLOB: "BLOB",
    oracledb.DB_TYPE_LONG: "LONG",
    oracledb.DB_TYPE_LONG_RAW: "LONG RAW",
    oracledb.DB_TYPE_BINARY_DOUBLE: "BINARY_DOUBLE",
    oracledb.DB_TYPE_BINARY_FLOAT: "BINARY_FLOAT",
    oracledb.DB_TYPE_BOOLEAN: "BOOLEAN",
    oracledb.DB_TYPE_JSON: "JSON",
    oracledb.DB_TYPE_ROWID: "ROWID",
    oracledb.DB_TYPE_UROWID: "UROWID",
    oracledb.DB_TYPE_VECTOR: "VECTOR",
    oracledb.DB_TYPE_XMLTYPE: "XMLTYPE",
}
SIZED_TYPES: dict[Any, str] = {
    oracledb.DB_TYPE_VARCHAR: "VARCHAR2",
    oracledb.DB_TYPE_NVARCHAR: "NVARCHAR2",
    oracledb.DB_TYPE_CHAR: "CHAR",
    oracledb.DB_TYPE_NCHAR: "NCHAR",
}
SCALED_TYPES: dict[Any, str] = {
    oracledb.DB_TYPE_TIMESTAMP: "TIMESTAMP",
    oracledb.DB_TYPE_TIMESTAMP_TZ: "TIMESTAMP_TZ",
    oracledb.DB_TYPE_TIMESTAMP_LTZ: "TIMESTAMP_LTZ",
}


@dataclass(frozen=True)
class Query:
    """A query stream.

    Attributes:
        name: The stream's name.
        sql: The text, its ``?`` already turned into ``:bookmark``.
        key_properties: Keys of the records.
        replication_key: Property of the bookmark.
        binds: Further bind values.
        binds_bookmark: Whether the text binds the bookmark itself.
    """

    name: str
    sql: str
    key_properties: tuple[str, ...] = ()
    replication_key: str | None = None
    binds: Mapping[str, Any] = field(default_factory=dict)
    binds_bookmark: bool = False


def queries_of(config: Mapping[str, Any]) -> list[Query]:
    """The queries that the settings `queries` and `query` name.

    Raises:
        OracleError: One has no text or no name, or two share a name.
    """
    given = config.get("queries") or []
    if isinstance(given, dict):
        given = [
            {"name": name, **(item if isinstance(item, dict) else {"sql": item})}
            for name, item in given.items()
        ]
    if config.get("query"):
        single = {"name": config.get("query_name") or "query", "sql": config["query"]}
        for name in ("key_properties", "replication_key"):
            if config.get(name):
                single[name] = config[name]
        given = [*given, single]
    found = [_query(item, position) for position, item in enumerate(given)]
    names = [query.name for query in found]
    for name in names:
        if names.count(name) > 1:
            raise OracleError(
                f"two queries are called {name!r}", "queries", "give each its own name"
            )
    return found


def _query(item: Mapping[str, Any], position: int) -> Query:
    for word in item:
        if word not in KEYS:
            near = difflib.get_close_matches(word, KEYS, n=1)
            raise OracleError(
                f"a query has no {word!r}",
                f"queries[{position}]",
                f"did you mean {near[0]!r}?" if near else f"known: {', '.join(KEYS)}",
            )
    text = item.get("sql") or item.get("query")
    name = item.get("name")
    if not text or not name:
        raise OracleError(
            "a query needs name and sql",
            f"queries[{position}]",
            "write {name: orders, sql: SELECT …}",
        )
    bound, compared = sql.bind_bookmark(str(text))
    keys = item.get("key_properties") or item.get("primary_keys") or ()
    key = item.get("replication_key")
    binds_bookmark = ":bookmark" in bound
    if binds_bookmark and not key:
        if len(set(compared)) != 1:
            raise OracleError(
                f"query {name!r} binds a bookmark, but of which column?",
                f"queries[{position}]",
                "set replication_key",
            )
        key = sql.property_name(compared[0])
    return Query(
        str(name),
        bound,
        tuple([keys] if isinstance(keys, str) else keys),
        key,
        item.get("binds") or item.get("parameters") or {},
        binds_bookmark,
    )


def describe(connection: oracledb.Connection, query: Query) -> list[Column]:
    """The columns of a query's result; nothing is executed.

    Raises:
        OracleError: Two columns have one name, or a type cannot be read.
    """
    where = f"stream {query.name!r}"
    with connection.cursor() as cursor:
        statement = sql.select([], sql.as_source(query.sql)).replace("1", "t.*", 1)
        try:
            cursor.parse(statement)
        except oracledb.DatabaseError as error:
            raise explain(error, where) from error
        columns = [_column(info) for info in cursor.description or ()]
    names = [sql.property_name(column.name) for column in columns]
    if len(set(names)) < len(names):
        raise OracleError("two columns have one name", where, "give them aliases")
    for name in (*query.key_properties, query.replication_key):
        if name and sql.as_named(name, names) not in names:
            raise OracleError(
                f"the query returns no column {name!r}",
                where,
                f"it returns {', '.join(names)}",
            )
    return columns


def _column(info: oracledb.FetchInfo) -> Column:
    return Column(info.name, _kind(info), bool(info.null_ok))


def _kind(info: oracledb.FetchInfo) -> ColumnType:
    code, scale = info.type_code, info.scale
    if code is oracledb.DB_TYPE_NUMBER:
        kind = _number(info.precision or 0, scale or 0)
    elif code in SIZED_TYPES:
        kind = ColumnType(SIZED_TYPES[code], info.display_size or 0)
    elif code in SCALED_TYPES:
        kind = ColumnType(SCALED_TYPES[code], scale=scale or 0)
    elif code is oracledb.DB_TYPE_RAW:
        kind = ColumnType("RAW", info.internal_size or 0, in_bytes=True)
    elif code is oracledb.DB_TYPE_INTERVAL_DS:
        kind = ColumnType("INTERVAL_DS", precision=info.precision or 2, scale=scale)
    elif code is oracledb.DB_TYPE_INTERVAL_YM:
        kind = ColumnType("INTERVAL_YM", precision=info.precision or 2)
    else:
        kind = ColumnType(SIMPLE_TYPES.get(code, str(code)))
    return kind


def _number(precision: int, scale: int) -> ColumnType:
    if scale != NO_SCALE:
        return ColumnType("NUMBER", 0, precision or None, scale)
    if precision:
        return ColumnType("FLOAT", 0, precision)
    return ColumnType("NUMBER")


def names_of(queries: Sequence[Query]) -> frozenset[str]:
    """The streams that are queries."""
    return frozenset(query.name for query in queries)

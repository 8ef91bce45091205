"""How Postgres spells column types, and how values move from one to a wider one."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from flext_warehouse.columns import (
    BOOLEAN,
    DATE,
    INTEGER,
    JSON,
    NUMBER,
    TEXT,
    TIME,
    TIMESTAMP,
    WALL_TIMESTAMP,
    ColumnType,
    Kind,
)
from flext_warehouse.evolution import NUMERIC
from flext_warehouse.identifiers import literal

_SQL_TYPES = {
    Kind.BOOLEAN: "boolean",
    Kind.INTEGER: "bigint",
    Kind.NUMBER: "numeric",
    Kind.DECIMAL: "numeric",
    Kind.TEXT: "text",
    Kind.SCALAR: "text",
    Kind.TIMESTAMP: "timestamp with time zone",
    Kind.WALL_TIMESTAMP: "timestamp without time zone",
    Kind.DATE: "date",
    Kind.TIME: "time without time zone",
    Kind.JSON: "jsonb",
}
_ITEM_TYPES = {Kind.TEXT: "text", Kind.INTEGER: "bigint", Kind.BOOLEAN: "boolean"}
# As format_type() spells them, without modifiers.
_COLUMN_TYPES = {
    "boolean": BOOLEAN,
    "bigint": INTEGER,
    "integer": ColumnType(Kind.INTEGER, 32),
    "smallint": ColumnType(Kind.INTEGER, 16),
    "numeric": NUMBER,
    "double precision": ColumnType(Kind.NUMBER, 53),
    "real": ColumnType(Kind.NUMBER, 24),
    "text": TEXT,
    "character varying": TEXT,
    "timestamp with time zone": TIMESTAMP,
    "timestamp without time zone": WALL_TIMESTAMP,
    "date": DATE,
    "time without time zone": TIME,
    "jsonb": JSON,
    "text[]": ColumnType(Kind.LIST, item=Kind.TEXT),
    "bigint[]": ColumnType(Kind.LIST, item=Kind.INTEGER),
    "boolean[]": ColumnType(Kind.LIST, item=Kind.BOOLEAN),
}
# Types with a modifier that loses or refuses values: they become the wide ones.
_LIMITED = {
    "numeric(": ColumnType(Kind.NUMBER, 1),
    "character varying(": ColumnType(Kind.TEXT, 1),
    "timestamp(": None,
    "time(": None,
}


def sql_type(column: ColumnType) -> str:
    """Spell a column type in Postgres' SQL."""
    if column.kind is Kind.LIST and column.item is not None:
        return f"{_ITEM_TYPES[column.item]}[]"
    return _SQL_TYPES[column.kind]


def read_type(text: str) -> ColumnType | None:
    """Read a type as format_type() spells it; None if we do not write it."""
    for start, column in _LIMITED.items():
        if text.startswith(start):
            return column
    return _COLUMN_TYPES.get(text)


def array_literals(array: pa.Array) -> pa.Array:
    """Give Postgres' text form of arrays: {"a",NULL,"b"}."""
    return pa.array(
        [
            None if value is None else _array_literal(value)
            for value in array.to_pylist()
        ],
        type=pa.string(),
    )


def _array_literal(items: list[Any]) -> str:
    texts = (
        "NULL"
        if item is None
        else '"' + str(item).replace("\\", "\\\\").replace('"', '\\"') + '"'
        for item in items
    )
    return "{" + ",".join(texts) + "}"


def converted(name: str, before: ColumnType, after: ColumnType) -> str:
    """Give the SQL that turns a column's values into a wider type, exactly."""
    if after.kind is Kind.JSON:
        return f"to_jsonb({name})"
    if after.kind not in (Kind.TEXT, Kind.SCALAR):
        # A float's text has all its digits, its cast to numeric only 15.
        through_text = before.kind in NUMERIC and before.precision is not None
        source = f"{name}::text" if through_text else name
        return f"{source}::{sql_type(after)}"
    iso = {
        Kind.TIMESTAMP: 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"',
        Kind.WALL_TIMESTAMP: 'YYYY-MM-DD"T"HH24:MI:SS.US',
    }.get(before.kind)
    if iso is not None:
        return f"to_char({name}, {literal(iso)})"
    if before.kind is Kind.LIST:
        return f"to_jsonb({name})::text"
    return f"{name}::text"

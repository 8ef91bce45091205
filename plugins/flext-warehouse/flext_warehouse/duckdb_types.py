"""How DuckDB spells column types, and how values move from one to a wider one."""

from __future__ import annotations

import re

from flext_warehouse.columns import (
    BIG_INTEGER,
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

_SQL_TYPES = {
    Kind.BOOLEAN: "BOOLEAN",
    Kind.INTEGER: "BIGINT",
    Kind.NUMBER: "DOUBLE",
    Kind.TEXT: "VARCHAR",
    Kind.SCALAR: "VARCHAR",
    Kind.TIMESTAMP: "TIMESTAMP WITH TIME ZONE",
    Kind.WALL_TIMESTAMP: "TIMESTAMP",
    Kind.DATE: "DATE",
    Kind.TIME: "TIME",
    Kind.JSON: "JSON",
}
_COLUMN_TYPES = {
    "BOOLEAN": BOOLEAN,
    "BIGINT": INTEGER,
    "INTEGER": ColumnType(Kind.INTEGER, 32),
    "SMALLINT": ColumnType(Kind.INTEGER, 16),
    "TINYINT": ColumnType(Kind.INTEGER, 8),
    "UINTEGER": ColumnType(Kind.INTEGER, 32),
    "USMALLINT": ColumnType(Kind.INTEGER, 16),
    "UTINYINT": ColumnType(Kind.INTEGER, 8),
    "HUGEINT": BIG_INTEGER,
    "UBIGINT": ColumnType(Kind.DECIMAL, 20, 0),
    "DOUBLE": NUMBER,
    "FLOAT": ColumnType(Kind.NUMBER, 24),
    "VARCHAR": TEXT,
    "TIMESTAMP WITH TIME ZONE": TIMESTAMP,
    "TIMESTAMP": WALL_TIMESTAMP,
    "DATE": DATE,
    "TIME": TIME,
    "JSON": JSON,
    "VARCHAR[]": ColumnType(Kind.LIST, item=Kind.TEXT),
    "BIGINT[]": ColumnType(Kind.LIST, item=Kind.INTEGER),
    "BOOLEAN[]": ColumnType(Kind.LIST, item=Kind.BOOLEAN),
}
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")


def sql_type(column: ColumnType) -> str:
    """Spell a column type in DuckDB's SQL."""
    if column.kind is Kind.DECIMAL:
        return f"DECIMAL({column.precision},{column.scale})"
    if column.kind is Kind.LIST and column.item is not None:
        return f"{_SQL_TYPES[column.item]}[]"
    return _SQL_TYPES[column.kind]


def read_type(text: str) -> ColumnType | None:
    """Read a type as DuckDB's catalogue spells it; None if we do not write it."""
    if match := _DECIMAL.fullmatch(text):
        return ColumnType(Kind.DECIMAL, int(match[1]), int(match[2]))
    return _COLUMN_TYPES.get(text)


def converted(name: str, before: ColumnType, after: ColumnType) -> str:
    """Give the SQL that turns a column's values into a wider type, exactly."""
    if after.kind is Kind.JSON:
        return f"to_json({name})"
    if after.kind not in (Kind.TEXT, Kind.SCALAR):
        text = before.kind is Kind.NUMBER and after.kind is Kind.DECIMAL
        source = f"CAST({name} AS VARCHAR)" if text else name
        return f"CAST({source} AS {sql_type(after)})"
    if before.kind is Kind.TIMESTAMP:
        return f"strftime({name}, '%Y-%m-%dT%H:%M:%S.%fZ')"
    if before.kind is Kind.WALL_TIMESTAMP:
        return f"strftime({name}, '%Y-%m-%dT%H:%M:%S.%f')"
    if before.kind is Kind.LIST:
        return f"CAST(to_json({name}) AS VARCHAR)"
    return shortest(name) if before.scale else f"CAST({name} AS VARCHAR)"


def shortest(decimal: str) -> str:
    """Give a decimal's text as it was written: 5 or 0.1, not 0.1000000000.

    Args:
        decimal: SQL of a DECIMAL with digits after the point.
    """
    return f"rtrim(rtrim(CAST({decimal} AS VARCHAR), '0'), '.')"

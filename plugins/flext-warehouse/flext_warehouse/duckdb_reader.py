"""Reads tables, views and queries of a DuckDB file, without locking it for readers.

The file is opened read-only: several taps may read at once, but none while another
process writes. All streams of a run are read in one transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flext_warehouse.columns import WALL
from flext_warehouse.duckdb_connection import connect, plain_errors
from flext_warehouse.duckdb_types import shortest
from flext_warehouse.identifiers import quote
from flext_warehouse.reading import (
    ANY_JSON,
    BATCH_ROWS,
    Description,
    Field,
    Form,
    Reader,
    decimal_schema,
    nullable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from duckdb.sqltypes import DuckDBPyType

    from flext_warehouse.selection import Wish

_TEXT = "CAST({0} AS VARCHAR)"
_NESTED = "CAST(to_json({0}) AS VARCHAR)"
_WALL = {**nullable("string", format="date-time"), "x-sql-datatype": WALL}
_WALL_TEXT = "strftime({0}, '%Y-%m-%dT%H:%M:%S.%f')"
_BIG = nullable("integer", **{"x-sql-datatype": "numeric(38)"})
_OBJECT = nullable("object", additionalProperties=True)
_INTEGERS = (
    "tinyint", "smallint", "integer", "bigint", "utinyint", "usmallint", "uinteger",
)  # fmt: skip
_PLAIN: dict[str, tuple[dict[str, Any], str, Form]] = {
    **{name: (nullable("integer"), "{0}", Form.PLAIN) for name in _INTEGERS},
    "boolean": (nullable("boolean"), "{0}", Form.PLAIN),
    "double": (nullable("number"), "{0}", Form.PLAIN),
    "float": (nullable("number"), "CAST({0} AS DOUBLE)", Form.PLAIN),
    "ubigint": (_BIG, _TEXT, Form.DECIMAL),
    "hugeint": (_BIG, _TEXT, Form.DECIMAL),
    "uhugeint": (_BIG, _TEXT, Form.DECIMAL),
    "varchar": (nullable("string"), "{0}", Form.PLAIN),
    "json": (ANY_JSON, _TEXT, Form.JSON),
    "struct": (_OBJECT, _NESTED, Form.JSON),
    "map": (_OBJECT, _NESTED, Form.JSON),
    "timestamp with time zone": (
        nullable("string", format="date-time"),
        "strftime({0}, '%Y-%m-%dT%H:%M:%S.%fZ')",
        Form.PLAIN,
    ),
    "timestamp": (_WALL, _WALL_TEXT, Form.PLAIN),
    "timestamp_s": (_WALL, _WALL_TEXT, Form.PLAIN),
    "timestamp_ms": (_WALL, _WALL_TEXT, Form.PLAIN),
    "timestamp_ns": (_WALL, _WALL_TEXT, Form.PLAIN),
    "date": (nullable("string", format="date"), _TEXT, Form.PLAIN),
    "time": (nullable("string", format="time"), _TEXT, Form.PLAIN),
    "uuid": (nullable("string", format="uuid"), _TEXT, Form.PLAIN),
    "blob": (
        nullable("string", contentEncoding="base64"),
        "to_base64({0})",
        Form.PLAIN,
    ),
}
_ITEMS = {"varchar": "string", "bigint": "integer", "boolean": "boolean"}


class DuckDBReader(Reader):
    """A DuckDB file, open for reading.

    Args:
        path: the file.
        lock_seconds: how long to wait for a writer.
    """

    folds_case = True

    def __init__(self, path: str, *, lock_seconds: float) -> None:
        self._path = path
        self._sql = connect(path, read_only=True, lock_seconds=lock_seconds)
        # Rows of a table come in the order they have there.
        self._sql.execute("SET preserve_insertion_order=true")
        self._sql.execute("BEGIN TRANSACTION")

    def _tables(self, schema: str) -> list[str]:
        with plain_errors(self._path):
            rows = self._sql.execute(
                "SELECT table_name FROM information_schema.tables WHERE table_catalog "
                "= current_database() AND lower(table_schema) = lower(?) ORDER BY 1",
                [schema],
            ).fetchall()
        return [row[0] for row in rows]

    def _columns(self, source: str, wish: Wish) -> list[Field]:
        with plain_errors(f'stream "{wish.stream}"'):
            relation = self._sql.sql(f"SELECT * FROM {source} LIMIT 0")  # noqa: S608 - quoted
            described = zip(relation.columns, relation.types, strict=True)
            return [_field(name, kind) for name, kind in described]

    def _primary_key(self, wish: Wish) -> tuple[str, ...]:
        rows = self._sql.execute(
            "SELECT constraint_column_names FROM duckdb_constraints() WHERE "
            "database_name = current_database() AND schema_name = ? AND "
            "table_name = ? AND constraint_type = 'PRIMARY KEY'",
            [wish.schema, wish.table],
        ).fetchall()
        return tuple(rows[0][0]) if rows else ()

    def read(self, query: str, fields: Sequence[Field]) -> Iterator[pa.RecordBatch]:  # noqa: ARG002 - DuckDB knows the types
        """Run a query and yield its rows."""
        with plain_errors(self._path):
            yield from self._sql.sql(query).to_arrow_reader(BATCH_ROWS)

    def close(self) -> None:
        """Close the file."""
        self._sql.close()


def _field(name: str, kind: DuckDBPyType) -> Field:
    told = _describe(quote(name), kind)
    order = told.order or quote(name)
    return Field(name, name, told.schema, told.expression, told.form, order, str(kind))


def _describe(column: str, kind: DuckDBPyType) -> Description:
    name = "json" if str(kind) == "JSON" else kind.id
    if name in _PLAIN:
        schema, expression, form = _PLAIN[name]
        return Description(schema, expression.format(column), form)
    if name == "decimal":
        digits: dict[str, Any] = dict(kind.children)
        schema = decimal_schema(digits["precision"], digits["scale"])
        text = shortest(column) if digits["scale"] else _TEXT.format(column)
        return Description(schema, text, Form.DECIMAL)
    if name not in {"list", "array"}:
        return Description(nullable("string"), _TEXT.format(column))
    child = dict(kind.children)["child"]
    item = _ITEMS.get(str(child).lower())
    if name == "list" and item is not None:
        return Description(nullable("array", items=nullable(item)), column)
    return Description(nullable("array", items={}), _NESTED.format(column), Form.JSON)

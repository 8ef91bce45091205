"""Reads tables, views and queries of Postgres in one snapshot.

Rows come by COPY as CSV, which Arrow parses: it costs the client a tenth of what
tuples would. One REPEATABLE READ, READ ONLY transaction covers discovery and all
streams, so related tables fit together.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql
from pyarrow import csv

from flext_warehouse.columns import WALL
from flext_warehouse.identifiers import quote
from flext_warehouse.postgres_connection import Server, plain_errors
from flext_warehouse.reading import (
    ANY_JSON,
    Description,
    Field,
    Form,
    Reader,
    decimal_schema,
    nullable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from psycopg import Column

    from flext_warehouse.selection import Wish

_CHUNK_BYTES = 2 * 1024 * 1024
_WALL = {**nullable("string", format="date-time"), "x-sql-datatype": WALL}
_TEXTS = ("text", "character varying", "character", "name", '"char"')
_PLAIN: dict[str, tuple[dict[str, Any], str, Form]] = {
    "boolean": (nullable("boolean"), "{0}", Form.PLAIN),
    "smallint": (nullable("integer"), "{0}", Form.PLAIN),
    "integer": (nullable("integer"), "{0}", Form.PLAIN),
    "bigint": (nullable("integer"), "{0}", Form.PLAIN),
    "double precision": (nullable("number"), "{0}", Form.PLAIN),
    "real": (nullable("number"), "{0}::float8", Form.PLAIN),
    **{name: (nullable("string"), "{0}", Form.PLAIN) for name in _TEXTS},
    "timestamp with time zone": (
        nullable("string", format="date-time"),
        "{0}",
        Form.PLAIN,
    ),
    "timestamp without time zone": (_WALL, "{0}", Form.PLAIN),
    "date": (nullable("string", format="date"), "{0}", Form.PLAIN),
    "time without time zone": (nullable("string", format="time"), "{0}", Form.PLAIN),
    "time with time zone": (nullable("string", format="time"), "{0}", Form.PLAIN),
    "json": (ANY_JSON, "{0}::text", Form.JSON),
    "jsonb": (ANY_JSON, "{0}::text", Form.JSON),
    "uuid": (nullable("string", format="uuid"), "{0}", Form.PLAIN),
    "bytea": (
        nullable("string", contentEncoding="base64"),
        "translate(encode({0}, 'base64'), E'\\n', '')",
        Form.PLAIN,
    ),
}
_TIME_TEXT = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?$"
_TIME_CHARACTERS = len("2020-01-01 00:00:00.000000")
_ITEMS = {
    "text[]": "string", "character varying[]": "string", "smallint[]": "integer",
    "integer[]": "integer", "bigint[]": "integer", "boolean[]": "boolean",
}  # fmt: skip
_ARROW = {"integer": pa.int64(), "boolean": pa.bool_(), "number": pa.float64()}

_TABLES = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relkind IN ('r', 'v', 'm', 'p', 'f') ORDER BY 1
"""
_PRIMARY_KEY = """
SELECT a.attname FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
WHERE n.nspname = %s AND c.relname = %s AND i.indisprimary
ORDER BY array_position(i.indkey::int2[], a.attnum)
"""


class PostgresReader(Reader):
    """A Postgres database, open for reading.

    Args:
        server: how to reach it.
    """

    def __init__(self, server: Server) -> None:
        self._place = server.url
        self._sql = server.connect()
        with plain_errors("the start of the snapshot"):
            self._sql.execute(
                "SET SESSION CHARACTERISTICS AS TRANSACTION "
                "ISOLATION LEVEL REPEATABLE READ, READ ONLY"
            )
            self._sql.commit()

    def _tables(self, schema: str) -> list[str]:
        return [row[0] for row in self._sql.execute(_TABLES, [schema]).fetchall()]

    def _columns(self, source: str, wish: Wish) -> list[Field]:
        with plain_errors(f'stream "{wish.stream}"'):
            query = sql.SQL(f"SELECT * FROM {source} LIMIT 0")  # noqa: S608 - quoted
            columns = self._sql.execute(query).description or []
            names = self._sql.execute(
                "SELECT format_type(t, NULL) FROM unnest(%s::oid[]) "
                "WITH ORDINALITY AS u(t, n) ORDER BY n",
                [[column.type_code for column in columns]],
            ).fetchall()
        pairs = zip(columns, names, strict=True)
        return [_field(column, kind) for column, (kind,) in pairs]

    def _primary_key(self, wish: Wish) -> tuple[str, ...]:
        rows = self._sql.execute(_PRIMARY_KEY, [wish.schema, wish.table]).fetchall()
        return tuple(row[0] for row in rows)

    def read(self, query: str, fields: Sequence[Field]) -> Iterator[pa.RecordBatch]:
        """Run a query and yield its rows."""
        names = [f.name for f in fields]
        types = {f.name: _arrow_type(f) for f in fields}
        reading = csv.ReadOptions(column_names=names, use_threads=False)
        parsing = csv.ParseOptions(newlines_in_values=True)
        converting = csv.ConvertOptions(
            column_types=types,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t"],
            false_values=["f"],
        )
        statement = f"COPY ({query}) TO STDOUT (FORMAT csv, ENCODING 'UTF8')"
        for chunk in self._chunks(statement):
            table = csv.read_csv(
                io.BytesIO(chunk),
                read_options=reading,
                parse_options=parsing,
                convert_options=converting,
            )
            for batch in table.combine_chunks().to_batches():
                yield _finish(batch, fields)

    def _chunks(self, statement: str) -> Iterator[bytes]:
        """Yield whole rows of CSV, some megabytes at a time."""
        waiting: list[bytes | memoryview] = []
        size = 0
        with (
            plain_errors("reading from Postgres"),
            self._sql.cursor() as cursor,
            cursor.copy(sql.SQL(statement)) as copy,
        ):
            for row in copy:
                waiting.append(bytes(row))
                size += len(row)
                if size >= _CHUNK_BYTES:
                    yield b"".join(waiting)
                    waiting, size = [], 0
        if waiting:
            yield b"".join(waiting)

    def close(self) -> None:
        """Close the connection."""
        self._sql.close()


def _arrow_type(described: Field) -> pa.DataType:
    kind = described.schema["type"][0]
    if described.form is not Form.PLAIN:
        return pa.string()
    return _ARROW.get(kind, pa.string())


def _finish(batch: pa.RecordBatch, fields: Sequence[Field]) -> pa.RecordBatch:
    """Bring Postgres' times into the form of RFC 3339."""
    arrays = [
        _rfc3339(array, described.schema)
        for array, described in zip(batch.columns, fields, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def _rfc3339(array: pa.Array, schema: dict[str, Any]) -> pa.Array:
    """Write a time with six digits of a second, so that text sorts like time.

    `infinity` and years before Christ stay as they are: the target names them.
    """
    if schema.get("format") != "date-time":
        return array
    plain = pc.replace_substring_regex(array, r"\+00$", "")
    known = pc.match_substring_regex(plain, _TIME_TEXT)
    dotted = pc.if_else(
        pc.match_substring(plain, "."),
        plain,
        pc.binary_join_element_wise(plain, ".", ""),
    )
    padded = pc.utf8_rpad(dotted, _TIME_CHARACTERS, "0")
    joined = pc.replace_substring(padded, " ", "T", max_replacements=1)
    if schema.get("x-sql-datatype") != WALL:
        joined = pc.binary_join_element_wise(joined, "Z", "")
    return pc.if_else(known, joined, array)


def _field(column: Column, kind: str) -> Field:
    name = quote(column.name)
    told = _describe(name, kind, column)
    return Field(
        column.name, column.name, told.schema, told.expression, told.form,
        told.order or name, kind,
    )  # fmt: skip


def _describe(name: str, kind: str, column: Column) -> Description:
    if kind == "numeric":
        schema = decimal_schema(column.precision, column.scale)
        return Description(schema, name, Form.DECIMAL)
    if kind in _PLAIN:
        schema, expression, form = _PLAIN[kind]
        # Byte order is the order of Python's text, which checks the sorting.
        order = f'{name} COLLATE "C"' if kind in _TEXTS else ""
        return Description(schema, expression.format(name), form, order)
    if kind.endswith("[]"):
        items = nullable(_ITEMS[kind]) if kind in _ITEMS else {}
        schema = nullable("array", items=items)
        return Description(schema, f"to_json({name})::text", Form.JSON)
    return Description(nullable("string"), f"{name}::text")

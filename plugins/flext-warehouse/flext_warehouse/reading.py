"""Relations of a warehouse as streams: columns, their schemas, their batches.

A `Reader` (DuckDB's or Postgres') describes a table or query and yields its rows as
Arrow batches of plain columns: numbers, text, booleans and lists as they are, dates
and times as the text a RECORD carries, and JSON text for all that is nested or
has more digits than a double.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
from flext_singer.arrow_types import TEXT_METADATA
from flext_singer.errors import FlextError

from flext_warehouse.conform import decode_exact
from flext_warehouse.identifiers import literal, quote
from flext_warehouse.selection import Wish, match_tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BATCH_ROWS = 10_000
ANY_JSON = {"type": ["object", "array", "string", "number", "boolean", "null"]}
"""Schema of a JSON column: it may hold anything."""


class Form(Enum):
    """How a column of a batch becomes a value of a record."""

    PLAIN = "plain"
    """As it is."""
    JSON = "json"
    """JSON text."""
    DECIMAL = "decimal"
    """Text of a number."""


@dataclass(frozen=True)
class Field:
    """One field of a stream.

    Args:
        name: as records have it.
        column: as the table has it.
        schema: its JSON Schema.
        expression: SQL that gives it.
        form: how its column of a batch is to be read.
        order: SQL by which it is compared and sorted, for replication keys.
        cast: SQL type of a bookmark's literal.
    """

    name: str
    column: str
    schema: dict[str, Any]
    expression: str
    form: Form
    order: str
    cast: str


@dataclass(frozen=True)
class Relation:
    """A table or query as the tap reads it."""

    wish: Wish
    source: str
    fields: tuple[Field, ...]
    primary_key: tuple[str, ...] = ()

    @property
    def key_properties(self) -> list[str]:
        """Fields that identify a record: as configured, else the primary key."""
        if self.wish.key_properties:
            return list(self.wish.key_properties)
        names = {f.column: f.name for f in self.fields}
        if all(column in names for column in self.primary_key):
            return [names[column] for column in self.primary_key]
        return []

    def field(self, name: str) -> Field:
        """Give the field of a name.

        Raises:
            FlextError: there is none.
        """
        for candidate in self.fields:
            if candidate.name == name:
                return candidate
        raise FlextError(
            f'there is no field "{name}"',
            where=f'stream "{self.wish.stream}"',
            fix=f"fields: {', '.join(f.name for f in self.fields)}",
        )

    def select(
        self, names: Sequence[str], replication_key: str | None, bookmark: object
    ) -> str:
        """Give the SQL that reads some fields, from a bookmark on.

        Args:
            names: the fields.
            replication_key: field to sort by; None for any order.
            bookmark: rows with a smaller replication key are left out; None for
                none.
        """
        chosen = [self.field(name) for name in names]
        columns = ", ".join(f"{f.expression} AS {quote(f.name)}" for f in chosen)
        query = f"SELECT {columns} FROM {self.source}"  # noqa: S608 - quoted
        if replication_key is None:
            return query
        key = self.field(replication_key)
        if bookmark is not None:
            query += f" WHERE {key.order} >= {literal(str(bookmark))}::{key.cast}"
        return f"{query} ORDER BY {key.order} NULLS FIRST"


class Reader(ABC):
    """A warehouse, open for reading; all of it is seen at one moment."""

    folds_case = False

    def find(self, wish: Wish) -> list[Relation]:
        """Give the relations that a wish stands for, with their fields."""
        if wish.query:
            return [self._relation(wish, f"({wish.query}) AS q")]
        tables = self._tables(wish.schema)
        found = match_tables(wish, tables, fold_case=self.folds_case)
        return [
            self._relation(one, f"{quote(one.schema)}.{quote(one.table)}")
            for one in found
        ]

    def _relation(self, wish: Wish, source: str) -> Relation:
        columns = {f.column: f for f in self._columns(source, wish)}
        fields = tuple(columns.values())
        if wish.fields:
            folded = {
                (c.lower() if self.folds_case else c): f for c, f in columns.items()
            }
            fields = tuple(
                self._renamed(folded, column, name, wish)
                for column, name in wish.fields.items()
            )
        key = self._primary_key(wish) if wish.table else ()
        relation = Relation(wish, source, fields, key)
        for name in (*wish.key_properties, wish.replication_key):
            if name is not None:
                relation.field(name)
        return relation

    def _renamed(
        self, columns: dict[str, Field], column: str, name: str, wish: Wish
    ) -> Field:
        found = columns.get(column.lower() if self.folds_case else column)
        if found is None:
            raise FlextError(
                f'there is no column "{column}"',
                where=f'setting "tables", stream "{wish.stream}"',
                fix=f"columns: {', '.join(f.column for f in columns.values())}",
            )
        return Field(
            str(name), found.column, found.schema, found.expression, found.form,
            found.order, found.cast,
        )  # fmt: skip

    @abstractmethod
    def _tables(self, schema: str) -> list[str]:
        """Give the names of a schema's tables and views."""

    @abstractmethod
    def _columns(self, source: str, wish: Wish) -> list[Field]:
        """Describe the columns of a table or query."""

    @abstractmethod
    def _primary_key(self, wish: Wish) -> tuple[str, ...]:
        """Give the columns of a table's primary key."""

    @abstractmethod
    def read(self, query: str, fields: Sequence[Field]) -> Iterator[pa.RecordBatch]:
        """Run a query of `Relation.select`; memory stays constant."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the warehouse."""


def records(
    batch: pa.RecordBatch, fields: Sequence[Field], *, as_raw: bool
) -> Iterator[dict[str, Any]]:
    """Give the rows of a batch as records, ready for JSON.

    Args:
        batch: as `Reader.read` gives it.
        fields: its columns.
        as_raw: keep JSON text as `msgspec.Raw`, which only the lean path takes.
    """
    columns = []
    for column, described in zip(batch.columns, fields, strict=True):
        values: list[Any] = column.to_pylist()
        if described.form is not Form.PLAIN:
            if as_raw and described.form is Form.JSON:
                values = [
                    None if v is None else msgspec.Raw(v.encode()) for v in values
                ]
            else:
                values = [None if v is None else decode_number(v) for v in values]
        columns.append(values)
    names = [f.name for f in fields]
    for row in zip(*columns, strict=True):
        yield dict(zip(names, row, strict=True))


def decode_number(text: str) -> Any:  # noqa: ANN401 - any JSON value
    """Decode JSON text; numbers stay exact."""
    try:
        return decode_exact(text.encode())
    except msgspec.DecodeError:
        return text  # NaN and Infinity of Postgres: the encoder refuses them


def arrow_batch(batch: pa.RecordBatch, fields: Sequence[Field]) -> pa.RecordBatch:
    """Mark the columns of JSON text, as flext-singer's batch files want it."""
    marked = [
        pa.field(
            f.name,
            column.type,
            metadata=None if f.form is Form.PLAIN else TEXT_METADATA,
        )
        for column, f in zip(batch.columns, fields, strict=True)
    ]
    return pa.RecordBatch.from_arrays(batch.columns, schema=pa.schema(marked))


def nullable(name: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON Schema
    """Give the schema of a column that may be null."""
    return {"type": [name, "null"], **more}


def decimal_schema(precision: int | None, scale: int | None) -> dict[str, Any]:
    """Give the schema of an exact number; precision and scale are hints."""
    if precision is None or scale is None or not 0 <= scale <= precision:
        return nullable("number", **{"x-sql-datatype": "numeric"})
    digits = f"numeric({precision},{scale})" if scale else f"numeric({precision})"
    kind = "number" if scale else "integer"
    return nullable(kind, **{"x-sql-datatype": digits})


@dataclass
class Description:
    """What a reader knows about a type: see `Field`."""

    schema: dict[str, Any]
    expression: str
    form: Form = Form.PLAIN
    order: str = ""

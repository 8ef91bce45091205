"""One table in Postgres: how its rows get in, and how it grows wider.

Rows go in by COPY, as CSV that Arrow writes. Append copies into the table, upsert
into a temporary table that is merged at the commit, overwrite into a side table
that takes the table's place at the end of the run.
"""

# ruff: noqa: S608 - names are quoted, values are bound
# ruff: noqa: PLR0911 - one return per type reads as a table

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from flext_singer.errors import FlextError
from psycopg import sql
from pyarrow import csv

from flext_warehouse.columns import (
    JSON,
    NUMBER,
    SCALAR,
    Column,
    ColumnType,
    JsonSchema,
    Kind,
)
from flext_warehouse.decode import INSTANT
from flext_warehouse.evolution import Evolution, Widening
from flext_warehouse.files import as_text, json_text
from flext_warehouse.identifiers import POSTGRES_NAMES, fit_name, quote
from flext_warehouse.loading import LoadMethod, LoadOptions
from flext_warehouse.numbers import as_integers, fits_postgres_numeric
from flext_warehouse.postgres_connection import plain_errors
from flext_warehouse.postgres_types import (
    array_literals,
    converted,
    read_type,
    sql_type,
)
from flext_warehouse.table import DELETED_AT, VERSION, Table, missing_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flext_warehouse.postgres import PostgresWarehouse

_COPY_ROWS = 10_000

_READ_COLUMNS = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod)
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p')
AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_HAS_KEY = """
SELECT 1 FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s AND i.indisunique AND i.indisvalid
AND i.indpred IS NULL AND i.indexprs IS NULL AND (
  SELECT array_agg(a.attname::text ORDER BY a.attname::text) FROM pg_attribute a
  WHERE a.attrelid = c.oid
  AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])
) = %s
"""
_HAS_DEPENDENTS = """
SELECT EXISTS (
  SELECT 1 FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
  WHERE d.classid = 'pg_rewrite'::regclass AND d.refobjid = c.oid
  AND r.ev_class <> c.oid
) OR EXISTS (SELECT 1 FROM pg_constraint k WHERE k.confrelid = c.oid)
  OR c.relacl IS NOT NULL
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s
"""


def _instants_as_text(array: pa.Array) -> pa.Array:
    """Spell instants for COPY: Arrow writes a time with a zone ten times slower."""
    texts = array.cast(INSTANT).cast(pa.timestamp("us")).cast(pa.string())
    return pc.binary_join_element_wise(texts, "Z", "")


class PostgresTable(Table):
    """The table of one stream in Postgres."""

    refuse_nul = True

    def __init__(
        self,
        warehouse: PostgresWarehouse,
        stream: str,
        schema: JsonSchema,
        keys: Sequence[str],
        options: LoadOptions,
    ) -> None:
        self._warehouse = warehouse
        self.staged_rows = 0
        self._has_side = False
        super().__init__(stream, schema, keys, options, POSTGRES_NAMES)
        self._name = fit_name(stream, POSTGRES_NAMES)
        self._side_name = fit_name(f"{stream}__flext_new", POSTGRES_NAMES)
        self._place = f"{quote(options.schema)}.{quote(self._name)}"
        self._side = f"{quote(options.schema)}.{quote(self._side_name)}"
        stage = fit_name(f"stage {stream}", POSTGRES_NAMES)
        self._stage = f"pg_temp.{quote(stage)}"

    @property
    def _is_overwrite(self) -> bool:
        return self.method is LoadMethod.OVERWRITE

    @property
    def _destination(self) -> str:
        if self.method is LoadMethod.UPSERT:
            return self._stage
        return self._side if self._is_overwrite else self._place

    def _canonical(self, column: ColumnType) -> ColumnType:
        return NUMBER if column.kind is Kind.DECIMAL else column

    def _settle(self) -> None:
        self._warehouse.commit()

    def _wanted(self, existing: Any) -> list[Column]:  # noqa: ANN401 - names
        return [
            Column(c.source, c.name, self._canonical(c.type))
            for c in super()._wanted(existing)
        ]

    def _existing(self) -> dict[str, ColumnType] | None:
        if not self._is_overwrite:
            # Two targets may be about to create the same table.
            self._warehouse.lock(f"table {self._place}")
            return self._read_columns(self._name)
        if self._has_side:
            return self._read_columns(self._side_name)
        self._warehouse.lock_for_run(f"table {self._place}", self.stream)
        self._warehouse.run(f"DROP TABLE IF EXISTS {self._side}")  # of a broken run
        self._has_side = True
        return None

    def _read_columns(self, table: str) -> dict[str, ColumnType] | None:
        found = self._warehouse.run(
            _READ_COLUMNS, [self.options.schema, table]
        ).fetchall()
        types = {}
        for name, text in found:
            column = read_type(text)
            if column is not None:
                types[name] = column
            elif name in self._properties:
                raise missing_type(name, text, self._place)
        return types if found else None

    def _create(self) -> None:
        place = self._side if self._is_overwrite else self._place
        if not self.columns:
            raise FlextError(
                "the schema has no properties",
                where=f'stream "{self.stream}"',
                fix="select at least one property, or deselect the stream",
            )
        parts = [f"{quote(c.name)} {sql_type(c.type)}" for c in self.columns]
        self._warehouse.run(f"CREATE TABLE {place} ({', '.join(parts)})")

    def _evolve(self, plan: Evolution) -> None:
        place = self._side if self._is_overwrite else self._place
        for column in plan.add:
            self._warehouse.run(
                f"ALTER TABLE {place} ADD COLUMN {quote(column.name)} "
                f"{sql_type(column.type)}"
            )
        for widening in plan.widen:
            self._alter(place, widening)

    def _ready(self) -> None:
        if self.method is not LoadMethod.UPSERT:
            return
        self._make_unique()
        parts = ", ".join(f"{quote(c.name)} {sql_type(c.type)}" for c in self.columns)
        self._warehouse.run(f"DROP TABLE IF EXISTS {self._stage}")
        self._warehouse.run(
            f"CREATE TEMP TABLE {self._stage.removeprefix('pg_temp.')} ({parts}) "
            "ON COMMIT DELETE ROWS"
        )

    def _make_unique(self) -> None:
        """Give the table a unique index over its keys: the merge needs one."""
        there = self._warehouse.run(
            _HAS_KEY, [self.options.schema, self._name, sorted(self.keys)]
        ).fetchone()
        if there is not None:
            return
        keys = ", ".join(map(quote, self.keys))
        try:
            self._warehouse.run(f"CREATE UNIQUE INDEX ON {self._place} ({keys})")
        except psycopg.errors.UniqueViolation as error:
            raise FlextError(
                f"the table holds several rows of one key ({', '.join(self.keys)})",
                where=f'stream "{self.stream}", table {self._place}',
                fix="remove the duplicates, or load it once with load_method overwrite",
            ) from error

    def _fit(self, column: ColumnType, array: pa.Array) -> pa.Array | None:
        kind = column.kind
        if kind is Kind.INTEGER:
            return as_integers(array)
        if kind in (Kind.NUMBER, Kind.DECIMAL):
            if pa.types.is_floating(array.type) or pa.types.is_integer(array.type):
                return array.cast(pa.string())
            return array if fits_postgres_numeric(array) else None
        if kind in (Kind.TEXT, Kind.SCALAR):
            return as_text(array)
        if kind is Kind.JSON:
            return json_text(array)
        if kind is Kind.TIMESTAMP:
            return _instants_as_text(array)
        if kind is Kind.LIST:
            return array_literals(array) if pa.types.is_list(array.type) else None
        return array

    def _wider(self, column: Column, arrays: list[pa.Array]) -> ColumnType:  # noqa: ARG002 - Postgres' numeric takes nearly all
        if column.type.kind is Kind.LIST:
            return JSON
        if column.type.kind is Kind.INTEGER:
            return NUMBER
        return SCALAR

    def _widen(self, widening: Widening) -> None:
        if self._is_overwrite:
            self._alter(self._side, widening)
            return
        self._alter(self._place, widening)
        if self.method is LoadMethod.UPSERT:
            self._alter(self._stage, widening)

    def _alter(self, place: str, widening: Widening) -> None:
        name = quote(widening.name)
        self._warehouse.run(
            f"ALTER TABLE {place} ALTER COLUMN {name} TYPE "
            f"{sql_type(widening.after)} USING "
            f"{converted(name, widening.before, widening.after)}"
        )

    def _write(self, rows: pa.Table) -> None:
        names = ", ".join(quote(name) for name in rows.column_names)
        statement = (
            f"COPY {self._destination} ({names}) FROM STDIN "
            "(FORMAT csv, ENCODING 'UTF8')"
        )
        plain = csv.WriteOptions(include_header=False)
        with (
            plain_errors(f'stream "{self.stream}"'),
            self._warehouse.connection.cursor() as cursor,
            cursor.copy(sql.SQL(statement)) as copy,
        ):
            for batch in rows.to_batches(max_chunksize=_COPY_ROWS):
                buffer = io.BytesIO()
                csv.write_csv(batch, buffer, plain)
                copy.write(buffer.getbuffer())
        if self.method is LoadMethod.UPSERT:
            self.staged_rows += rows.num_rows
        else:
            self.counts.inserted += rows.num_rows
        self._warehouse.grow(rows.nbytes)

    def merge(self) -> None:
        """Put the staged rows into the table; the last one of a key wins."""
        # One merge per table at a time: two could wait for each other's rows.
        self._warehouse.lock(f"merge {self._place}")
        keys = ", ".join(map(quote, self.keys))
        names = ", ".join(quote(c.name) for c in self.columns)
        others = [quote(c.name) for c in self.columns if c.name not in self.keys]
        action = "NOTHING"
        if others:
            sets = ", ".join(f"{name} = EXCLUDED.{name}" for name in others)
            old = ", ".join(f"t.{name}" for name in others)
            new = ", ".join(f"EXCLUDED.{name}" for name in others)
            action = f"UPDATE SET {sets} WHERE ({old}) IS DISTINCT FROM ({new})"
        # The rows of a fresh temporary table lie in the order they came.
        row = self._warehouse.run(
            f"WITH merged AS (INSERT INTO {self._place} AS t ({names}) "
            f"SELECT DISTINCT ON ({keys}) {names} FROM {self._stage} "
            f"ORDER BY {keys}, ctid DESC ON CONFLICT ({keys}) DO {action} "
            "RETURNING (xmax = 0) AS is_new) "
            "SELECT count(*) FILTER (WHERE is_new), "
            "count(*) FILTER (WHERE NOT is_new), "
            f"(SELECT count(*) FROM (SELECT DISTINCT {keys} FROM {self._stage}) k) "
            "FROM merged"
        ).fetchone()
        new_rows, changed, distinct = row if row is not None else (0, 0, 0)
        self.counts.inserted += new_rows
        self.counts.updated += changed
        self.counts.unchanged += distinct - new_rows - changed
        self._delete_marked()
        self.staged_rows = 0

    def _delete_marked(self) -> None:
        """Delete what a record says is deleted, where the user wants that."""
        deleted = next((c for c in self.columns if c.source == DELETED_AT), None)
        if deleted is None or not self.options.hard_delete:
            return
        same = " AND ".join(f"t.{quote(k)} = s.{quote(k)}" for k in self.keys)
        mark = quote(deleted.name)
        gone = self._warehouse.run(
            f"DELETE FROM {self._place} t USING {self._stage} s "
            f"WHERE {same} AND t.{mark} IS NOT NULL"
        ).rowcount
        self.counts.deleted += gone

    def swap(self) -> None:
        """Let the side table's rows take the place of the table's."""
        place, side = self._place, self._side
        row = self._warehouse.run(
            _HAS_DEPENDENTS, [self.options.schema, self._name]
        ).fetchone()
        if row is None:
            self._warehouse.run(f"ALTER TABLE {side} RENAME TO {quote(self._name)}")
            return
        if not row[0]:
            self._warehouse.run(f"DROP TABLE {place}")
            self._warehouse.run(f"ALTER TABLE {side} RENAME TO {quote(self._name)}")
            return
        # Views, foreign keys or grants hang on the table: keep it, change its rows.
        existing = self._read_columns(self._name) or {}
        self._adopt_columns(existing)
        names = ", ".join(quote(c.name) for c in self.columns)
        self._warehouse.run(f"DELETE FROM {place}")
        self._warehouse.run(f"INSERT INTO {place} ({names}) SELECT {names} FROM {side}")
        self._warehouse.run(f"DROP TABLE {side}")

    def _adopt_columns(self, existing: dict[str, ColumnType]) -> None:
        from flext_warehouse.evolution import plan_evolution  # noqa: PLC0415 - rare

        plan = plan_evolution(existing, self.columns, self._rules.fold)
        self._refuse_unless_evolving(plan.describe())
        for column in plan.add:
            self._warehouse.run(
                f"ALTER TABLE {self._place} ADD COLUMN {quote(column.name)} "
                f"{sql_type(column.type)}"
            )
        for widening in plan.widen:
            self._alter(self._place, widening)
        there = {column.name: column.type for column in plan.columns}
        for column in self.columns:
            wide = there[column.name]
            if sql_type(wide) != sql_type(column.type):
                self._alter(self._side, Widening(column.name, column.type, wide))

    def activate(self, version: int) -> None:
        """Drop or mark rows of older versions."""
        names = {column.source: quote(column.name) for column in self.columns}
        if VERSION not in names:
            return  # no record of this stream bore a version
        place = self._side if self._is_overwrite else self._place
        older = f"coalesce({names[VERSION]} < {version:d}, true)"
        if self.options.hard_delete or self._is_overwrite:
            statement = f"DELETE FROM {place} WHERE {older}"
        else:
            mark = names[DELETED_AT]
            statement = (
                f"UPDATE {place} SET {mark} = now() WHERE {older} AND {mark} IS NULL"
            )
        self.counts.deleted += self._warehouse.run(statement).rowcount

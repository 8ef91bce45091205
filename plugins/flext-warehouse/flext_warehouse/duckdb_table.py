"""One table in DuckDB: how its rows get in, and how it grows wider.

Rows come as Arrow tables. Arrow data is handed over as a local variable, never
registered: DuckDB pins what is registered inside a transaction until the
transaction ends.
"""

# ruff: noqa: S608 - names are quoted, values are bound
# ruff: noqa: PLR0911 - one return per type reads as a table

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa
from flext_singer.errors import FlextError

from flext_warehouse.columns import (
    EXACT,
    JSON,
    MAX_DECIMAL_DIGITS,
    NUMBER,
    SCALAR,
    Column,
    ColumnType,
    JsonSchema,
    Kind,
)
from flext_warehouse.duckdb_types import converted, read_type, sql_type
from flext_warehouse.evolution import NUMERIC, Evolution, Widening
from flext_warehouse.files import as_text, json_text
from flext_warehouse.identifiers import DUCKDB_NAMES, fit_name, quote
from flext_warehouse.loading import LoadMethod, LoadOptions
from flext_warehouse.numbers import (
    Digits,
    as_decimals,
    as_doubles,
    as_integers,
    digits_of,
)
from flext_warehouse.table import DELETED_AT, VERSION, Table, missing_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from flext_warehouse.duckdb import DuckDBWarehouse

_ORDER = "_flext_order"
_DEFAULT_SCALE = 10
"""Digits after the point that a decimal of unknown digits begins with."""


class DuckDBTable(Table):
    """The table of one stream in DuckDB."""

    def __init__(
        self,
        warehouse: DuckDBWarehouse,
        stream: str,
        schema: JsonSchema,
        keys: Sequence[str],
        options: LoadOptions,
    ) -> None:
        self._warehouse = warehouse
        self._sql = warehouse.connection
        self.staged_rows = 0
        self._order = 0
        self._has_side = self._has_stage = False
        super().__init__(stream, schema, keys, options, DUCKDB_NAMES)
        name = fit_name(stream, DUCKDB_NAMES)
        self._name = name
        self._place = f"{warehouse.schema}.{quote(name)}"
        self._side_name = f"{name}__flext_new"
        self._side = f"{warehouse.schema}.{quote(self._side_name)}"
        self._stage = f"temp.main.{quote('stage ' + name)}"

    @property
    def _destination(self) -> str:
        if self.method is LoadMethod.UPSERT:
            return self._stage
        return self._side if self.method is LoadMethod.OVERWRITE else self._place

    def _settle(self) -> None:
        self._warehouse.commit()

    def _wanted(self, existing: Iterable[str]) -> list[Column]:
        # A decimal of unknown digits begins with some after the point; `_wider`
        # gives it more when a value has more.
        digits = ColumnType(Kind.DECIMAL, MAX_DECIMAL_DIGITS, _DEFAULT_SCALE)
        return [
            replace(column, type=digits) if column.type == EXACT else column
            for column in super()._wanted(existing)
        ]

    def _existing(self) -> dict[str, ColumnType] | None:
        if self.method is not LoadMethod.OVERWRITE:
            return self._read_columns(self._name)
        if self._has_side:
            return self._read_columns(self._side_name)
        self._sql.execute(f"DROP TABLE IF EXISTS {self._side}")  # of a broken run
        self._has_side = True
        return None

    def _read_columns(self, table: str) -> dict[str, ColumnType] | None:
        found = self._sql.execute(
            "SELECT column_name, data_type FROM duckdb_columns() "
            "WHERE database_name = current_database() AND lower(schema_name) = "
            "lower(?) AND lower(table_name) = lower(?) ORDER BY column_index",
            [self.options.schema, table],
        ).fetchall()
        wanted = {DUCKDB_NAMES.fold(name) for name in self._properties}
        types = {}
        for name, text in found:
            column = read_type(text)
            if column is not None:
                types[name] = column
            elif DUCKDB_NAMES.fold(name) in wanted:
                raise missing_type(name, text, self._place)
        return types if found else None

    def _create(self) -> None:
        place = self._side if self.method is LoadMethod.OVERWRITE else self._place
        if not self.columns:
            raise FlextError(
                "the schema has no properties",
                where=f'stream "{self.stream}"',
                fix="select at least one property, or deselect the stream",
            )
        columns = ", ".join(f"{quote(c.name)} {sql_type(c.type)}" for c in self.columns)
        self._sql.execute(f"CREATE TABLE {place} ({columns})")

    def _evolve(self, plan: Evolution) -> None:
        place = self._side if self.method is LoadMethod.OVERWRITE else self._place
        for column in plan.add:
            self._sql.execute(
                f"ALTER TABLE {place} ADD COLUMN "
                f"{quote(column.name)} {sql_type(column.type)}"
            )
        for widening in plan.widen:
            safe = self._safe_number(widening)
            self._alter(place, safe)
            for index, column in enumerate(self.columns):
                if column.name == widening.name and safe is not widening:
                    self.columns[index] = Column(column.source, column.name, safe.after)

    def _safe_number(self, widening: Widening) -> Widening:
        """Choose a decimal where integers are too large for a double."""
        if widening.before.kind is Kind.INTEGER and widening.after == NUMBER:
            digits = self._digits_there(widening.name, widening.before)
            if digits.whole > 15:  # noqa: PLR2004 - DBL_DIG
                decimal = ColumnType(Kind.DECIMAL, MAX_DECIMAL_DIGITS, _DEFAULT_SCALE)
                return Widening(widening.name, widening.before, decimal)
        return widening

    def _ready(self) -> None:
        if self.method is LoadMethod.UPSERT:
            columns = ", ".join(
                f"{quote(c.name)} {sql_type(c.type)}" for c in self.columns
            )
            self._sql.execute(
                f"CREATE OR REPLACE TEMP TABLE {self._stage} "
                f"({columns}, {quote(_ORDER)} BIGINT)"
            )
            self.staged_rows = 0
            self._has_stage = True

    def _fit(self, column: ColumnType, array: pa.Array) -> pa.Array | None:
        kind = column.kind
        if kind is Kind.NUMBER:
            return as_doubles(array)
        if kind is Kind.DECIMAL:
            precision = column.precision or MAX_DECIMAL_DIGITS
            return as_decimals(array, precision, column.scale or 0)
        if kind is Kind.INTEGER:
            return as_integers(array)
        if kind in (Kind.TEXT, Kind.SCALAR):
            return as_text(array)
        if kind is Kind.JSON:
            return json_text(array)
        if kind is Kind.LIST and not pa.types.is_list(array.type):
            return None
        return array

    def _wider(self, column: Column, arrays: list[pa.Array]) -> ColumnType:
        if column.type.kind is Kind.LIST:
            return JSON
        if column.type.kind not in NUMERIC:
            return SCALAR
        digits = self._digits_there(column.name, column.type)
        for array in arrays:
            digits |= digits_of(array.cast(pa.string()))
        if not digits.fits_decimal:
            return SCALAR
        return ColumnType(Kind.DECIMAL, MAX_DECIMAL_DIGITS, digits.scale)

    def _digits_there(self, name: str, column: ColumnType) -> Digits:
        """Count the digits of the numbers that the table and the stage hold."""
        digits = Digits()
        places = [self._side if self.method is LoadMethod.OVERWRITE else self._place]
        if self._has_stage:
            places.append(self._stage)
        for place in places:
            digits |= self._digits_in(place, name, column)
        return digits

    def _digits_in(self, place: str, name: str, column: ColumnType) -> Digits:
        text = f"CAST(abs({quote(name)}) AS VARCHAR)"
        if column.kind is Kind.INTEGER:
            text = f"CAST(abs(CAST({quote(name)} AS HUGEINT)) AS VARCHAR)"
        row = self._warehouse.read(
            f"SELECT max(length(split_part({text}, '.', 1))), "
            f"max(length(rtrim(split_part({text}, '.', 2), '0'))), "
            f"coalesce(bool_or(contains({text}, 'e') OR contains({text}, 'n')), false) "
            f"FROM {place}",
        )
        whole, scale, is_odd = row
        if is_odd:
            return Digits(MAX_DECIMAL_DIGITS + 1, 0)
        return Digits(whole or 0, scale or 0)

    def _widen(self, widening: Widening) -> None:
        # ALTER waits for nobody: rows of the open transaction go first.
        self._warehouse.commit_appends()
        if self.method is LoadMethod.OVERWRITE:
            self._alter(self._side, widening)
            return
        self._alter(self._place, widening)
        if self.method is LoadMethod.UPSERT:
            self._alter(self._stage, widening)

    def _alter(self, place: str, widening: Widening) -> None:
        name, after = quote(widening.name), widening.after
        self._sql.execute(
            f"ALTER TABLE {place} ALTER COLUMN {name} SET DATA TYPE "
            f"{sql_type(after)} USING {converted(name, widening.before, after)}"
        )

    def _write(self, rows: pa.Table) -> None:
        names = ", ".join(quote(name) for name in rows.column_names)
        if self.method is LoadMethod.UPSERT:
            order = pa.array(range(self._order, self._order + rows.num_rows))
            self._order += rows.num_rows
            rows = rows.append_column(_ORDER, order)
            self._sql.execute(
                f"INSERT INTO {self._stage} ({names}, {quote(_ORDER)}) "
                "SELECT * FROM rows"
            )
            self.staged_rows += rows.num_rows
            self._warehouse.grow(rows.nbytes)
            return
        self._warehouse.append(
            f"INSERT INTO {self._destination} ({names}) SELECT * FROM rows", rows
        )
        self.counts.inserted += rows.num_rows

    def merge(self) -> None:
        """Put the staged rows into the table; the last one of a key wins."""
        stage, place = self._stage, self._place
        keys = ", ".join(map(quote, self.keys))
        same_key = " AND ".join(f"t.{quote(k)} = s.{quote(k)}" for k in self.keys)
        rows, distinct = self._fetch(
            f"SELECT count(*), (SELECT count(*) FROM (SELECT DISTINCT {keys} "
            f"FROM {stage})) FROM {stage}"
        )
        if distinct < rows:
            self._sql.execute(
                f"DELETE FROM {stage} s USING (SELECT {keys}, max({quote(_ORDER)}) AS "
                f"latest FROM {stage} GROUP BY ALL) AS t "
                f"WHERE {same_key} AND s.{quote(_ORDER)} < t.latest"
            )
        updated = 0
        # Only the keys are read here; the rows below are compared as a whole.
        if self._fetch(
            f"SELECT count(*) FROM {place} t SEMI JOIN {stage} s ON {same_key}"
        )[0]:
            updated = self._clear_way(same_key)
        names = ", ".join(quote(c.name) for c in self.columns)
        alive = ""
        deleted = next((c for c in self.columns if c.source == DELETED_AT), None)
        if deleted is not None and self.options.hard_delete:
            alive = f" WHERE {quote(deleted.name)} IS NULL"
        written = self._fetch(
            f"INSERT INTO {place} ({names}) SELECT {names} FROM {stage}{alive}"
        )[0]
        self.counts.updated += min(updated, written)
        self.counts.inserted += max(0, written - updated)
        self.counts.deleted += max(0, updated - written)

    def _clear_way(self, same_key: str) -> int:
        """Delete what is staged but there already, and what will be replaced.

        Returns:
            How many rows will be replaced.
        """
        stage, place = self._stage, self._place
        if not any(c.source == VERSION for c in self.columns[self._data_count :]):
            # Rewriting what is there already costs more than looking.
            same = " AND ".join(
                f"t.{quote(c.name)} IS NOT DISTINCT FROM s.{quote(c.name)}"
                for c in self.columns
            )
            self.counts.unchanged += self._fetch(
                f"DELETE FROM {stage} s USING {place} t WHERE {same_key} AND {same}"
            )[0]
        return self._fetch(f"DELETE FROM {place} t USING {stage} s WHERE {same_key}")[0]

    def empty_stage(self) -> None:
        """Start an empty stage after its rows were merged and committed."""
        self._ready()

    def swap(self) -> None:
        """Let the side table take the table's place."""
        self._sql.execute(f"DROP TABLE IF EXISTS {self._place}")
        self._sql.execute(f"ALTER TABLE {self._side} RENAME TO {quote(self._name)}")

    def activate(self, version: int) -> None:
        """Drop or mark rows of older versions."""
        names = {column.source: quote(column.name) for column in self.columns}
        if VERSION not in names:
            return  # no record of this stream bore a version
        place = self._side if self.method is LoadMethod.OVERWRITE else self._place
        older = f"coalesce({names[VERSION]} < {version:d}, true)"
        if self.options.hard_delete or self.method is LoadMethod.OVERWRITE:
            deleted = self._fetch(f"DELETE FROM {place} WHERE {older}")[0]
        else:
            mark = names[DELETED_AT]
            deleted = self._fetch(
                f"UPDATE {place} SET {mark} = now() WHERE {older} AND {mark} IS NULL"
            )[0]
        self.counts.deleted += deleted

    def _fetch(self, statement: str) -> tuple[int, ...]:
        row: tuple[int, ...] | None = self._sql.execute(statement).fetchone()
        return row if row is not None else (0,)

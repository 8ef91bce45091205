"""DuckDB: the file, its tables, and how rows get in.

Rows come as Arrow tables. Append inserts in one transaction per commit; upsert
collects rows in a temporary table and merges them at the commit; overwrite fills
a side table that takes the table's place at the end of the run. Arrow data is
handed over as a local variable, never registered: DuckDB pins what is registered
inside a transaction until the transaction ends.
"""

# ruff: noqa: S608 - names are quoted, values are bound
# ruff: noqa: PLR0911 - one return per type reads as a table

from __future__ import annotations

import os
import re
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
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
from flext_warehouse.identifiers import DUCKDB_NAMES, fit_name, literal, quote
from flext_warehouse.location import DEFAULT_MEMORY
from flext_warehouse.numbers import (
    Digits,
    as_decimals,
    as_doubles,
    as_integers,
    digits_of,
)
from flext_warehouse.table import (
    DELETED_AT,
    VERSION,
    LoadMethod,
    LoadOptions,
    Table,
    missing_type,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_MERGE_BYTES = 96 * 1024 * 1024
"""Staged or uncommitted Arrow bytes after which rows are made durable early."""
_MOST_THREADS = 4
_ORDER = "_flext_order"
_DEFAULT_SCALE = 10
_LOCK_HOLDER = re.compile(r"\(PID (\d+)\)")
_POLL_SECONDS = 0.1


@contextmanager
def plain_errors(place: str) -> Iterator[None]:
    """Turn DuckDB's errors into one line that says what to do."""
    try:
        yield
    except duckdb.Error as error:
        text = str(error).strip().splitlines()[0]
        fix = "see the message of DuckDB"
        if "No space left" in text or "out of disk" in text.lower():
            fix = "free disk space; rows of earlier commits are safe"
        elif "Permission denied" in text:
            fix = "give this user the right to write there"
        elif isinstance(error, duckdb.OutOfMemoryException):
            fix = "raise duckdb_memory_limit"
        raise FlextError(text, where=place, fix=fix) from error


def _create_whole(path: Path) -> None:
    """Make a new database under another name and give it its own when it is whole.

    DuckDB writes a new file's header in several steps: a process killed between them
    would leave a file that no later run can open.
    """
    if path.exists():
        return
    for left in path.parent.glob(f".{path.name}.*.new*"):
        left.unlink(missing_ok=True)  # of a creation that was killed
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    duckdb.connect(str(new)).close()
    try:
        # Unlike a rename this never replaces what another process made meanwhile.
        os.link(new, path)
    except OSError:
        if not path.exists():
            new.rename(path)  # a file system without hard links
    finally:
        new.unlink(missing_ok=True)


def connect(
    path: str,
    *,
    read_only: bool = False,
    lock_seconds: float = 10.0,
    memory_limit: str | None = DEFAULT_MEMORY,
) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB file, waiting a while for another process to let go.

    Args:
        path: the file; missing folders are made unless `read_only`.
        read_only: open for reading; the file must exist.
        lock_seconds: how long to wait for the lock.
        memory_limit: DuckDB's own limit, such as `160MB`.

    Raises:
        FlextError: the file is locked, missing, or cannot be opened.
    """
    if read_only and not Path(path).exists():
        raise FlextError(
            "there is no such DuckDB file", where=path, fix="load the warehouse first"
        )
    give_up_at = time.monotonic() + lock_seconds
    while True:
        try:
            if not read_only:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                _create_whole(Path(path))
            connection = duckdb.connect(path, read_only=read_only)
            break
        except OSError as error:
            raise FlextError(
                f"cannot make the folder: {error.strerror}",
                where=path,
                fix="choose a folder that this user may write to",
            ) from error
        except duckdb.IOException as error:
            if "lock" not in str(error):
                with plain_errors(path):
                    raise
            if time.monotonic() >= give_up_at:
                raise _locked(path, str(error), lock_seconds) from error
            time.sleep(_POLL_SECONDS)
        except duckdb.Error:
            with plain_errors(path):
                raise
    connection.execute("SET TimeZone='UTC'")
    connection.execute("SET preserve_insertion_order=false")
    connection.execute(f"SET threads={min(_MOST_THREADS, os.cpu_count() or 1)}")
    if memory_limit:
        with plain_errors('setting "duckdb_memory_limit"'):
            connection.execute(f"SET memory_limit={literal(memory_limit)}")
    return connection


def _locked(path: str, message: str, waited_seconds: float) -> FlextError:
    match = _LOCK_HOLDER.search(message)
    holder = f"process {match[1]}" if match else "another process"
    return FlextError(
        f"the DuckDB file is in use by {holder}; waited {waited_seconds:g} s",
        where=path,
        fix="let it finish, raise lock_timeout_seconds, or use Postgres for "
        "runs in parallel",
    )


class DuckDBWarehouse:
    """One DuckDB file, open for writing.

    Args:
        path: the file.
        options: see `LoadOptions`.
        lock_seconds: how long to wait for another process.
        memory_limit: DuckDB's own limit.
    """

    def __init__(
        self,
        path: str,
        options: LoadOptions,
        *,
        lock_seconds: float = 10.0,
        memory_limit: str = DEFAULT_MEMORY,
    ) -> None:
        self.path = path
        self.options = options
        self.connection = connect(
            path, lock_seconds=lock_seconds, memory_limit=memory_limit
        )
        self._appending = self.connection.cursor()
        self._appending.execute("SET TimeZone='UTC'")
        self.is_appending = False
        self._uncommitted_bytes = 0
        self._tables: dict[str, DuckDBTable] = {}
        catalog = self.connection.execute("SELECT current_database()").fetchall()
        # With the catalogue: file and schema of one name would be ambiguous.
        self.schema = f"{quote(catalog[0][0])}.{quote(options.schema)}"
        with plain_errors(path):
            self.connection.execute(f"CREATE SCHEMA IF NOT EXISTS {self.schema}")

    def table(
        self, stream: str, schema: JsonSchema, keys: Sequence[str]
    ) -> DuckDBTable:
        """Give the prepared table of a stream; again after each SCHEMA message."""
        with plain_errors(f'stream "{stream}", {self.path}'):
            table = self._tables.get(stream)
            if table is None:
                table = DuckDBTable(self, stream, schema, keys, self.options)
                self._tables[stream] = table
            else:
                self.commit()
                table.accept(schema, keys)
            table.prepare()
        return table

    def append(self, statement: str, rows: pa.Table) -> None:
        """Run an INSERT that reads `rows`, to be kept at the next commit."""
        if not self.is_appending:
            self._appending.execute("BEGIN")
            self.is_appending = True
        self._appending.execute(statement)
        self.grow(rows.nbytes)

    def grow(self, size_bytes: int) -> None:
        """Note rows that wait for a commit; commit when they are many."""
        self._uncommitted_bytes += size_bytes
        if self._uncommitted_bytes >= _MERGE_BYTES:
            self.commit()

    def commit(self) -> None:
        """Make durable all rows handed over so far, but for overwrites."""
        with plain_errors(self.path):
            waiting = [t for t in self._tables.values() if t.staged_rows]
            if waiting:
                self.connection.execute("BEGIN")
                try:
                    for table in waiting:
                        table.merge()
                    self.connection.execute("COMMIT")
                except BaseException:
                    self.connection.rollback()
                    raise
                for table in waiting:
                    table.empty_stage()
            self.commit_appends()
            self._uncommitted_bytes = 0

    def commit_appends(self) -> None:
        """Commit the open transaction of appended rows, if there is one."""
        if self.is_appending:
            self._appending.execute("COMMIT")
            self.is_appending = False

    def read(self, query: str) -> tuple[Any, ...]:
        """Give the first row of a query, which sees appended rows as well."""
        self.commit_appends()
        row: tuple[Any, ...] = self.connection.execute(query).fetchall()[0]
        return row

    def finish(self) -> None:
        """End the run: overwritten tables change places, all at once."""
        self.commit()
        side = [t for t in self._tables.values() if t.method is LoadMethod.OVERWRITE]
        if not side:
            return
        with plain_errors(self.path):
            self.connection.execute("BEGIN")
            for table in side:
                table.swap()
            self.connection.execute("COMMIT")

    def activate(self, table: DuckDBTable, version: int) -> None:
        """Drop or mark the rows of versions older than `version`."""
        self.commit()
        with plain_errors(f'stream "{table.stream}"'):
            table.activate(version)

    def report(self) -> list[str]:
        """Give one line per table: what happened to its rows in this run."""
        return [f"{t.stream}: {t.counts}" for t in self._tables.values()]

    def close(self) -> None:
        """Close the file; what is uncommitted is gone."""
        self._appending.close()
        self.connection.close()


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

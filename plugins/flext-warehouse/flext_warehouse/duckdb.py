"""DuckDB: the file, open for writing, and its commits.

Append inserts in one transaction per commit; upsert collects rows in a temporary
table and merges them at the commit; overwrite fills a side table that takes the
table's place at the end of the run. `duckdb_table.py` does it for one table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flext_warehouse.duckdb_connection import connect, plain_errors
from flext_warehouse.duckdb_table import DuckDBTable
from flext_warehouse.identifiers import quote
from flext_warehouse.loading import LoadMethod, LoadOptions
from flext_warehouse.location import DEFAULT_MEMORY

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from flext_warehouse.columns import (
        JsonSchema,
    )

_MERGE_BYTES = 96 * 1024 * 1024
"""Staged or uncommitted Arrow bytes after which rows are made durable early."""


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

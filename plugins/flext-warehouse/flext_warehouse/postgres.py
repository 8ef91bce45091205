"""Postgres: the connection, its locks and its commits.

All that happens between two commits is one transaction, so a crash leaves what the
last commit left. `postgres_table.py` fills one table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
from flext_singer.errors import FlextError
from psycopg import sql

from flext_warehouse.identifiers import quote
from flext_warehouse.loading import LoadMethod, LoadOptions
from flext_warehouse.location import shown
from flext_warehouse.postgres_connection import Server, plain_errors
from flext_warehouse.postgres_table import PostgresTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flext_warehouse.columns import (
        JsonSchema,
    )

_COMMIT_BYTES = 512 * 1024 * 1024
"""Copied bytes after which rows are made durable although no STATE waits."""


class PostgresWarehouse:
    """One Postgres database, open for writing.

    Args:
        server: how to reach it.
        options: see `LoadOptions`.
        lock_seconds: how long to wait for another run that overwrites the same
            table.
    """

    def __init__(
        self, server: Server, options: LoadOptions, *, lock_seconds: float = 10.0
    ) -> None:
        self.place = shown(server.url)
        self.options = options
        self.lock_seconds = lock_seconds
        self.connection = server.connect()
        self._tables: dict[str, PostgresTable] = {}
        self._uncommitted_bytes = 0
        with plain_errors(self.place):
            row = self.run(
                "SELECT 1 FROM pg_namespace WHERE nspname = %s", [options.schema]
            ).fetchone()
            if row is None:
                # IF NOT EXISTS alone fails when two do it at the same moment.
                self.lock(f"schema {options.schema}")
                self.run(f"CREATE SCHEMA IF NOT EXISTS {quote(options.schema)}")
            self.connection.commit()

    def run(
        self, statement: str, parameters: Sequence[Any] | None = None
    ) -> psycopg.Cursor:
        """Execute one statement; names in it are quoted already."""
        return self.connection.execute(sql.SQL(statement), parameters)

    def lock(self, name: str) -> None:
        """Wait for the right to change `name` until this transaction ends."""
        self.run("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [_own(name)])

    def lock_for_run(self, name: str, stream: str) -> None:
        """Keep `name` for this run; refuse if another run has it."""
        self.run(f"SET lock_timeout = {int(self.lock_seconds * 1000)}")
        try:
            self.run("SELECT pg_advisory_lock(hashtextextended(%s, 1))", [_own(name)])
        except psycopg.errors.LockNotAvailable as error:
            self.connection.rollback()
            raise FlextError(
                f"another run is overwriting {name}; waited {self.lock_seconds:g} s",
                where=f'stream "{stream}"',
                fix="let it finish, or raise lock_timeout_seconds",
            ) from error
        self.run("SET lock_timeout = 0")

    def table(
        self, stream: str, schema: JsonSchema, keys: Sequence[str]
    ) -> PostgresTable:
        """Give the prepared table of a stream; again after each SCHEMA message."""
        with plain_errors(f'stream "{stream}", {self.place}'):
            table = self._tables.get(stream)
            if table is None:
                table = PostgresTable(self, stream, schema, keys, self.options)
                self._tables[stream] = table
            else:
                self.commit()
                table.accept(schema, keys)
            table.prepare()
            self.connection.commit()
        return table

    def grow(self, size_bytes: int) -> None:
        """Note rows that wait for a commit; commit when they are many."""
        self._uncommitted_bytes += size_bytes
        if self._uncommitted_bytes >= _COMMIT_BYTES:
            self.commit()

    def commit(self) -> None:
        """Make durable all rows handed over so far, but for overwrites."""
        with plain_errors(self.place):
            for table in self._tables.values():
                if table.staged_rows:
                    table.merge()
            self.connection.commit()
            self._uncommitted_bytes = 0

    def finish(self) -> None:
        """End the run: overwritten tables change places, all at once."""
        self.commit()
        with plain_errors(self.place):
            for table in self._tables.values():
                if table.method is LoadMethod.OVERWRITE:
                    table.swap()
            self.connection.commit()

    def activate(self, table: PostgresTable, version: int) -> None:
        """Drop or mark the rows of versions older than `version`."""
        self.commit()
        with plain_errors(f'stream "{table.stream}"'):
            table.activate(version)

    def report(self) -> list[str]:
        """Give one line per table: what happened to its rows in this run."""
        return [f"{t.stream}: {t.counts}" for t in self._tables.values()]

    def close(self) -> None:
        """Close the connection; what is uncommitted is gone."""
        self.connection.close()


def _own(name: str) -> str:
    return f"flext-warehouse {name}"

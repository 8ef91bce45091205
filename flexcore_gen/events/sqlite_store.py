"""The event store in one SQLite file.

WAL, so that readers never hold up a run; one `BEGIN IMMEDIATE` transaction per
event, synced to disk; triggers refuse any change to what is written; each row
carries the hash of the row before it.
"""

# ruff: noqa: S608 - every statement is put together from constants of this module

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import time
from typing import TYPE_CHECKING, Any

from flexcore_gen.events.run_event import TERMINAL, RunEvent, StoredEvent, dump_json
from flexcore_gen.events.store import (
    ChainReport,
    EmptyStoreError,
    EventRefusedError,
    RunClosedError,
    StoreError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GENESIS = "0" * 64
"""The hash before the first event."""

BUSY_SECONDS = 2.0
"""How long a writer waits for another; past it the run's events are spooled."""

_SCHEMA_VERSION = 1
_TERMINAL_SQL = ", ".join(f"'{name}'" for name in TERMINAL)
_FIELDS = (
    "id, source, type, subject, time, name, aggregate_id, version, "
    "correlation_id, causation_id, data"
)

# The insert trigger stops `INSERT OR REPLACE`, which deletes rows without
# firing delete triggers.
_SCHEMA = f"""\
CREATE TABLE events (
  sequence       INTEGER PRIMARY KEY AUTOINCREMENT,
  id             TEXT NOT NULL UNIQUE,
  source         TEXT NOT NULL,
  type           TEXT NOT NULL,
  subject        TEXT NOT NULL,
  time           TEXT NOT NULL,
  name           TEXT NOT NULL,
  aggregate_id   TEXT NOT NULL,
  version        INTEGER NOT NULL CHECK (version > 0),
  correlation_id TEXT NOT NULL,
  causation_id   TEXT,
  data           TEXT NOT NULL CHECK (json_valid(data)),
  previous_hash  TEXT NOT NULL,
  hash           TEXT NOT NULL UNIQUE,
  UNIQUE (aggregate_id, version)
);
CREATE UNIQUE INDEX events_one_terminal ON events (aggregate_id)
  WHERE name IN ({_TERMINAL_SQL});
CREATE INDEX events_started ON events (sequence)
  WHERE name = 'PipelineStarted';
CREATE INDEX events_correlation ON events (correlation_id);
CREATE TRIGGER events_no_update BEFORE UPDATE ON events
  BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER events_no_delete BEFORE DELETE ON events
  BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER events_no_replace BEFORE INSERT ON events
  WHEN EXISTS (SELECT 1 FROM events WHERE sequence = NEW.sequence OR id = NEW.id
               OR hash = NEW.hash)
    OR EXISTS (SELECT 1 FROM events WHERE aggregate_id = NEW.aggregate_id
               AND name IN ({_TERMINAL_SQL}))
    OR NEW.version <> (SELECT coalesce(max(version), 0) + 1 FROM events
                       WHERE aggregate_id = NEW.aggregate_id)
  BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE VIEW runs AS
SELECT s.aggregate_id AS run_id, s.correlation_id, s.subject AS pipeline,
       json_extract(s.data, '$.environment') AS environment,
       CASE e.name WHEN 'PipelineCompleted' THEN 'success'
                   WHEN 'PipelineFailed' THEN 'failed'
                   WHEN 'PipelineLost' THEN 'lost' ELSE 'running' END AS status,
       s.time AS started_at, e.time AS ended_at,
       json_extract(e.data, '$.duration_seconds') AS duration_seconds,
       coalesce(json_extract(e.data, '$.rows'),
                (SELECT sum(json_extract(x.data, '$.rows')) FROM events x
                 WHERE x.aggregate_id = s.aggregate_id AND x.name = 'TargetLoaded'),
                0) AS rows,
       json_extract(e.data, '$.error') AS error
FROM events s
LEFT JOIN events e ON e.aggregate_id = s.aggregate_id AND e.name IN ({_TERMINAL_SQL})
WHERE s.name = 'PipelineStarted';
PRAGMA user_version = {_SCHEMA_VERSION};
"""


class SqliteStore:
    """An `EventStore` in a file, readable and writable by its owner only."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        """Open the file.

        Raises:
            StoreError: It is not there (with `create=False`), not writable, locked,
                not ours, or written by a newer version.
        """
        self.path = path
        try:
            if create:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                # SQLite gives its -wal and -shm files the mode of the database.
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            elif not path.exists():
                raise StoreError(f"no event store at {path}")
            self._connection = sqlite3.connect(
                path, timeout=BUSY_SECONDS, isolation_level=None
            )
            try:
                self._prepare(create=create)
            except BaseException:
                self._connection.close()
                raise
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"{path}: {error}") from error

    def _prepare(self, *, create: bool) -> None:
        self._connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000:.0f}")
        self._connection.execute("PRAGMA synchronous = FULL")
        version = self._user_version()
        if version == 0 and create:
            self._create()
            version = self._user_version()
        if version == 0 and not self._has_tables():
            raise EmptyStoreError(f"nothing has been written to {self.path} yet")
        if version != _SCHEMA_VERSION:
            raise StoreError(
                f"{self.path} is not an event store of this version "
                f"(found {version}, expected {_SCHEMA_VERSION})"
            )

    def _user_version(self) -> int:
        return int(self._connection.execute("PRAGMA user_version").fetchone()[0])

    def _has_tables(self) -> bool:
        query = "SELECT count(*) FROM sqlite_master"
        return bool(self._connection.execute(query).fetchone()[0])

    def _create(self) -> None:
        # Turning WAL on is refused at once, not after the busy timeout, while
        # another first run does the same.
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        with self._transaction():
            if self._user_version() == 0:
                for statement in _statements(_SCHEMA):
                    self._connection.execute(statement)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def append(self, event: RunEvent) -> StoredEvent:
        """Add one event durably; see `EventStore.append`."""
        try:
            with self._transaction():
                return self._append(event)
        except sqlite3.IntegrityError as error:
            raise EventRefusedError(f"{self.path}: {error}") from error
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: {error}") from error

    def _append(self, event: RunEvent) -> StoredEvent:
        known = self._connection.execute(
            f"SELECT sequence, {_FIELDS}, previous_hash, hash FROM events WHERE id = ?",
            (event.id,),
        ).fetchone()
        if known is not None:
            return _stored(known)
        closed = self._connection.execute(
            f"SELECT name FROM events WHERE aggregate_id = ? "
            f"AND name IN ({_TERMINAL_SQL})",
            (event.aggregate_id,),
        ).fetchone()
        if closed is not None:
            raise RunClosedError(f"run {event.aggregate_id} has ended: {closed[0]}")
        (version,) = self._connection.execute(
            "SELECT coalesce(max(version), 0) + 1 FROM events WHERE aggregate_id = ?",
            (event.aggregate_id,),
        ).fetchone()
        last = self._connection.execute(
            "SELECT hash FROM events ORDER BY sequence DESC LIMIT 1"
        ).fetchone()
        previous = last[0] if last else GENESIS
        fields = _field_values(event, version)
        digest = _digest(previous, fields)
        cursor = self._connection.execute(
            f"INSERT INTO events ({_FIELDS}, previous_hash, hash) "
            f"VALUES ({', '.join('?' * (len(fields) + 2))})",
            (*fields, previous, digest),
        )
        return StoredEvent(event, version, int(cursor.lastrowid or 0), previous, digest)

    def events(self, run_id: str | None = None) -> Iterator[StoredEvent]:
        """Yield events in the order they were added, of one run or of all."""
        where = "" if run_id is None else "WHERE aggregate_id = ?"
        values = () if run_id is None else (run_id,)
        try:
            rows = self._connection.execute(
                f"SELECT sequence, {_FIELDS}, previous_hash, hash FROM events "
                f"{where} ORDER BY sequence",
                values,
            )
            for row in rows:
                yield _stored(row)
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: {error}") from error

    def run_ids(
        self,
        *,
        pipeline: str | None = None,
        open_only: bool = False,
        latest: int | None = None,
    ) -> list[str]:
        """Return the ids of runs, newest first; see `EventStore.run_ids`."""
        query = f"""
            SELECT s.aggregate_id FROM (
              SELECT aggregate_id, subject, sequence FROM events
              WHERE name = 'PipelineStarted' ORDER BY sequence DESC LIMIT :latest
            ) s
            WHERE (:pipeline IS NULL OR s.subject = :pipeline)
              AND (NOT :open_only OR NOT EXISTS (
                SELECT 1 FROM events e WHERE e.aggregate_id = s.aggregate_id
                AND e.name IN ({_TERMINAL_SQL})))
            ORDER BY s.sequence DESC"""
        values = {
            "latest": -1 if latest is None else latest,
            "pipeline": pipeline,
            "open_only": open_only,
        }
        try:
            rows = self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: {error}") from error
        return [row[0] for row in rows]

    def find_runs(self, identity: str) -> list[str]:
        """Return the runs with this run id, or this correlation id, newest first."""
        try:
            rows = self._connection.execute(
                "SELECT aggregate_id FROM events WHERE name = 'PipelineStarted'"
                " AND (aggregate_id = ? OR correlation_id = ?)"
                " ORDER BY sequence DESC",
                (identity, identity),
            ).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: {error}") from error
        return [row[0] for row in rows]

    def verify(self) -> ChainReport:
        """Recompute the hash chain; name the first event that does not fit."""
        previous, count = GENESIS, 0
        try:
            rows = self._connection.execute(
                f"SELECT sequence, {_FIELDS}, previous_hash, hash FROM events "
                "ORDER BY sequence"
            )
            for row in rows:
                sequence, *fields, stored_previous, digest = row
                count += 1
                if sequence != count:
                    return ChainReport(count, previous, f"event {count} is missing")
                if stored_previous != previous or digest != _digest(previous, fields):
                    return ChainReport(
                        count, previous, f"event {sequence} was changed after writing"
                    )
                previous = digest
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: {error}") from error
        return ChainReport(count, previous)

    def has_hash(self, digest: str) -> bool:
        """Return whether an event with this hash is in the chain."""
        found = self._connection.execute(
            "SELECT 1 FROM events WHERE hash = ?", (digest,)
        ).fetchone()
        return found is not None

    def close(self) -> None:
        """Release the connection."""
        self._connection.close()


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of a script; `executescript` would commit first."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""


def _field_values(event: RunEvent, version: int) -> list[Any]:
    return [
        event.id,
        event.source,
        event.type,
        event.subject,
        event.time,
        event.name,
        event.aggregate_id,
        version,
        event.correlation_id,
        event.causation_id,
        dump_json(event.data),
    ]


def _digest(previous: str, fields: list[Any]) -> str:
    return hashlib.sha256(f"{previous}\n{dump_json(fields)}".encode()).hexdigest()


def _stored(row: tuple[Any, ...]) -> StoredEvent:
    sequence, *fields, previous, digest = row
    identity, source, _type, subject, time_, name, aggregate = fields[:7]
    version, correlation, causation, data = fields[7:]
    event = RunEvent(
        name=name,
        source=source,
        subject=subject,
        aggregate_id=aggregate,
        correlation_id=correlation,
        causation_id=causation,
        data=json.loads(data),
        id=identity,
        time=time_,
    )
    return StoredEvent(event, version, sequence, previous, digest)

"""The event store in one SQLite file.

WAL, so that readers never hold up a run; one `BEGIN IMMEDIATE` transaction per
event, synced to disk; triggers refuse any change to what is written; each row
carries the hash of the row before it.
"""

# ruff: noqa: S608 - every statement is put together from constants of this module

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from typing import TYPE_CHECKING, Any

from flexcore_gen.events.chain import (
    FIELDS,
    GENESIS,
    TERMINAL_SQL,
    digest,
    field_values,
    stored_event,
)
from flexcore_gen.events.event_queries import EventQueries
from flexcore_gen.events.run_event import RunEvent, StoredEvent
from flexcore_gen.events.store import (
    EmptyStoreError,
    EventRefusedError,
    RunClosedError,
    StoreError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flexcore_gen.events.deliveries import Delivery
    from flexcore_gen.events.exclusion import Claim
    from flexcore_gen.events.store import Holder

BUSY_SECONDS = 2.0
"""How long a writer waits for another; past it the run's events are spooled."""

_SCHEMA_VERSION = 1

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
  WHERE name IN ({TERMINAL_SQL});
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
               AND name IN ({TERMINAL_SQL}))
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
LEFT JOIN events e ON e.aggregate_id = s.aggregate_id AND e.name IN ({TERMINAL_SQL})
WHERE s.name = 'PipelineStarted';
PRAGMA user_version = {_SCHEMA_VERSION};
"""


_DELIVERIES = """\
CREATE TABLE IF NOT EXISTS deliveries (
  destination TEXT NOT NULL,
  position    INTEGER NOT NULL,
  event_id    TEXT NOT NULL,
  outcome     TEXT NOT NULL,
  attempts    INTEGER NOT NULL,
  detail      TEXT NOT NULL,
  time        TEXT NOT NULL
)"""


class SqliteStore(EventQueries):
    """An `EventStore` in a file, readable and writable by its owner only."""

    has_locks = False

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
            f"SELECT sequence, {FIELDS}, previous_hash, hash FROM events WHERE id = ?",
            (event.id,),
        ).fetchone()
        if known is not None:
            return stored_event(known)
        closed = self._connection.execute(
            f"SELECT name FROM events WHERE aggregate_id = ? "
            f"AND name IN ({TERMINAL_SQL})",
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
        fields = field_values(event, version)
        own = digest(previous, fields)
        cursor = self._connection.execute(
            f"INSERT INTO events ({FIELDS}, previous_hash, hash) "
            f"VALUES ({', '.join('?' * (len(fields) + 2))})",
            (*fields, previous, own),
        )
        return StoredEvent(event, version, int(cursor.lastrowid or 0), previous, own)

    def hold(self, claim: Claim, run_id: str) -> Holder | None:
        """Hold nothing: one machine's runs exclude each other by their own files."""
        del claim, run_id
        return None

    def holder(self, key: str) -> Holder | None:
        """Return None: see `hold`."""
        del key
        return None

    def let_go(self, claim: Claim) -> None:
        """Do nothing: see `hold`."""

    def delivered_up_to(self, destination: str) -> int | None:
        """Return a destination's position; see `EventStore.delivered_up_to`."""
        return super().delivered_up_to(destination) if self._delivers() else None

    def deliveries(self, limit: int) -> list[dict[str, Any]]:
        """Return what became of events; see `EventStore.deliveries`."""
        return super().deliveries(limit) if self._delivers() else []

    def _delivers(self) -> bool:
        query = "SELECT 1 FROM sqlite_master WHERE name = 'deliveries'"
        return any(True for _ in self._rows(query, {}))

    def record_delivery(self, delivery: Delivery) -> None:
        """Keep what became of an event at a destination."""
        try:
            # Stores that were made before there were deliveries get theirs now.
            self._connection.execute(_DELIVERIES)
            self._connection.execute(
                "INSERT INTO deliveries VALUES (:destination, :position, :event_id, "
                ":outcome, :attempts, :detail, :time)",
                vars(delivery),
            )
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: {error}") from error

    def _rows(self, query: str, values: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._connection.execute(query, values)
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: {error}") from error

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

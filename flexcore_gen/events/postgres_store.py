"""The event store in Postgres: one store and one lock for runs of many hosts.

Events are added one after the other under an advisory lock, so that the chain has
one order. What running pipelines hold is in `postgres_locks`.

The address holds a password: no message of this module repeats it.
"""

from __future__ import annotations

import contextlib
import re
import time
from typing import TYPE_CHECKING, Any, TypeVar

from flexcore_gen.events.chain import (
    FIELDS,
    GENESIS,
    TERMINAL_SQL,
    digest,
    field_values,
    stored_event,
)
from flexcore_gen.events.event_queries import EventQueries
from flexcore_gen.events.postgres_locks import (
    give_back,
    sessions_in_the_way,
    sessions_with,
    take,
)
from flexcore_gen.events.postgres_schema import CHAIN_LOCK, SCHEMA_VERSION
from flexcore_gen.events.run_event import RunEvent, StoredEvent
from flexcore_gen.events.store import (
    EventRefusedError,
    Holder,
    RunClosedError,
    StoreError,
    without_password,
)

try:
    import psycopg
except ImportError as error:
    raise StoreError(
        "an event store in Postgres needs psycopg: pip install 'flexcore[postgres]'"
    ) from error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flexcore_gen.events.deliveries import Delivery
    from flexcore_gen.events.exclusion import Claim

CONNECT_SECONDS = 3
"""How long a start waits for the server; past it the run's events are spooled."""

WAIT_SECONDS = 2
"""How long a writer waits for another."""

_APPLICATION = "flexcore"
_NAMED = re.compile(r"(?<!:):([a-z_]+)")
# Both ends notice within half a minute that the other's host is gone; 0 rows come
# from a server that keeps its own settings.
_SESSION = f"""
SET search_path = flexcore, pg_catalog;
SET lock_timeout = '{WAIT_SECONDS}s';
SET statement_timeout = '60s';
SET idle_in_transaction_session_timeout = '10s';
SET tcp_keepalives_idle = 10;
SET tcp_keepalives_interval = 5;
SET tcp_keepalives_count = 3;
"""
_INSERT = (
    f"INSERT INTO events (sequence, {FIELDS}, previous_hash, hash) "  # noqa: S608 - constants
    f"VALUES ({', '.join(['%s'] * 14)})"
)
_INSERT_DELIVERY = (
    "INSERT INTO deliveries (destination, position, event_id, outcome, attempts, "
    "detail, time) VALUES (%s, %s, %s, %s, %s, %s, %s)"
)
_KNOWN = f"SELECT sequence, {FIELDS}, previous_hash, hash FROM events WHERE id = %s"  # noqa: S608 - constants
_NEXT = f"""
SELECT (SELECT name FROM events WHERE aggregate_id = %(run)s
        AND name IN ({TERMINAL_SQL})),
       (SELECT coalesce(max(version), 0) + 1 FROM events WHERE aggregate_id = %(run)s),
       (SELECT max(sequence) FROM events),
       (SELECT hash FROM events ORDER BY sequence DESC LIMIT 1)
"""  # noqa: S608 - constants
_T = TypeVar("_T")


class PostgresStore(EventQueries):
    """An `EventStore` in the schema `flexcore` of a database."""

    has_locks = True

    def __init__(self, address: str) -> None:
        """Connect.

        Raises:
            StoreError: The server is away, or `events init` has not been run there.
        """
        self._address = address
        self._place = without_password(address)
        self._held: tuple[Claim, str] | None = None
        self._connection = self._connect()

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        try:
            options = psycopg.conninfo.conninfo_to_dict(self._address)
        except psycopg.Error:
            # The driver's words may quote a piece of the password.
            raise StoreError(
                f"{self._place} is no valid address; percent-encode special characters"
            ) from None
        given: dict[str, Any] = {
            "connect_timeout": CONNECT_SECONDS,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            **options,
        }
        try:
            connection = psycopg.connect(autocommit=True, **given)
        except psycopg.Error as error:
            raise self._away(error) from None
        try:
            connection.execute(_SESSION)
            row = connection.execute("SELECT version FROM about").fetchone()
        except (psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege):
            connection.close()
            raise StoreError(
                f"{self._place} holds no event store that this login may use; "
                "`flexcore-gen events init` prints what its administrator runs"
            ) from None
        except psycopg.Error as error:
            connection.close()
            raise self._away(error) from None
        if row is None or row[0] != SCHEMA_VERSION:
            connection.close()
            raise StoreError(
                f"{self._place} is not an event store of this version "
                f"(found {row and row[0]}, expected {SCHEMA_VERSION})"
            )
        return connection

    def _away(self, error: Exception) -> StoreError:
        text = " ".join(str(error).split())
        password = psycopg.conninfo.conninfo_to_dict(self._address).get("password")
        if password:
            text = text.replace(str(password), "***")
        return StoreError(f"{self._place}: {text}")

    def _again(self, action: Callable[[], _T]) -> _T:
        """Do something; once more with a new connection when the old one broke.

        A restart of the server or an idle connection that a firewall cut must not
        cost a living run its lock.
        """
        try:
            return action()
        except psycopg.OperationalError as error:
            if not self._connection.closed:  # e.g. a lock that was not free in time
                raise self._away(error) from None
        self._connection = self._connect()
        if self._held is not None:
            claim, run_id = self._held
            if other := self.hold(claim, run_id):
                raise StoreError(f"lost its lock to run {other.run_id}")
        try:
            return action()
        except psycopg.OperationalError as error:
            raise self._away(error) from None

    def append(self, event: RunEvent) -> StoredEvent:
        """Add one event durably; see `EventStore.append`."""
        try:
            return self._again(lambda: self._append(event))
        except (
            psycopg.IntegrityError,
            psycopg.DataError,
            psycopg.errors.RaiseException,
            UnicodeError,
        ) as error:
            raise EventRefusedError(f"{self._place}: {error}") from error
        except psycopg.Error as error:
            raise self._away(error) from None

    def _append(self, event: RunEvent) -> StoredEvent:
        connection = self._connection
        with connection.transaction():
            # By itself: what follows must see what others added meanwhile.
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (CHAIN_LOCK,))
            known = connection.execute(_KNOWN, (event.id,)).fetchone()
            if known is not None:
                return stored_event(known)
            row = connection.execute(_NEXT, {"run": event.aggregate_id}).fetchone()
            closed, version, last, head = row or (None, 1, None, None)
            if closed is not None:
                raise RunClosedError(f"run {event.aggregate_id} has ended: {closed}")
            sequence, previous = (last or 0) + 1, head or GENESIS
            fields = field_values(event, version)
            own = digest(previous, fields)
            connection.execute(_INSERT, (sequence, *fields, previous, own))
        return StoredEvent(event, version, sequence, previous, own)

    def hold(self, claim: Claim, run_id: str) -> Holder | None:
        """Hold a claim until the session ends; see `EventStore.hold`."""
        try:
            # Others see it beside the lock.
            self._connection.execute(
                "SELECT set_config('application_name', %s, false)",
                (f"{_APPLICATION} {run_id}",),
            )
            while True:
                if take(self._connection, claim):
                    self._held = (claim, run_id)
                    return None
                for name in sessions_in_the_way(self._connection, claim):
                    return self._holder(name)
        except psycopg.Error as error:
            raise self._away(error) from None

    def holder(self, key: str) -> Holder | None:
        """Return who holds a claim with this key; None when nobody does."""
        try:
            names = self._again(lambda: sessions_with(self._connection, key))
        except psycopg.Error as error:
            raise self._away(error) from None
        return self._holder(names[0]) if names else None

    def _holder(self, session: str) -> Holder:
        """Return whose session it is, by the name that `hold` gave it."""
        run_id = session.removeprefix(f"{_APPLICATION} ")
        if run_id == session:  # a login that may not look at the other's session
            return Holder(None)
        # It holds the lock and may be about to write its first event.
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            for started in self.events(run_id):
                data = started.event.data
                return Holder(
                    run_id, data.get("host"), data.get("pid"), started.event.time
                )
            time.sleep(0.02)
        return Holder(run_id)

    def let_go(self, claim: Claim) -> None:
        """Let go of a claim that `hold` got."""
        self._held = None
        with contextlib.suppress(psycopg.Error):
            give_back(self._connection, claim)

    def record_delivery(self, delivery: Delivery) -> None:
        """Keep what became of an event at a destination."""
        values = list(vars(delivery).values())

        def insert() -> None:
            self._connection.execute(_INSERT_DELIVERY, values)

        try:
            self._again(insert)
        except psycopg.Error as error:
            raise self._away(error) from None

    def _rows(self, query: str, values: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
        yield from self._rows_of(_NAMED.sub(r"%(\1)s", query), values)

    def _rows_of(self, query: str, values: Any) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 - by name or place
        def ask() -> list[tuple[Any, ...]]:
            return self._connection.execute(query, values).fetchall()

        try:
            yield from self._again(ask)
        except psycopg.Error as error:
            raise self._away(error) from None

    def close(self) -> None:
        """Release the connection, and with it the lock."""
        with contextlib.suppress(psycopg.Error):
            self._connection.close()


def set_up(address: str) -> None:
    """Run the administrator's SQL: roles, tables, triggers, grants.

    Raises:
        StoreError: The login may not, or the server is away.
    """
    from flexcore_gen.events.postgres_schema import SQL  # noqa: PLC0415 - rarely

    try:
        with psycopg.connect(
            address, connect_timeout=CONNECT_SECONDS, autocommit=True
        ) as connection:
            connection.execute(SQL)
    except psycopg.Error as error:
        text = " ".join(str(error).split())
        raise StoreError(f"{without_password(address)}: {text}") from None

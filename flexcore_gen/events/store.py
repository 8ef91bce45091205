"""What an event store must do, and how its address chooses one.

A second kind of store is a class with these methods and one more line in
`open_store`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flexcore_gen.events.chain import ChainReport
    from flexcore_gen.events.deliveries import Delivery
    from flexcore_gen.events.event_queries import Filter, Page
    from flexcore_gen.events.exclusion import Claim
    from flexcore_gen.events.run_event import RunEvent, StoredEvent

SQLITE_SCHEME = "sqlite:///"
POSTGRES_SCHEMES = ("postgresql://", "postgres://")
_PASSWORD = re.compile(r"(?<=://)([^:@/]*):.*@|(?<=[?&]password=)[^&]*")


class StoreError(Exception):
    """The store cannot be read or written just now, or its address is unknown."""


class EmptyStoreError(StoreError):
    """The store is being made by a first run just now: nothing has run yet."""


class EventRefusedError(StoreError):
    """The store is there and refuses this event; trying again will not help."""


class RunClosedError(Exception):
    """The run already has its terminal event; nothing may follow it."""


@dataclass(frozen=True)
class Holder:
    """Who holds what a run claims, as far as is known."""

    run_id: str | None
    host: str | None = None
    pid: int | None = None
    since: str | None = None


class EventStore(Protocol):
    """An append-only, hash-chained list of events."""

    has_locks: bool
    """Whether `hold` excludes others: runs of all hosts that use this store."""

    def append(self, event: RunEvent) -> StoredEvent:
        """Add one event durably.

        An event whose id is there already is returned as it stands, so that a
        spool may be replayed twice.

        Raises:
            RunClosedError: The run has a terminal event.
            StoreError: The store is away, locked, full or damaged.
        """
        ...

    def hold(self, claim: Claim, run_id: str) -> Holder | None:
        """Hold a claim until this process ends or `close`.

        Returns:
            None once it is held, else who holds one that excludes it.

        Raises:
            StoreError: The store is away.
        """
        ...

    def holder(self, key: str) -> Holder | None:
        """Return who holds a claim with this key; None when nobody does."""
        ...

    def let_go(self, claim: Claim) -> None:
        """Let go of a claim that `hold` got."""
        ...

    def last_sequence(self) -> int:
        """Return the position of the last event; 0 when there is none."""
        ...

    def delivered_up_to(self, destination: str) -> int | None:
        """Return a destination's position; None when it has none yet."""
        ...

    def deliveries(self, limit: int) -> list[dict[str, Any]]:
        """Return what became of events at destinations, newest first."""
        ...

    def record_delivery(self, delivery: Delivery) -> None:
        """Keep what became of an event at a destination."""
        ...

    def events(
        self, run_id: str | None = None, *, after: int = 0
    ) -> Iterator[StoredEvent]:
        """Yield events in the order they were added, of one run or of all.

        Args:
            run_id: Only of this run.
            after: Only those past this `sequence`: where a reader left off.
        """
        ...

    def page(self, wanted: Filter, *, limit: int, after: int = 0) -> Page:
        """Return the first events past a position that a filter lets through."""
        ...

    def run_rows(self) -> list[dict[str, Any]]:
        """Return the rows of the view `runs`, by `event_queries.RUN_COLUMNS`."""
        ...

    def run_ids(
        self,
        *,
        pipeline: str | None = None,
        open_only: bool = False,
        latest: int | None = None,
    ) -> list[str]:
        """Return the ids of runs, newest first.

        Args:
            pipeline: Only of this pipeline.
            open_only: Only without a terminal event.
            latest: Only among this many that started last.
        """
        ...

    def find_runs(self, identity: str) -> list[str]:
        """Return the runs with this run id, or this correlation id, newest first.

        Else those with this Meltano run id (`meltano run --run-id`): an engine that
        starts runs knows no other id of them.
        """
        ...

    def verify(self) -> ChainReport:
        """Recompute the hash chain from its first event."""
        ...

    def has_hash(self, digest: str) -> bool:
        """Return whether an event with this hash is in the chain."""
        ...

    def close(self) -> None:
        """Release the connection."""
        ...


def without_password(address: str) -> str:
    """Return a store's address for people."""

    def masked(found: re.Match[str]) -> str:
        return f"{found[1]}:***@" if found[0].endswith("@") else "***"

    return _PASSWORD.sub(masked, address)


def open_store(address: str, root: Path, *, create: bool = True) -> EventStore:
    """Open the store at an address.

    Args:
        address: `sqlite:///relative/path` (to the project), `sqlite:////absolute` or
            `postgresql://user:password@host:port/database`.
        root: The project's folder.
        create: Make a file when it is not there yet; tables in Postgres are made by
            `flexcore-gen events init`.

    Raises:
        StoreError: Unknown kind of address, or the store cannot be opened.
    """
    if address.startswith(POSTGRES_SCHEMES):
        from flexcore_gen.events.postgres_store import (  # noqa: PLC0415 - its driver takes 0.1 s
            PostgresStore,
        )

        return PostgresStore(address)
    if not address.startswith(SQLITE_SCHEME):
        scheme = address.split(":", 1)[0]
        raise StoreError(
            f'unknown kind of event store "{scheme}:"; use sqlite:///path/to/events.db '
            "or postgresql://user@host/database"
        )
    from flexcore_gen.events.sqlite_store import (  # noqa: PLC0415 - or the other kind
        SqliteStore,
    )

    return SqliteStore(root / Path(address.removeprefix(SQLITE_SCHEME)), create=create)

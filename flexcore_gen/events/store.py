"""What an event store must do, and how its address chooses one.

A second kind of store is a class with these methods and one more line in
`open_store`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flexcore_gen.events.run_event import RunEvent, StoredEvent

SQLITE_SCHEME = "sqlite:///"


class StoreError(Exception):
    """The store cannot be read or written just now, or its address is unknown."""


class EmptyStoreError(StoreError):
    """The store is being made by a first run just now: nothing has run yet."""


class EventRefusedError(StoreError):
    """The store is there and refuses this event; trying again will not help."""


class RunClosedError(Exception):
    """The run already has its terminal event; nothing may follow it."""


class EventStore(Protocol):
    """An append-only, hash-chained list of events."""

    def append(self, event: RunEvent) -> StoredEvent:
        """Add one event durably.

        An event whose id is there already is returned as it stands, so that a
        spool may be replayed twice.

        Raises:
            RunClosedError: The run has a terminal event.
            StoreError: The store is away, locked, full or damaged.
        """
        ...

    def events(self, run_id: str | None = None) -> Iterator[StoredEvent]:
        """Yield events in the order they were added, of one run or of all."""
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
        """Return the runs with this run id, or this correlation id, newest first."""
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


class ChainReport:
    """What `EventStore.verify` found."""

    def __init__(self, events: int, head: str, problem: str | None = None) -> None:
        self.events = events
        self.head = head
        self.problem = problem


def open_store(address: str, root: Path, *, create: bool = True) -> EventStore:
    """Open the store at an address.

    Args:
        address: `sqlite:///relative/path` (to the project) or `sqlite:////absolute`.
        root: The project's folder.
        create: Make the store when it is not there yet.

    Raises:
        StoreError: Unknown kind of address, or the store cannot be opened.
    """
    if not address.startswith(SQLITE_SCHEME):
        scheme = address.split(":", 1)[0]
        raise StoreError(
            f'unknown kind of event store "{scheme}:"; use sqlite:///path/to/events.db'
        )
    from flexcore_gen.events.sqlite_store import SqliteStore  # noqa: PLC0415 - one kind

    return SqliteStore(root / Path(address.removeprefix(SQLITE_SCHEME)), create=create)

"""Writes events: to the store, or to a spool file while the store is away.

One line on stderr when that begins, and the run goes on. Once an event of a run
has been spooled, all its later ones are too, so that their order is kept. The next
start replays the spool.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from flexcore_gen.events.run_event import RunEvent, dump_json
from flexcore_gen.events.store import (
    EventRefusedError,
    EventStore,
    RunClosedError,
    StoreError,
    open_store,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Journal:
    """The way to the store for one process."""

    def __init__(
        self,
        address: str,
        root: Path,
        directory: Path,
        warn: Callable[[str], None],
    ) -> None:
        self._spool_directory = directory / "spool"
        self._warn = warn
        self._spool: int | None = None
        self._is_lost = False
        self.address = address
        self.store: EventStore | None = None
        try:
            self.store = open_store(address, root)
            for _ in replay(self._spool_directory, self.store):
                pass
        except StoreError as error:
            self.give_up(error)

    def write(self, event: RunEvent) -> None:
        """Keep an event, in the store or in the spool.

        Raises:
            RunClosedError: The store knows the run as ended.
        """
        if self.store is not None:
            try:
                self.store.append(event)
            except EventRefusedError as error:
                self._warn(f"event {event.name} is lost: {error}")
                return
            except StoreError as error:
                self.give_up(error)
            else:
                return
        self._write_spool(event)

    def close(self) -> None:
        """Release the store and the spool."""
        if self.store is not None:
            self.store.close()
        if self._spool is not None:
            os.close(self._spool)

    def give_up(self, error: StoreError) -> None:
        """Do without the store from now on."""
        if self.store is not None:
            self.store.close()
            self.store = None
        self._warn(
            f"event store away ({error}); this run's events go to "
            f"{self._spool_directory} and are added at the next start"
        )

    def _write_spool(self, event: RunEvent) -> None:
        if self._is_lost:
            return
        line = (dump_json(asdict(event)) + "\n").encode()
        try:
            if self._spool is None:
                self._spool = _open_spool(self._spool_directory, event.aggregate_id)
            while line:
                line = line[os.write(self._spool, line) :]
            os.fsync(self._spool)
        except OSError as error:
            self._is_lost = True
            self._warn(f"this run's events are lost: {error}")


def _open_spool(directory: Path, run_id: str) -> int:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The time comes first, so that replay keeps the order of runs.
    path = directory / f"{time.time_ns()}-{run_id}.jsonl"
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_EXCL | os.O_CLOEXEC
    spool = os.open(path, flags, 0o600)
    # Held until the process ends: a locked spool is still being written.
    fcntl.flock(spool, fcntl.LOCK_EX)
    return spool


def waiting(directory: Path) -> list[Path]:
    """Return the spool files that wait to be replayed."""
    return sorted((directory / "spool").glob("*.jsonl"))


def replay(spool_directory: Path, store: EventStore) -> Iterator[Path]:
    """Add spooled events to the store; yield each file that is done with.

    A file that a living run still writes is left alone. A torn last line (power
    cut) was never an event; what follows a run's end is dropped. A file with lines
    that are no events is kept, renamed to `.refused`.

    Raises:
        StoreError: The store is away again; what is left stays spooled.
    """
    for path in sorted(spool_directory.glob("*.jsonl")):
        with contextlib.suppress(FileNotFoundError), path.open("rb") as spool:
            try:
                fcntl.flock(spool, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            refused = 0
            for line in spool:
                try:
                    store.append(RunEvent(**json.loads(line)))
                except RunClosedError:
                    pass  # The run was found lost, or ended, in the meantime.
                except (ValueError, TypeError, EventRefusedError):
                    refused += line.endswith(b"\n")
            if refused:
                path.rename(path.with_suffix(".refused"))
            else:
                path.unlink()
            yield path

"""Brings events to destinations, in a process of its own, beside the run.

Each destination has a position in the store: the last event that is done with. It
moves only after an event was delivered or refused for good, so that after a crash,
however it came, events are delivered again rather than never (at least once; the
event's id tells a repeated one). A destination that is away keeps its position; the
next start goes on from there. Outcomes are kept in the store's `deliveries`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flexcore_gen.events.deliveries import Delivery, beginning
from flexcore_gen.events.destinations import IN_RUN, Destination, DestinationError
from flexcore_gen.events.exclusion import Claim
from flexcore_gen.events.http_post import AwayError, RefusedError
from flexcore_gen.events.run_event import utc_now
from flexcore_gen.events.sending import Surroundings, sender_of
from flexcore_gen.events.store import StoreError, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flexcore_gen.events.run_event import StoredEvent
    from flexcore_gen.events.store import EventStore

ATTEMPTS = 5
_FIRST_WAIT_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 60.0


@dataclass
class Report:
    """What one pass did for one destination."""

    destination: str
    delivered: int = 0
    refused: int = 0
    problem: str | None = None


def deliver_all(
    destinations: list[Destination],
    address: str,
    root: Path,
    directory: Path,
    *,
    start: int | None = None,
    again_from: int | None = None,
) -> list[Report]:
    """Bring each destination up to date, each at its own pace.

    Args:
        destinations: Handlers and exporters.
        address: Of the event store.
        root: The project's folder.
        directory: The project's `.flexcore`.
        start: Position of a destination that has none yet; default: the store's end.
        again_from: Deliver everything past this position once more.
    """
    chosen = [each for each in destinations if each.kind != IN_RUN]
    if not chosen:
        return []

    def one(destination: Destination) -> Report:
        report = Report(destination.name)
        try:
            with contextlib.closing(open_store(address, root)) as store:
                worker = _Worker(destination, store, root, report)
                worker.bring_up_to_date(directory, start, again_from)
        except (StoreError, OSError, DestinationError) as error:
            report.problem = destination.secrets.mask(str(error))
        return report

    with ThreadPoolExecutor(len(chosen)) as pool:
        return list(pool.map(one, chosen))


class _Worker:
    """One destination's way through the store."""

    def __init__(
        self, destination: Destination, store: EventStore, root: Path, report: Report
    ) -> None:
        self._destination = destination
        self._store = store
        self._around = Surroundings(root, store)
        self._report = report

    def bring_up_to_date(
        self, directory: Path, start: int | None, again_from: int | None
    ) -> None:
        name = self._destination.name
        if again_from is not None:
            with _locked(directory, name):
                self._pass(again_from)
            return
        claim = Claim(f"deliver\n{name}")
        while True:
            with _locked(directory, name) as is_mine:
                held = is_mine and self._store.hold(claim, name) is None
                if not held:
                    return  # Who holds it looks once more before it goes.
                position = self._store.delivered_up_to(name)
                if position is None:
                    position = self._store.last_sequence() if start is None else start
                    self._store.record_delivery(beginning(name, position))
                position = self._pass(position)
                self._store.let_go(claim)
            if self._report.problem or self._store.last_sequence() <= position:
                return

    def _pass(self, position: int) -> int:
        done = position
        last: StoredEvent | None = None
        for stored in self._store.events(after=position):
            last = stored
            event = stored.event
            if self._destination.wants(event.name, event.subject):
                if not self._deliver(stored, done):
                    return done
                last = None
            done = stored.sequence
        if last is not None:  # Nothing was sent, and nothing need be looked at again.
            self._record(done, last, "skipped", 0, "")
        return done

    def _deliver(self, stored: StoredEvent, before: int) -> bool:
        destination = self._destination
        attempts = int(destination.settings.get("attempts") or ATTEMPTS)
        wait = _FIRST_WAIT_SECONDS
        for attempt in range(1, attempts + 1):
            try:
                send = sender_of(destination)
                detail = send(destination, stored, self._around)
            except AwayError as error:
                problem = destination.secrets.mask(str(error))
                if attempt == attempts:
                    break
                pause = error.wait_seconds
                if pause is None:  # apart, so that many do not come back at once
                    pause = wait * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
                time.sleep(min(pause, _LONGEST_WAIT_SECONDS))
                wait = min(2 * wait, _LONGEST_WAIT_SECONDS)
            except DestinationError as error:
                problem = destination.secrets.mask(str(error))
                break
            except RefusedError as error:
                detail = destination.secrets.mask(str(error))
                self._report.refused += 1
                self._record(stored.sequence, stored, "refused", attempt, detail)
                return True
            else:
                detail = destination.secrets.mask(detail)
                self._report.delivered += 1
                self._record(stored.sequence, stored, "delivered", attempt, detail)
                return True
        self._report.problem = problem
        self._record(before, stored, "away", attempt, problem)
        return False

    def _record(
        self, position: int, stored: StoredEvent, outcome: str, tries: int, detail: str
    ) -> None:
        self._store.record_delivery(
            Delivery(
                destination=self._destination.name,
                position=position,
                event_id=stored.event.id,
                outcome=outcome,
                attempts=tries,
                detail=detail[:500],
                time=utc_now(),
            )
        )


@contextlib.contextmanager
def _locked(directory: Path, name: str) -> Iterator[bool]:
    """Hold a destination's lock on this machine; yield False when another does."""
    folder = directory / "delivery"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    safe = "".join(c if c.isalnum() or c in "-_" else "_" for c in name)
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    descriptor = os.open(folder / f"{safe}.lock", flags, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())  # for people
        yield True
    finally:
        os.close(descriptor)

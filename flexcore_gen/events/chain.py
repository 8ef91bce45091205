"""The hash chain of a store: the same in every kind of store.

The hash of an event is SHA-256 over the hash before it, a line feed, and the
event's fields as a JSON list in the order of `FIELDS`. Anyone can recompute it.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from flexcore_gen.events.run_event import TERMINAL, RunEvent, StoredEvent, dump_json

if TYPE_CHECKING:
    from collections.abc import Iterable

GENESIS = "0" * 64
"""The hash before the first event."""

FIELDS = (
    "id, source, type, subject, time, name, aggregate_id, version, "
    "correlation_id, causation_id, data"
)
"""The columns of an event, in the order that is hashed."""

TERMINAL_SQL = ", ".join(f"'{name}'" for name in TERMINAL)
_NAME, _AGGREGATE, _VERSION = 5, 6, 7


class ChainReport:
    """What `EventStore.verify` found."""

    def __init__(self, events: int, head: str, problem: str | None = None) -> None:
        self.events = events
        self.head = head
        self.problem = problem


def field_values(event: RunEvent, version: int) -> list[Any]:
    """Return what the columns `FIELDS` hold for an event."""
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


def digest(previous: str, fields: list[Any]) -> str:
    """Return the hash of an event with these fields after that hash."""
    return hashlib.sha256(f"{previous}\n{dump_json(fields)}".encode()).hexdigest()


def stored_event(row: tuple[Any, ...]) -> StoredEvent:
    """Return the event of a row: sequence, `FIELDS`, previous_hash, hash."""
    sequence, *fields, previous, own = row
    identity, source, _type, subject, time, name, aggregate = fields[:7]
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
        time=time,
    )
    return StoredEvent(event, version, sequence, previous, own)


def check(rows: Iterable[tuple[Any, ...]]) -> ChainReport:
    """Recompute the chain of all rows; name the first event that does not fit.

    Beside the hashes: places without gaps, versions of each run without gaps, and
    nothing after the terminal event of a run.
    """
    previous, count = GENESIS, 0
    versions: dict[str, int] = {}
    ended: set[str] = set()
    for row in rows:
        sequence, *fields, stored_previous, own = row
        count += 1
        problem = None
        run, version = fields[_AGGREGATE], fields[_VERSION]
        if sequence != count:
            problem = f"event {count} is missing"
        elif stored_previous != previous or own != digest(previous, fields):
            problem = f"event {sequence} was changed after writing"
        elif run in ended:
            problem = f"event {sequence} follows the end of run {run}"
        elif version != versions.get(run, 0) + 1:
            problem = f"event {sequence} is version {version} of {run}: not the next"
        if problem:
            return ChainReport(count, previous, problem)
        versions[run] = version
        if fields[_NAME] in TERMINAL:
            ended.add(run)
        previous = own
    return ChainReport(count, previous)

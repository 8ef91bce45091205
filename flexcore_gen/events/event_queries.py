"""What is asked of a store, in SQL that SQLite and Postgres both understand."""

# ruff: noqa: S608 - every statement is put together from constants of this module

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flexcore_gen.events.chain import FIELDS, TERMINAL_SQL, check, stored_event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flexcore_gen.events.chain import ChainReport
    from flexcore_gen.events.run_event import StoredEvent

_PORTION_ROWS = 2000
RUN_COLUMNS = (
    "run_id",
    "correlation_id",
    "pipeline",
    "environment",
    "status",
    "started_at",
    "ended_at",
    "duration_seconds",
    "rows",
    "error",
)
_ROW = f"sequence, {FIELDS}, previous_hash, hash"


@dataclass(frozen=True)
class Filter:
    """Which events are wanted; what is None does not matter."""

    run_id: str | None = None
    correlation_id: str | None = None
    pipeline: str | None = None
    name: str | None = None
    """The event's name, or its CloudEvents type."""
    since: str | None = None
    until: str | None = None
    """RFC 3339 UTC: from (inclusive) and to (exclusive)."""


@dataclass(frozen=True)
class Page:
    """Some of the events that a filter lets through."""

    events: list[StoredEvent]
    total: int
    has_more: bool


class EventQueries:
    """The reading half of a store; each kind of store brings `_rows`."""

    def _rows(self, query: str, values: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query whose values are named `:name`."""
        raise NotImplementedError

    def events(
        self, run_id: str | None = None, *, after: int = 0
    ) -> Iterator[StoredEvent]:
        """Yield events in the order they were added; see `EventStore.events`."""
        for row in self._event_rows(run_id, after):
            yield stored_event(row)

    def _event_rows(
        self, run_id: str | None = None, after: int = 0
    ) -> Iterator[tuple[Any, ...]]:
        """Yield rows in portions: a reader may take its time, and write meanwhile."""
        where = "" if run_id is None else "AND aggregate_id = :run_id"
        while True:
            rows = list(
                self._rows(
                    f"SELECT {_ROW} FROM events WHERE sequence > :after {where} "
                    "ORDER BY sequence LIMIT :limit",
                    {"after": after, "run_id": run_id, "limit": _PORTION_ROWS},
                )
            )
            yield from rows
            if len(rows) < _PORTION_ROWS:
                return
            after = rows[-1][0]

    def page(self, wanted: Filter, *, limit: int, after: int = 0) -> Page:
        """Return the first events past a position that a filter lets through."""
        conditions = {
            "run_id": "aggregate_id = :run_id",
            "correlation_id": "correlation_id = :correlation_id",
            "pipeline": "subject = :pipeline",
            "name": "(name = :name OR type = :name)",
            "since": "time >= :since",
            "until": "time < :until",
        }
        values = {name: getattr(wanted, name) for name in conditions}
        where = [text for name, text in conditions.items() if values[name] is not None]
        matching = " AND ".join(["1 = 1", *where])
        ((total,),) = self._rows(
            f"SELECT count(*) FROM events WHERE {matching}", values
        )
        found = [
            stored_event(row)
            for row in self._rows(
                f"SELECT {_ROW} FROM events WHERE {matching} AND sequence > :after "
                "ORDER BY sequence LIMIT :limit",
                {**values, "after": after, "limit": limit + 1},
            )
        ]
        return Page(found[:limit], int(total), has_more=len(found) > limit)

    def run_ids(
        self,
        *,
        pipeline: str | None = None,
        open_only: bool = False,
        latest: int | None = None,
    ) -> list[str]:
        """Return the ids of runs, newest first; see `EventStore.run_ids`."""
        limit = "" if latest is None else "LIMIT :latest"
        where = ["1 = 1"]
        if pipeline is not None:
            where.append("s.subject = :pipeline")
        if open_only:
            where.append(
                "NOT EXISTS (SELECT 1 FROM events e WHERE e.aggregate_id = "
                f"s.aggregate_id AND e.name IN ({TERMINAL_SQL}))"
            )
        rows = self._rows(
            f"""
            SELECT s.aggregate_id FROM (
              SELECT aggregate_id, subject, sequence FROM events
              WHERE name = 'PipelineStarted' ORDER BY sequence DESC {limit}
            ) s
            WHERE {" AND ".join(where)}
            ORDER BY s.sequence DESC""",
            {"latest": latest, "pipeline": pipeline},
        )
        return [row[0] for row in rows]

    def find_runs(self, identity: str) -> list[str]:
        """Return the runs with this id, newest first; see `EventStore.find_runs`."""
        rows = self._rows(
            "SELECT aggregate_id FROM events WHERE name = 'PipelineStarted'"
            " AND (aggregate_id = :identity OR correlation_id = :identity)"
            " ORDER BY sequence DESC",
            {"identity": identity},
        )
        return [row[0] for row in rows] or self._runs_of_meltano(identity)

    def _runs_of_meltano(self, identity: str) -> list[str]:
        try:
            given = str(uuid.UUID(identity))  # Nothing in it means more to LIKE.
        except ValueError:
            return []
        rows = self._rows(
            "SELECT aggregate_id FROM events WHERE name = 'PipelineStarted'"
            " AND data LIKE :member ORDER BY sequence DESC",
            # As `dump_json` writes it; inside a text the quotes would be escaped.
            {"member": f'%"meltano_run_id":"{given}"%'},
        )
        return [row[0] for row in rows]

    def run_rows(self) -> list[dict[str, Any]]:
        """Return the rows of the view `runs`, which is for people with SQL."""
        rows = self._rows(f"SELECT {', '.join(RUN_COLUMNS)} FROM runs", {})
        return [dict(zip(RUN_COLUMNS, row, strict=True)) for row in rows]

    def last_sequence(self) -> int:
        """Return the position of the last event; 0 when there is none."""
        ((last,),) = self._rows("SELECT coalesce(max(sequence), 0) FROM events", {})
        return int(last)

    def delivered_up_to(self, destination: str) -> int | None:
        """Return a destination's position; None when it has none yet."""
        rows = self._rows(
            "SELECT max(position) FROM deliveries WHERE destination = :destination",
            {"destination": destination},
        )
        for (position,) in rows:
            return None if position is None else int(position)
        return None

    def deliveries(self, limit: int) -> list[dict[str, Any]]:
        """Return what became of events at destinations, newest first."""
        names = ("time", "destination", "outcome", "attempts", "event_id", "detail")
        rows = self._rows(
            f"SELECT {', '.join(names)} FROM deliveries ORDER BY time DESC "
            "LIMIT :limit",
            {"limit": limit},
        )
        return [dict(zip(names, row, strict=True)) for row in rows]

    def verify(self) -> ChainReport:
        """Recompute the hash chain; name the first event that does not fit."""
        return check(self._event_rows())

    def has_hash(self, digest: str) -> bool:
        """Return whether an event with this hash is in the chain."""
        rows = self._rows(
            "SELECT 1 FROM events WHERE hash = :digest", {"digest": digest}
        )
        return any(True for _ in rows)

"""Which scheduled pipelines are late: their last success is before they were due."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flexcore_gen.events.run_event import RunEvent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flexcore_gen.events.run_event import StoredEvent
    from flexcore_gen.events.store import EventStore

_BY_HAND = frozenset({"@once", "@none", "@manual"})
"""Meltano's words for what no clock starts."""


@dataclass(frozen=True)
class Late:
    """A pipeline that is late."""

    pipeline: str
    environment: str | None
    interval: str
    due_at: str
    last_success: str | None


def last_due(schedule: str, now: dt.datetime) -> dt.datetime | None:
    """The last minute up to `now` that a schedule names.

    Returns:
        None when it names none.

    Raises:
        ValueError: It is no cron expression.
    """
    if schedule in _BY_HAND:
        return None
    from croniter import (  # noqa: PLC0415 - 20 ms, rarely
        CroniterBadDateError,
        CroniterError,
        croniter,
    )

    try:
        # It looks for what was before; this very second counts as well.
        moments = croniter(schedule, now.astimezone(dt.UTC) + dt.timedelta(seconds=1))
        due: dt.datetime = moments.get_prev(dt.datetime)
    except CroniterBadDateError:
        return None
    except CroniterError as error:
        raise ValueError(f'"{schedule}" is no cron expression: {error}') from error
    return due


def find_late(
    document: Mapping[str, Any],
    store: EventStore,
    environment: str | None,
    grace: dt.timedelta,
    now: dt.datetime,
) -> list[Late]:
    """Return the pipelines that are late.

    Late is one that was due, has had its time of grace, and has not succeeded since.
    One that has never run is late once the store is older than that.

    Args:
        document: A parsed meltano.yml: its `schedules` with `job` and `interval`.
        store: The event store.
        environment: Runs of this environment count.
        grace: How long a run may take from when it was due.
        now: The time.

    Raises:
        ValueError: A schedule's interval is no cron expression.
    """
    rows = [row for row in store.run_rows() if row["environment"] == environment]
    oldest = min((row["started_at"] for row in rows), default=None)
    found = []
    for schedule in document.get("schedules") or []:
        pipeline, interval = schedule.get("job"), str(schedule.get("interval"))
        due = last_due(interval, now - grace) if pipeline else None
        if due is None:
            continue
        due_at = due.isoformat().replace("+00:00", "Z")
        successes = [
            row["started_at"]
            for row in rows
            if row["pipeline"] == pipeline and row["status"] == "success"
        ]
        last = max(successes, default=None)
        reference = last or oldest
        # Both are RFC 3339 in UTC; "2026-11-25T03:00:00.5Z" sorts before "…00Z".
        if reference is not None and reference[:19] < due_at[:19]:
            found.append(Late(str(pipeline), environment, interval, due_at, last))
    return found


def report(store: EventStore, late: Late, source: str) -> StoredEvent | None:
    """Add FreshnessMissed; None when this delay has been reported before."""
    aggregate = f"freshness/{late.environment or ''}/{late.pipeline}"
    reported = list(store.events(aggregate))
    before = reported[-1] if reported else None
    data = {
        "environment": late.environment,
        "interval": late.interval,
        "due_at": late.due_at,
        "last_success": late.last_success,
        "error": f"due {late.due_at}, last success {late.last_success or 'never'}",
    }
    if before is not None and before.event.data["last_success"] == late.last_success:
        return None
    return store.append(
        RunEvent(
            name="FreshnessMissed",
            source=source,
            subject=late.pipeline,
            aggregate_id=aggregate,
            correlation_id=aggregate,
            causation_id=before.event.id if before else None,
            data=data,
        )
    )

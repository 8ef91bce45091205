"""How often a schedule means a pipeline to run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

#: A Monday; any would do, and the same one gives the same answer every day.
_FROM = datetime(2024, 1, 1, tzinfo=UTC)
_TIMES = 400


def longest_interval(schedule: str) -> timedelta | None:
    """The longest time between two runs of a cron expression or @hourly and the like.

    Looked for over the next 400 runs, so a schedule of working days gives three days.

    Returns:
        None where a schedule never comes round.
    """
    from croniter import CroniterBadDateError, croniter  # noqa: PLC0415 - 20 ms, rarely

    moments = croniter(schedule, _FROM)
    longest, before = timedelta(), None
    try:
        for _ in range(_TIMES):
            now = moments.get_next(datetime)
            if before is not None:
                longest = max(longest, now - before)
            before = now
    except CroniterBadDateError:
        return None
    return longest

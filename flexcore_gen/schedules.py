"""When a schedule means a pipeline to run: cron expressions, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

#: A Monday; any would do, and the same one gives the same answer every day.
_FROM = datetime(2024, 1, 1, tzinfo=UTC)
_TIMES = 400
#: Meltano's words for what no clock starts.
_BY_HAND = frozenset({"@once", "@none", "@manual"})


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


def last_due(schedule: str, now: datetime) -> datetime | None:
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
        moments = croniter(schedule, now.astimezone(UTC) + timedelta(seconds=1))
        due: datetime = moments.get_prev(datetime)
    except CroniterBadDateError:
        return None
    except CroniterError as error:
        raise ValueError(f'"{schedule}" is no cron expression: {error}') from error
    return due

"""When a schedule was due last: five-field cron expressions, in UTC.

Fields and names as in crontab(5); as there, a day fits when the day of the month or
the weekday does, unless one of them begins with `*`.
"""

from __future__ import annotations

import datetime as dt

_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()  # noqa: SIM905 - reads like crontab(5)
_DAYS = "sun mon tue wed thu fri sat".split()  # noqa: SIM905 - the same
_WORDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_LONGEST_DAYS = 8 * 366
"""29 February comes back after eight years at most."""
_FIELDS = 5


def last_due(interval: str, now: dt.datetime) -> dt.datetime | None:
    """Return the last minute up to `now` that an expression names.

    Returns:
        None when it names none: `@once`, `@none`, `@manual`.

    Raises:
        ValueError: It is no cron expression.
    """
    if interval in {"@once", "@none", "@manual"}:
        return None
    fields = _WORDS.get(interval, interval).split()
    if len(fields) != _FIELDS:
        raise ValueError(f'"{interval}" has not five fields')
    minutes = sorted(_values(fields[0], 0, 59), reverse=True)
    hours = sorted(_values(fields[1], 0, 23), reverse=True)
    days = _values(fields[2], 1, 31)
    months = _values(fields[3], 1, 12, _MONTHS, 1)
    weekdays = {day % 7 for day in _values(fields[4], 0, 7, _DAYS, 0)}
    is_both = fields[2].startswith("*") or fields[4].startswith("*")
    now = now.astimezone(dt.UTC)
    for back in range(_LONGEST_DAYS):
        day = now.date() - dt.timedelta(days=back)
        fits = (day.day in days, day.isoweekday() % 7 in weekdays)
        if day.month not in months or not (all(fits) if is_both else any(fits)):
            continue
        for hour in hours:
            for minute in minutes:
                due = dt.datetime(
                    day.year, day.month, day.day, hour, minute, tzinfo=dt.UTC
                )
                if due <= now:
                    return due
    return None


def _values(
    field: str, low: int, high: int, names: list[str] | None = None, first: int = 0
) -> set[int]:
    found: set[int] = set()
    for part in field.lower().split(","):
        span, _, step = part.partition("/")
        begin, _, end = span.partition("-")
        if span == "*":
            start, stop = low, high
        else:
            start = _number(begin, names, first)
            stop = _number(end, names, first) if end else (high if step else start)
        if not low <= start <= stop <= high:
            raise ValueError(f'"{field}" is not within {low} to {high}')
        found |= set(range(start, stop + 1, int(step or 1)))
    return found


def _number(text: str, names: list[str] | None, first: int) -> int:
    if names and text in names:
        return names.index(text) + first
    return int(text)

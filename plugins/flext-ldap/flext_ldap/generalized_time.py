"""GeneralizedTime values (RFC 4517 section 3.3.13) to times and back."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

_TIME = re.compile(
    r"(\d{4})(\d{2})(\d{2})(\d{2})(?:(\d{2})(\d{2})?)?(?:[.,](\d+))?"
    r"(Z|[+-]\d{2}(?:\d{2})?)"
)


def parse(text: str) -> datetime:
    """Return the time in UTC; a leap second counts as the second before it.

    Raises:
        ValueError: Not a GeneralizedTime.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"no GeneralizedTime: {text!r}")
    year, month, day, hour = (int(match[i]) for i in range(1, 5))
    unit = timedelta(hours=1)
    minute = second = 0
    if match[5] is not None:
        minute, unit = int(match[5]), timedelta(minutes=1)
    if match[6] is not None:
        second, unit = min(int(match[6]), 59), timedelta(seconds=1)
    when = datetime(year, month, day, hour, minute, second, tzinfo=_zone(match[8]))
    if match[7]:
        # The fraction belongs to the smallest unit given; microseconds are kept.
        micros = unit // timedelta(microseconds=1)
        digits = match[7][:12]
        when += timedelta(microseconds=int(digits) * micros // 10 ** len(digits))
    return when.astimezone(UTC)


def _zone(text: str) -> timezone:
    if text == "Z":
        return UTC
    sign = -1 if text[0] == "-" else 1
    minutes = int(text[1:3]) * 60 + int(text[3:5] or 0)
    return timezone(sign * timedelta(minutes=minutes))


def render(when: datetime) -> str:
    """Return a time as every server takes it: `20260131235959Z`."""
    return when.astimezone(UTC).strftime("%Y%m%d%H%M%SZ")

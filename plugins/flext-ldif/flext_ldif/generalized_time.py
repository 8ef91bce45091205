"""Times as LDAP writes them (RFC 4517 section 3.3.13), from and to ISO 8601."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_TIME = re.compile(
    r"(\d{4})(\d\d)(\d\d)(\d\d)(?:(\d\d)(\d\d)?)?(?:[.,](\d+))?(Z|[+-]\d\d(?:\d\d)?)",
    re.ASCII,
)


def generalized_time(text: str) -> str:
    """Return an ISO time as a GeneralizedTime in UTC.

    Text that is no time stays as it is; a time without a zone is taken as UTC.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    fraction = f".{moment.microsecond:06d}".rstrip("0") if moment.microsecond else ""
    # Not by strftime: it writes years before 1000 with fewer digits.
    year = f"{moment.year:04d}"
    return f"{year}{moment:%m%d%H%M%S}{fraction}Z"


def iso_time(text: str) -> str | None:
    """Return a GeneralizedTime as ISO 8601 in UTC, or None if it is none.

    Fractions of an hour or a minute, which the syntax allows and no server
    writes, are taken for none.
    """
    match = _TIME.fullmatch(text)
    if match is None or (match[7] and match[6] is None):
        return None
    year, month, day, hour, minute, second = (
        int(part or 0) for part in match.groups()[:6]
    )
    zone = "+00:00" if match[8] == "Z" else f"{match[8][:3]}:{match[8][3:] or '00'}"
    fraction = (match[7] or "")[:6].ljust(6, "0")
    written = (
        f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}"
        f".{fraction}{zone}"
    )
    try:
        return datetime.fromisoformat(written).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        return None

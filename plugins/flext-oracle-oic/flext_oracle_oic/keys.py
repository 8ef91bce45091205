"""One spelling for the names and values that the service writes in several ways.

Oracle's pages print `last-updated`, the service sends `lastUpdated`, old generations
send booleans and numbers as text and instants in three forms. Records have one form.
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal, InvalidOperation
from typing import Any

REDACTED = "***"
#: A key with a hyphen, as it stands in a document's bytes.
KEBAB_KEY = re.compile(rb'"[A-Za-z][A-Za-z0-9]*-[A-Za-z0-9-]*"\s*:')
_KEBAB = re.compile(r"-([a-z0-9])")
_OFFSET = re.compile(r"([+-]\d\d)(\d\d)$")
_SECRET_NAMES = frozenset({"securityProperties"})
_SHORTEST_EPOCH = 9  # characters; 20260131 is a day, not a second of 1970
_MOST_SECONDS = 10**11  # later than the year 5000: these are milliseconds


def camel_name(name: str) -> str:
    """`last-updated` as `lastUpdated`; other names stay."""
    if "-" not in name or name.startswith("-"):
        return name
    return _KEBAB.sub(lambda found: found[1].upper(), name)


def camel(value: Any) -> Any:  # noqa: ANN401 - JSON of any shape
    """The same document with camel-case keys, at every depth."""
    if isinstance(value, dict):
        return {camel_name(name): camel(item) for name, item in value.items()}
    if isinstance(value, list):
        return [camel(item) for item in value]
    return value


def redacted(value: Any) -> Any:  # noqa: ANN401 - JSON of any shape
    """The same document without the values of security properties."""
    if isinstance(value, dict):
        return {
            name: _hidden(item) if name in _SECRET_NAMES else redacted(item)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [redacted(item) for item in value]
    return value


def _hidden(value: Any) -> Any:  # noqa: ANN401 - JSON of any shape
    """Keeps names of properties, and nothing that could be a value of one."""
    if isinstance(value, list):
        return [_hidden(item) for item in value]
    if isinstance(value, dict):
        keep = {"propertyGroup", "propertyName", "propertyType", "displayName"}
        return {
            name: item if name in keep and isinstance(item, str) else REDACTED
            for name, item in value.items()
        }
    return None if value is None else REDACTED


def instant(value: object) -> dt.datetime:
    """A point in time, UTC.

    Takes `2026-09-17T19:23:49.887+0000`, `…Z`, `…+00:00`, `2026-09-17 19:23:49` (UTC)
    and milliseconds since 1970, as a number or text.

    Raises:
        ValueError: It is none of these.
    """
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is no time")  # noqa: TRY004 - a value of a record
    if isinstance(value, int | Decimal) or (
        isinstance(value, str)
        and len(value) >= _SHORTEST_EPOCH
        and value.lstrip("-").isdecimal()
    ):
        seconds = Decimal(value)
        if abs(seconds) > _MOST_SECONDS:
            seconds /= 1000
        epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
        try:
            return epoch + dt.timedelta(microseconds=int(seconds * 1_000_000))
        except OverflowError:
            raise ValueError(f"{value!r} is no time") from None
    text = str(value).strip()
    if text.endswith("+0000"):
        text = text[:-5] + "+00:00"
    found = dt.datetime.fromisoformat(_OFFSET.sub(r"\1:\2", text))
    return (
        found.replace(tzinfo=dt.UTC)
        if found.tzinfo is None
        else (found.astimezone(dt.UTC))
    )


def boolean(value: object) -> bool:
    """True or false, also as text.

    Raises:
        ValueError: It is neither.
    """
    if isinstance(value, bool):
        return value
    known = {"true": True, "false": False}
    if isinstance(value, str) and value.lower() in known:
        return known[value.lower()]
    raise ValueError(f"{value!r} is neither true nor false")


def integer(value: object) -> int:
    """A whole number, also as text.

    Raises:
        ValueError: It is none.
    """
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is no number")  # noqa: TRY004 - as above
    found = number(value)
    if found != found.to_integral_value():
        raise ValueError(f"{value!r} is no whole number")
    return int(found)


def number(value: object) -> Decimal:
    """A number, also as text.

    Raises:
        ValueError: It is none.
    """
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is no number")  # noqa: TRY004 - as above
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"{value!r} is no number") from None
    if not found.is_finite():
        raise ValueError(f"{value!r} is no number")
    return found


def text(value: object) -> str:
    """A text; a number or flag as JSON has it.

    Raises:
        ValueError: It is a list or an object.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return str(value)
    raise ValueError(f"a {type(value).__name__} is no text")

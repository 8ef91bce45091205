"""The slow path of loading: one value, looked at closely.

`decode.py` decodes thousands of records at once and comes here only with those
that did not fit. A value that means the same in another spelling is accepted
(`"5"` in an integer column, `2020-01-01` as an instant, 7 in a text column); any
other raises `NotConformingError`, which names what is wrong in words that a
person can act on.
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import msgspec

from flext_warehouse.columns import ColumnType, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

_ESCAPES = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"  # half a pair
    rb"|(\\u0000)"
    rb"|\\."
)
_REPLACEMENT = rb"\ufffd"
_INTEGER = re.compile(r"[+-]?[0-9]+\Z")
_SHOWN = 60
"""Longest piece of a value that a message shows."""


class NotConformingError(ValueError):
    """A value that its column cannot hold; the text says why."""


_exact = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


def decode_exact(raw: bytes | msgspec.Raw) -> Any:  # noqa: ANN401 - any JSON value
    """Decode JSON with numbers as int or Decimal."""
    return _exact(raw)


def find_unstorable(raw: bytes, *, refuse_nul: bool) -> str | None:
    """Say which character of a JSON text no text column can hold, if any."""
    for match in _ESCAPES.finditer(raw):
        if match[1]:
            return f"half a surrogate pair ({match[1].decode()})"
        if match[2] and refuse_nul:
            return "a NUL character (\\u0000), which Postgres cannot store"
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return f"a byte that is not UTF-8 (0x{raw[error.start]:02x})"
    return None


def replace_unstorable(raw: bytes, *, refuse_nul: bool) -> bytes:
    """Put U+FFFD for half surrogates, bytes outside UTF-8 and, if asked, NUL."""

    def replaced(match: re.Match[bytes]) -> bytes:
        lone = match[1] or (refuse_nul and match[2])
        return _REPLACEMENT if lone else match[0]

    return _ESCAPES.sub(replaced, raw.decode("utf-8", "replace").encode())


def conform(column: ColumnType, raw: bytes | msgspec.Raw) -> Any:  # noqa: ANN401
    """Give the value as the fast path would have, or raise.

    Args:
        column: the column's type.
        raw: the value's JSON text.

    Returns:
        str, int, bool, list or None; for NUMBER, DECIMAL, SCALAR and JSON a
        `msgspec.Raw`.

    Raises:
        NotConformingError: the column cannot hold the value.
    """
    text = bytes(raw)
    value = decode_exact(text)
    if column.kind in _RAW:
        if value is None:
            return msgspec.Raw(b"null")
        return msgspec.Raw(_RAW[column.kind](value, text))
    if value is None:
        return None
    if column.kind is Kind.LIST:
        return _as_list(value, column)
    return _VALUES[column.kind](value, text)


def _refuse(value: object, wanted: str) -> NotConformingError:
    shown = _encode(value).decode()
    shown = shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "…"
    return NotConformingError(f"{shown} is not {wanted}")


def _as_boolean(value: object, _: bytes) -> bool:
    if isinstance(value, bool):
        return value
    spellings = {"true": True, "false": False, "1": True, "0": False}
    if isinstance(value, str | int | Decimal):
        found = spellings.get(str(value).lower())
        if found is not None:
            return found
    raise _refuse(value, "true or false")


def _as_integer(value: object, _: bytes) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, Decimal) and value.is_finite() and value.adjusted() < 4300:  # noqa: PLR2004 - Python's own limit for int text
        whole = int(value)
        if whole == value:
            return whole
    if isinstance(value, str) and _INTEGER.match(value):
        return int(value)
    raise _refuse(value, "an integer")


def _as_number(value: object, text: bytes) -> bytes:
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return text
    if isinstance(value, str):
        try:
            number = Decimal(value.strip())
        except InvalidOperation:
            number = Decimal("NaN")
        if number.is_finite():
            return str(number).encode()
    raise _refuse(value, "a number")


def _as_text(value: object, text: bytes) -> str:
    return value if isinstance(value, str) else text.decode()


def _as_scalar(_: object, text: bytes) -> bytes:
    return text


def _parse_datetime(value: object, wanted: str) -> dt.datetime:
    if isinstance(value, str):
        try:
            return dt.datetime.fromisoformat(value.strip().upper())
        except ValueError:
            pass
    raise _refuse(value, wanted)


def _as_timestamp(value: object, _: bytes) -> str:
    moment = _parse_datetime(value, "a date-time")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    try:
        return moment.astimezone(dt.UTC).isoformat()
    except OverflowError:
        raise _refuse(value, "a date-time between years 1 and 9999") from None


def _as_wall_timestamp(value: object, _: bytes) -> str:
    moment = _parse_datetime(value, "a date-time")
    if moment.tzinfo is not None:
        moment = moment.astimezone(dt.UTC).replace(tzinfo=None)
    return moment.isoformat()


def _as_date(value: object, _: bytes) -> str:
    moment = _parse_datetime(value, "a date")
    if moment.time() != dt.time():
        raise _refuse(value, "a date: it has a time of day")
    return moment.date().isoformat()


def _as_time(value: object, _: bytes) -> str:
    if isinstance(value, str):
        try:
            parsed = dt.time.fromisoformat(value.strip().upper())
        except ValueError:
            pass
        else:
            if parsed.tzinfo is not None:
                # Time columns have no zone; an offset is applied, not dropped.
                day = dt.datetime.combine(dt.date(2000, 1, 2), parsed)
                parsed = day.astimezone(dt.UTC).time()
            return parsed.isoformat()
    raise _refuse(value, "a time of day")


def _as_list(value: object, column: ColumnType) -> list[Any]:
    if not isinstance(value, list) or column.item is None:
        raise _refuse(value, "an array")
    convert = _VALUES[column.item]
    return [
        None if item is None else convert(item, _encoded(item, column.item))
        for item in value
    ]


def _encoded(item: object, kind: Kind) -> bytes:
    if kind is not Kind.TEXT or isinstance(item, str):
        return b""
    return _encode(item)


_RAW: dict[Kind, Callable[[Any, bytes], bytes]] = {
    Kind.NUMBER: _as_number,
    Kind.DECIMAL: _as_number,
    Kind.SCALAR: _as_scalar,
    Kind.JSON: _as_scalar,
}
_VALUES: dict[Kind, Callable[[Any, bytes], Any]] = {
    Kind.BOOLEAN: _as_boolean,
    Kind.INTEGER: _as_integer,
    Kind.TEXT: _as_text,
    Kind.TIMESTAMP: _as_timestamp,
    Kind.WALL_TIMESTAMP: _as_wall_timestamp,
    Kind.DATE: _as_date,
    Kind.TIME: _as_time,
}

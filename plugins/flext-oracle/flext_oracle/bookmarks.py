"""Bookmarks: text in the state, typed values in comparisons and binds.

A bookmark is bound as the type its column has. Bound as another one, Oracle converts
the column instead of the value, and no index helps any more.
"""

from __future__ import annotations

import datetime as dt
import decimal
from typing import TYPE_CHECKING, Any

import oracledb

from flext_oracle.errors import OracleError
from flext_oracle.type_mapping import NANOSECOND_FORMAT, NUMBER_TYPES, TIME_TYPES

if TYPE_CHECKING:
    from flext_oracle.type_mapping import ColumnType

Value = Any  # a datetime without zone (UTC), a number, or text
FIRST_MOMENT = dt.datetime(1, 1, 1)  # noqa: DTZ001 - bound as UTC wall clock
LOWEST_NUMBER = decimal.Decimal("-9e124")
LOWEST_TEXT = "\x01"


def parse(text: object, kind: ColumnType, where: str) -> Value:
    """The value of a bookmark in the state, or of `start_date`.

    Raises:
        OracleError: It is no value of the column's type.
    """
    try:
        if kind.is_nanoseconds:
            return nanosecond_text(str(text))
        if kind.name in TIME_TYPES:
            return naive_utc(dt.datetime.fromisoformat(str(text)))
        if kind.name in NUMBER_TYPES:
            return _number(decimal.Decimal(str(text)))
    except (ValueError, ArithmeticError) as error:
        raise OracleError(
            f"the bookmark {text!r} is no {kind.name}",
            where,
            "reset the stream's state, or set replication-key to the column it is of",
        ) from error
    return str(text)


def of_record(value: object) -> Value:
    """A record's value as a bookmark that compares and binds."""
    if isinstance(value, dt.datetime):
        return naive_utc(value)
    if isinstance(value, str) and value.endswith("+00:00"):
        return value[:-6]
    return value


def to_state(value: object) -> object:
    """A record's value as the state keeps it."""
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    return value


def look_back(value: Value, amount: float, kind: ColumnType) -> Value:
    """A bookmark moved back.

    Args:
        value: The bookmark.
        amount: Seconds for times, units for numbers.
        kind: The column's type; text does not move.
    """
    if not amount or (isinstance(value, str) and not kind.is_nanoseconds):
        return value
    if kind.is_nanoseconds:
        whole, _, fraction = str(value).partition(".")
        earlier = dt.datetime.fromisoformat(whole) - dt.timedelta(seconds=amount)
        return f"{earlier.isoformat(timespec='seconds')}.{fraction}"
    if isinstance(value, dt.datetime):
        return value - dt.timedelta(seconds=amount)
    return value - _number(decimal.Decimal(str(amount)))


def lowest(kind: ColumnType) -> Value:
    """A value that none of the column's is below."""
    if kind.is_nanoseconds:
        return FIRST_MOMENT.isoformat() + ".000000000"
    if kind.name in TIME_TYPES:
        return FIRST_MOMENT
    return LOWEST_NUMBER if kind.name in NUMBER_TYPES else LOWEST_TEXT


def placeholder(kind: ColumnType) -> str:
    """The expression to compare the column with."""
    if kind.is_nanoseconds:
        value = f"TO_TIMESTAMP(:bookmark, '{NANOSECOND_FORMAT}')"
        return f"FROM_TZ({value}, '+00:00')" if kind.has_zone else value
    if kind.name == "TIMESTAMP_TZ":
        return "FROM_TZ(:bookmark, '+00:00')"
    return ":bookmark"


def bind_type(kind: ColumnType) -> Any:  # noqa: ANN401 - the driver's DbType
    """The driver's type to bind with."""
    if kind.is_nanoseconds:
        return oracledb.DB_TYPE_VARCHAR
    if kind.name == "DATE":
        return oracledb.DB_TYPE_DATE
    if kind.name in TIME_TYPES:
        return oracledb.DB_TYPE_TIMESTAMP
    if kind.name in NUMBER_TYPES:
        return oracledb.DB_TYPE_NUMBER
    return oracledb.DB_TYPE_VARCHAR


def naive_utc(moment: dt.datetime) -> dt.datetime:
    """A moment as UTC without its zone; one without a zone is UTC already."""
    if moment.tzinfo is not None:
        moment = moment.astimezone(dt.UTC)
    return moment.replace(tzinfo=None)


def nanosecond_text(text: str) -> str:
    """A timestamp as fixed-width text: it sorts as it should."""
    whole, _, rest = text.partition(".")
    digits = "".join(c for c in rest if c.isdigit())[:9] if rest else ""
    zone = rest[len(digits) :] if rest else ""
    moment = naive_utc(dt.datetime.fromisoformat(whole + zone if rest else text))
    return f"{moment.isoformat(timespec='seconds')}.{digits:0<9}"


def _number(value: decimal.Decimal) -> int | decimal.Decimal:
    return int(value) if value == value.to_integral_value() else value

"""Records as rows to bind: one converter per column, errors per value."""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import re
from typing import TYPE_CHECKING, Any

import msgspec
import oracledb

from flext_oracle.bookmarks import naive_utc, nanosecond_text
from flext_oracle.type_mapping import (
    BYTES_TYPES,
    DOUBLE_TYPES,
    LOB_TEXT_TYPES,
    NUMBER_TYPES,
    TIME_TYPES,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flext_oracle.type_mapping import ColumnType

ENCODE = msgspec.json.Encoder(decimal_format="number").encode
DURATION = re.compile(
    r"(?P<sign>-?)P(?:(?P<years>\d+)Y)?(?:(?P<months>\d+)M)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?"
    r"(?:(?P<seconds>\d+)(?:\.(?P<fraction>\d{1,6}))?S)?)?$"
)
MOST_DIGITS = 40  # what a NUMBER holds


def text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """A text; anything else as its JSON."""
    return value if isinstance(value, str) else ENCODE(value).decode()


def number(value: Any) -> int | decimal.Decimal:  # noqa: ANN401 - any JSON value
    """A number; also one that came as text.

    Raises:
        ValueError: It is none, or none that a NUMBER can hold.
    """
    if value.__class__ is int or value.__class__ is decimal.Decimal:
        return value  # type: ignore[no-any-return]  # too long: the driver says so
    if isinstance(value, int):
        return int(value)
    try:
        exact = decimal.Decimal(str(value))
    except decimal.InvalidOperation:
        raise ValueError(f"{value!r} is no number") from None
    if not exact.is_finite():
        raise ValueError(f"a NUMBER cannot hold {value}")
    if len(exact.as_tuple().digits) > MOST_DIGITS:
        raise ValueError(f"{value} has more than {MOST_DIGITS} digits")
    return exact


def moment(value: Any) -> dt.datetime:  # noqa: ANN401 - any JSON value
    """A point in time, as UTC without its zone."""
    found = dt.datetime.fromisoformat(value)
    return found.replace(tzinfo=None) if found.tzinfo is dt.UTC else naive_utc(found)


def second(value: Any) -> dt.datetime:  # noqa: ANN401 - any JSON value
    """A point in time for a DATE, which has no fractions."""
    return moment(value).replace(microsecond=0)


def decoded(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """The bytes of base64 text."""
    return base64.b64decode(str(value), validate=True)


def interval(value: Any) -> dt.timedelta:  # noqa: ANN401 - any JSON value
    """The interval of an ISO 8601 duration in days and below."""
    match = DURATION.match(str(value))
    if match is None or match["years"] or match["months"]:
        raise ValueError(f"{value!r} is no duration of days and below")
    found = dt.timedelta(
        days=int(match["days"] or 0),
        hours=int(match["hours"] or 0),
        minutes=int(match["minutes"] or 0),
        seconds=int(match["seconds"] or 0),
        microseconds=int((match["fraction"] or "0").ljust(6, "0")),
    )
    return -found if match["sign"] else found


def months(value: Any) -> oracledb.IntervalYM:  # noqa: ANN401 - any JSON value
    """The interval of an ISO 8601 duration in years and months."""
    match = DURATION.match(str(value))
    if match is None or not (match["years"] or match["months"]):
        raise ValueError(f"{value!r} is no duration of years and months")
    sign = -1 if match["sign"] else 1
    return oracledb.IntervalYM(
        sign * int(match["years"] or 0), sign * int(match["months"] or 0)
    )


def json_text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """The JSON of a value, numbers exact."""
    return str(ENCODE(value).decode())


def bit(value: Any) -> int:  # noqa: ANN401 - any JSON value
    """A boolean as 1 or 0."""
    if isinstance(value, str):
        value = {"true": True, "false": False}.get(value.lower(), value)
    if value not in (True, False):
        raise ValueError(f"{value!r} is no boolean")
    return int(value)


def converter(kind: ColumnType, schema: Mapping[str, Any]) -> Callable[[Any], Any]:
    """What turns a property's value, never None, into a bind value."""
    if kind.is_nanoseconds:
        return _nanoseconds
    if kind.name in NUMBER_TYPES:
        names = schema.get("type") or ()
        is_flag = "boolean" in names and not {"number", "integer"}.intersection(names)
        return bit if is_flag else number
    return CONVERTERS.get(kind.name, text)


def _nanoseconds(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return nanosecond_text(str(value))


def _boolean(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    return bool(bit(value))


CONVERTERS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(TIME_TYPES, moment),
    **dict.fromkeys(DOUBLE_TYPES, float),
    **dict.fromkeys(BYTES_TYPES, decoded),
    "DATE": second,
    "INTERVAL_DS": interval,
    "INTERVAL_YM": months,
    "JSON": json_text,
    "BOOLEAN": _boolean,
}


def bind_type(kind: ColumnType) -> Any:  # noqa: ANN401 - the driver's DbType
    """The driver's type for a column, so that no batch decides by its first value."""
    if kind.name in {"XMLTYPE", "JSON"}:
        return oracledb.DB_TYPE_CLOB  # an argument of a function, not a column
    if kind.is_nanoseconds:
        return oracledb.DB_TYPE_VARCHAR
    return BIND_TYPES.get(kind.name, oracledb.DB_TYPE_VARCHAR)


BIND_TYPES: dict[str, Any] = {
    **dict.fromkeys(NUMBER_TYPES, oracledb.DB_TYPE_NUMBER),
    # As LONG a text travels inside the row; as CLOB it would cost round trips.
    **dict.fromkeys(LOB_TEXT_TYPES, oracledb.DB_TYPE_LONG),
    "NVARCHAR2": oracledb.DB_TYPE_NVARCHAR,
    "NCHAR": oracledb.DB_TYPE_NVARCHAR,
    "RAW": oracledb.DB_TYPE_RAW,
    "BLOB": oracledb.DB_TYPE_LONG_RAW,
    "LONG RAW": oracledb.DB_TYPE_LONG_RAW,
    "DATE": oracledb.DB_TYPE_DATE,
    "TIMESTAMP": oracledb.DB_TYPE_TIMESTAMP,
    "TIMESTAMP_TZ": oracledb.DB_TYPE_TIMESTAMP_TZ,
    "TIMESTAMP_LTZ": oracledb.DB_TYPE_TIMESTAMP_LTZ,
    "BINARY_DOUBLE": oracledb.DB_TYPE_BINARY_DOUBLE,
    "BINARY_FLOAT": oracledb.DB_TYPE_BINARY_FLOAT,
    "INTERVAL_DS": oracledb.DB_TYPE_INTERVAL_DS,
    "INTERVAL_YM": oracledb.DB_TYPE_INTERVAL_YM,
    "BOOLEAN": oracledb.DB_TYPE_BOOLEAN,
    "VECTOR": oracledb.DB_TYPE_VECTOR,
}


class RowMaker:
    """Turns records into rows in the order of some columns.

    Args:
        columns: Property, its schema and the column's type, in the order of the row.
    """

    def __init__(
        self, columns: Sequence[tuple[str, Mapping[str, Any], ColumnType]]
    ) -> None:
        self._parts = [
            (name, converter(kind, schema)) for name, schema, kind in columns
        ]

    def row(self, record: Mapping[str, Any]) -> list[Any]:
        """The bind values of a record; what it lacks is NULL.

        Raises:
            ValueError: A value does not fit its column; the message names it.
        """
        get = record.get
        try:
            return [
                None if (value := get(name)) is None else convert(value)
                for name, convert in self._parts
            ]
        except (ValueError, TypeError, OverflowError):
            return self._explained(record)

    def _explained(self, record: Mapping[str, Any]) -> list[Any]:
        """The same, slowly: an error names its property."""
        out: list[Any] = []
        for name, convert in self._parts:
            value = record.get(name)
            try:
                out.append(None if value is None else convert(value))
            except (ValueError, TypeError, OverflowError) as error:
                raise ValueError(f"{name}: {error}") from error
        return out

"""Rows of the driver as records: one compiled function per stream.

The function is generated, because a dict display with the conversions in place costs
a third of a loop over converters. It is built from our own expressions and from
``repr`` of the property names, nothing else.
"""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import json
import math
from typing import TYPE_CHECKING, Any

import oracledb

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flext_oracle.type_mapping import ColumnType

Row = tuple[Any, ...]
SECONDS_PER_DAY = 86_400


def nanosecond_text(value: str) -> str:
    """The text of a timestamp as RFC 3339, in UTC."""
    return value + "+00:00"


def double(value: float) -> float | str:
    """A double; NaN and the infinities by the names that SQL gives them."""
    if math.isfinite(value):
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"  # noqa: PLR0124  NaN differs from itself


def finite(value: float) -> float | None:
    """A double; NaN and the infinities as null."""
    return value if math.isfinite(value) else None


def encoded(value: bytes) -> str:
    """Bytes as base64 text."""
    return base64.b64encode(value).decode("ascii")


def duration(value: dt.timedelta) -> str:
    """A day-to-second interval as ISO 8601, e.g. ``-P1DT2H3M4.5S``."""
    sign = "-" if value < dt.timedelta(0) else ""
    value = abs(value)
    hours, rest = divmod(value.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    fraction = f".{value.microseconds:06d}".rstrip("0") if value.microseconds else ""
    return f"{sign}P{value.days}DT{hours}H{minutes}M{seconds}{fraction}S"


def months(value: oracledb.IntervalYM) -> str:
    """A year-to-month interval as ISO 8601, e.g. ``-P1Y2M``."""
    sign = "-" if value.years < 0 or value.months < 0 else ""
    return f"{sign}P{abs(value.years)}Y{abs(value.months)}M"


def json_value(value: str) -> Any:  # noqa: ANN401  JSON is any of six types
    """The value of a JSON text, numbers exact."""
    return json.loads(value, parse_float=decimal.Decimal)


CONVERSIONS: dict[str, str] = {
    "DATE": "{0}.replace(tzinfo=utc)",
    "TIMESTAMP": "{0}.replace(tzinfo=utc)",
    "TIMESTAMP_TZ": "{0}.replace(tzinfo=utc)",
    "TIMESTAMP_LTZ": "{0}.replace(tzinfo=utc)",
    "BINARY_DOUBLE": "double({0})",
    "BINARY_FLOAT": "double({0})",
    "RAW": "encoded({0})",
    "LONG RAW": "encoded({0})",
    "BLOB": "encoded({0})",
    "INTERVAL_DS": "duration({0})",
    "INTERVAL_YM": "months({0})",
    "JSON": "json_value({0})",
    "VECTOR": "list({0})",
    "BOOLEAN": "bool({0})",
}


def compile_reader(
    columns: Sequence[tuple[str, ColumnType]], *, null_doubles: bool = False
) -> Callable[[list[Row]], list[dict[str, Any]]]:
    """A function from rows to records.

    Args:
        columns: Property name and type, in the order of the row.
        null_doubles: Whether NaN and the infinities become null instead of text.

    Returns:
        Takes what ``fetchmany`` gave, returns as many dicts whose values JSON can
        carry: times aware and in UTC, numbers exact.
    """
    parts = []
    for position, (name, kind) in enumerate(columns):
        value = f"r[{position}]"
        if kind.is_nanoseconds:
            conversion = "nanosecond_text({0})"
        else:
            conversion = CONVERSIONS.get(kind.name, "")
        if conversion:
            value = f"None if {value} is None else {conversion.format(value)}"
        parts.append(f"{name!r}: {value}")
    source = f"lambda rows: [{{{', '.join(parts)}}} for r in rows]"
    known = {
        "utc": dt.UTC,
        "nanosecond_text": nanosecond_text,
        "double": finite if null_doubles else double,
        "encoded": encoded,
        "duration": duration,
        "months": months,
        "json_value": json_value,
    }
    compiled: Callable[[list[Row]], list[dict[str, Any]]] = eval(source, known)  # noqa: S307  our own text, names by repr
    return compiled


def number_handler(
    columns: Sequence[tuple[str, ColumnType]],
) -> Callable[[oracledb.Cursor, oracledb.FetchInfo], oracledb.Var | None]:
    """An outputtypehandler that reads numbers exactly: whole ones as int.

    By default the driver reads NUMBER without scale as a float and loses digits.
    """
    integers = {name for name, kind in columns if kind.is_integer}

    def handler(
        cursor: oracledb.Cursor, info: oracledb.FetchInfo
    ) -> oracledb.Var | None:
        if info.type_code is oracledb.DB_TYPE_NUMBER:
            python_type = int if info.name in integers else decimal.Decimal
            return cursor.var(python_type, arraysize=cursor.arraysize)
        return None

    return handler

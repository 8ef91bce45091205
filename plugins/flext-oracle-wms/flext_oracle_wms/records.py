"""From the service's rows to flat records."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from flext_oracle_wms.errors import WmsError
from flext_oracle_wms.instants import format_instant, parse_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flext_oracle_wms.entities import Entity


MAX_DIGITS = 1000  # a number like 1e999999999 is no key and no quantity


class BadValueError(WmsError):
    """A value that its column cannot hold; names entity, id and field."""


def flattener(
    entity: Entity, zone: dt.tzinfo | None = None
) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Gives the function that makes a record of one of the entity's rows.

    Fields that discovery did not see are dropped and reported by the caller; a field
    that a row lacks is null.

    Args:
        entity: The entity.
        zone: Of instants that come without an offset; None refuses them.
    """
    converters = CONVERTERS | {"datetime": partial(put_datetime, zone=zone)}
    plans = [(field, kind, converters[kind]) for field, kind in entity.kinds.items()]

    def flatten(row: Mapping[str, Any]) -> dict[str, Any]:
        record: dict[str, Any] = {}
        get = row.get
        field, kind = "id", "integer"
        try:
            for field, kind, convert in plans:  # noqa: B007 - the error names them
                convert(record, field, get(field))
        except (ValueError, TypeError, ArithmeticError, WmsError) as error:
            raise BadValueError(
                f"{field} is {str(get(field))[:80]!r}, not {kind} ({error})",
                where=f"{entity.name} id {get('id')}",
            ) from None
        if record["id"] is None:
            raise BadValueError("a row has no id", where=f"entity {entity.name!r}")
        return record

    return flatten


def put_text(record: dict[str, Any], field: str, value: Any) -> None:
    """Text as it came, an empty one too; what is nested as JSON text."""
    if value is None or isinstance(value, str):
        record[field] = value
    elif isinstance(value, bool | int | Decimal):
        record[field] = str(value)
    else:
        record[field] = json.dumps(value, default=str, ensure_ascii=False)


def put_integer(record: dict[str, Any], field: str, value: Any) -> None:
    """Integers of any size; the service writes some as text."""
    if value is None or value == "":
        record[field] = None
    elif isinstance(value, bool):
        raise TypeError("boolean")
    elif isinstance(value, int):
        record[field] = value
    else:
        number = Decimal(str(value))
        if number.adjusted() > MAX_DIGITS or number != number.to_integral_value():
            raise ValueError("it is no whole number")
        record[field] = int(number)


def put_decimal(record: dict[str, Any], field: str, value: Any) -> None:
    """Exact decimals, whether they came as text or as a number."""
    if value is None or value == "":
        record[field] = None
        return
    number = Decimal(str(value))
    if not number.is_finite():
        raise ValueError("not a finite number")
    record[field] = number


def put_boolean(record: dict[str, Any], field: str, value: Any) -> None:
    """True and false; some flags come as text."""
    if isinstance(value, str):
        value = {"": None, "true": True, "false": False}.get(value.lower(), value)
    if value is not None and not isinstance(value, bool):
        raise TypeError(type(value).__name__)
    record[field] = value


def put_datetime(
    record: dict[str, Any], field: str, value: Any, zone: dt.tzinfo | None = None
) -> None:
    """An instant in UTC."""
    record[field] = format_instant(parse_instant(value, zone)) if value else None


def put_date(record: dict[str, Any], field: str, value: Any) -> None:
    """A calendar date."""
    if not value:
        record[field] = None
        return
    day, _, time = value.partition("T")
    if time and not time.startswith("00:00:00"):
        raise ValueError("it has a time of day")
    record[field] = dt.date.fromisoformat(day).isoformat()


def put_relation(record: dict[str, Any], field: str, value: Any) -> None:
    """`{"id", "key", "url"}`, a bare id, or nothing; text that is no id is a key."""
    stem = field.removesuffix("_id")
    key = None
    if isinstance(value, dict):
        key, value = value.get("key"), value.get("id")
    elif isinstance(value, str) and not value.lstrip("-").isdigit():
        key, value = value or None, None
    put_integer(record, f"{stem}_id", value)
    record[f"{stem}_key"] = None if key is None else str(key)


def put_set(record: dict[str, Any], field: str, value: Any) -> None:
    """`{"result_count", "url"}`, the child rows themselves, or nothing.

    What has another form is kept as the one element of `_data`.
    """
    count: Any = None
    url: Any = None
    data: Any = None
    if isinstance(value, dict) and "result_count" in value:
        count, url = value.get("result_count"), value.get("url")
    elif isinstance(value, list):
        count, data = len(value), value
    elif value is not None and value != "":
        data = [value]
    record[f"{field}_count"] = count
    record[f"{field}_url"] = url
    record[f"{field}_data"] = data


CONVERTERS: dict[str, Callable[[dict[str, Any], str, Any], None]] = {
    "text": put_text,
    "integer": put_integer,
    "decimal": put_decimal,
    "boolean": put_boolean,
    "datetime": put_datetime,
    "date": put_date,
    "time": put_text,
    "relation": put_relation,
    "set": put_set,
}

"""From the service's rows to flat records."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from flext_oracle_wms.errors import WmsError
from flext_oracle_wms.instants import format_instant, parse_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flext_oracle_wms.entities import Entity


class BadValueError(WmsError):
    """A value that its column cannot hold; names entity, id and field."""


def flattener(entity: Entity) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Gives the function that makes a record of one of the entity's rows.

    Fields that discovery did not see are dropped and counted by the caller; a field
    that a row lacks is null.
    """
    plans = [(field, kind, CONVERTERS[kind]) for field, kind in entity.kinds.items()]

    def flatten(row: Mapping[str, Any]) -> dict[str, Any]:
        record: dict[str, Any] = {}
        for field, kind, convert in plans:
            value = row.get(field)
            try:
                convert(record, field, value)
            except (ValueError, TypeError, InvalidOperation, WmsError) as error:
                raise BadValueError(
                    f"{entity.name} id {row.get('id')}: {field} is"
                    f" {str(value)[:80]!r}, not {kind} ({error})"
                ) from None
        return record

    return flatten


def put_text(record: dict[str, Any], field: str, value: Any) -> None:
    """Text as it came; an empty text stays empty."""
    if value is None or isinstance(value, str):
        record[field] = value
    elif isinstance(value, bool | int | Decimal):
        record[field] = str(value)
    else:
        raise TypeError(type(value).__name__)


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
        if number != number.to_integral_value():
            raise ValueError("it has a fraction")
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


def put_datetime(record: dict[str, Any], field: str, value: Any) -> None:
    """An instant in UTC."""
    record[field] = format_instant(parse_instant(value)) if value else None


def put_date(record: dict[str, Any], field: str, value: Any) -> None:
    """A calendar date."""
    record[field] = dt.date.fromisoformat(value).isoformat() if value else None


def put_relation(record: dict[str, Any], field: str, value: Any) -> None:
    """`{"id", "key", "url"}`, a bare id, or nothing."""
    stem = field.removesuffix("_id")
    key = None
    if isinstance(value, dict):
        key, value = value.get("key"), value.get("id")
    put_integer(record, f"{stem}_id", value)
    record[f"{stem}_key"] = None if key is None else str(key)


def put_set(record: dict[str, Any], field: str, value: Any) -> None:
    """`{"result_count", "url"}`, the child rows themselves, or nothing."""
    count: Any = None
    url: Any = None
    data: Any = None
    if isinstance(value, dict):
        count, url = value.get("result_count"), value.get("url")
    elif isinstance(value, list):
        count, data = len(value), value
    elif value is not None:
        raise TypeError(type(value).__name__)
    record |= {f"{field}_count": count, f"{field}_url": url, f"{field}_data": data}


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

"""Filters of the query string: `field`, `field__lookup`, joins by `__`, `!=`."""

from __future__ import annotations

import datetime as dt
import functools
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from fakes.wms.errors import invalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from fakes.wms.entities import Entity, Row, Rows

LOOKUPS = frozenset(
    (
        *("gt", "gte", "lt", "lte", "exact", "iexact", "contains", "icontains"),
        *("startswith", "istartswith", "endswith", "iendswith"),
        *("year", "month", "day", "week_day", "hour", "minute"),
        *("isnull", "in", "range"),
    )
)
RESERVED = {
    "page",
    "page_size",
    "page_mode",
    "cursor",
    "ordering",
    "fields",
    "values_list",
    "distinct",
    "format",
    "limit",
    "x",
}


def parse_instant(text: str, zone: str, field: str) -> dt.datetime:
    """ISO 8601; without an offset it is read in the user's zone (REST API guide, 4)."""
    try:
        value = dt.datetime.fromisoformat(text)
    except ValueError:
        raise invalid({field: f"Invalid date/time: {text!r}"}) from None
    if value.tzinfo is None:
        value = value.replace(tzinfo=ZoneInfo(zone))
    return value.astimezone(dt.UTC)


@functools.lru_cache(1000)
def several(text: str, kind: str, zone: str, field: str) -> tuple[Any, ...]:
    """The values of `__in` and `__range`."""
    return tuple(typed(part, kind, zone, field) for part in text.split(","))


@functools.lru_cache(1000)
def typed(text: str, kind: str, zone: str, field: str) -> Any:
    """The text of a filter as a value of the column's type; 400 when it is not one."""
    try:
        if kind in {"integer", "relation"}:
            return int(text)
        if kind == "decimal":
            return Decimal(text)
        if kind == "boolean":
            return {"true": True, "false": False, "1": True, "0": False}[text.lower()]
        if kind == "date":
            return dt.date.fromisoformat(text)
    except (ValueError, InvalidOperation, KeyError):
        raise invalid({field: f"Invalid value: {text!r}"}) from None
    if kind == "datetime":
        return parse_instant(text, zone, field)
    return text


def resolve(
    rows: Rows, entity: Entity, name: str
) -> tuple[Callable[[Row], Any], str, str]:
    """A filter's name as (how to get the value, its type, lookup)."""
    parts = name.split("__")
    lookup = parts.pop() if len(parts) > 1 and parts[-1] in LOOKUPS else "exact"
    hops: list[tuple[str, str]] = []
    spec = entity
    for part in parts[:-1]:
        target = spec.relations.get(part)
        if target is None:
            raise invalid({name: "Invalid filter field."})
        hops.append((part, target))
        spec = rows.entities[target]
    last = parts[-1]
    if not hops and lookup == "isnull" and last not in spec.fields:
        return reverse_set(rows, spec, last, name)
    if last not in spec.fields or last == "url" or last in spec.sets:
        raise invalid({name: "Invalid filter field."})

    def value_of(row: Row) -> Any:
        current: Row | None = row
        for part, target in hops:
            current = rows.get(target, current.get(part)) if current else None
        return current.get(last) if current else None

    return value_of, spec.fields[last], lookup


def reverse_set(
    rows: Rows, spec: Entity, joined: str, name: str
) -> tuple[Callable[[Row], Any], str, str]:
    """`orderdtl__isnull`: the child set by its joined name."""
    for child, pointer in spec.sets.values():
        if child.replace("_", "") == joined:
            return (
                lambda row, child=child, pointer=pointer: next(
                    (1 for c in rows.visible(child) if c.get(pointer) == row["id"]),
                    None,
                ),
                "integer",
                "isnull",
            )
    raise invalid({name: "Invalid filter field."})


def matches(
    value: Any, lookup: str, text: str, kind: str, zone: str, name: str
) -> bool:
    if lookup == "isnull":
        if text.lower() not in {"true", "false"}:
            raise invalid({name: "isnull takes true or false."})
        return (value is None) == (text.lower() == "true")
    if lookup in {"in", "range"}:
        wanted = several(text, kind, zone, name)
        if lookup == "in":
            return value in wanted
        if len(wanted) != 2:
            raise invalid({name: "range takes two values."})
        return value is not None and wanted[0] <= value <= wanted[1]
    if lookup in {"year", "month", "day", "week_day", "hour", "minute"}:
        wanted_number = typed(text, "integer", zone, name)
        if value is None:
            return False
        local = (
            value.astimezone(ZoneInfo(zone))
            if isinstance(value, dt.datetime)
            else value
        )
        # week_day counts from Sunday = 1.
        got = (
            local.isoweekday() % 7 + 1
            if lookup == "week_day"
            else getattr(local, lookup)
        )
        return bool(got == wanted_number)
    if lookup in {"gt", "gte", "lt", "lte"}:
        wanted_value = typed(text, kind, zone, name)
        if value is None:
            return False
        return {
            "gt": value > wanted_value,
            "gte": value >= wanted_value,
            "lt": value < wanted_value,
            "lte": value <= wanted_value,
        }[lookup]
    if lookup == "exact":
        return bool(value == typed(text, kind, zone, name))
    have, want = str(value if value is not None else ""), text
    if lookup.startswith("i"):
        have, want, lookup = have.lower(), want.lower(), lookup[1:]
    return {
        "exact": have == want,
        "contains": want in have,
        "startswith": have.startswith(want),
        "endswith": have.endswith(want),
    }[lookup]


def select(
    rows: Rows, entity: Entity, query: list[tuple[str, str]], zone: str
) -> list[Row]:
    """The user's rows of an entity that every filter lets through, by id.

    A repeated key counts once, with its last value (REST API guide, "URL Format").
    """
    last: dict[str, str] = dict(query)
    found = rows.visible(entity.name)
    for raw_name, text in last.items():
        if raw_name in RESERVED:
            continue
        is_negated = raw_name.endswith("!")
        value_of, kind, lookup = resolve(rows, entity, raw_name.removesuffix("!"))
        if not found and lookup not in {"isnull", "in", "range"}:
            typed(
                text,
                kind if not lookup.endswith(("contains", "with")) else "string",
                zone,
                raw_name,
            )
        found = [
            row
            for row in found
            if matches(value_of(row), lookup, text, kind, zone, raw_name) != is_negated
        ]
    return found

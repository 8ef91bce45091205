"""From a row of the service to a record: known columns typed, the rest kept whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flext_oracle_oic import keys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Fields that a stream has no column for; nothing that the service says is dropped.
REST = "additionalFields"

TEXT, INSTANT, FLAG, WHOLE, NUMBER, LIST, OBJECT = (
    "text",
    "instant",
    "flag",
    "whole",
    "number",
    "list",
    "object",
)
_SCHEMAS: dict[str, dict[str, Any]] = {
    TEXT: {"type": ["string", "null"]},
    INSTANT: {"type": ["string", "null"], "format": "date-time"},
    FLAG: {"type": ["boolean", "null"]},
    WHOLE: {"type": ["integer", "null"]},
    NUMBER: {"type": ["number", "null"]},
    LIST: {"type": ["array", "null"]},
    OBJECT: {"type": ["object", "null"]},
}
_CONVERT: dict[str, Callable[[Any], Any]] = {
    TEXT: keys.text,
    INSTANT: keys.instant,
    FLAG: keys.boolean,
    WHOLE: keys.integer,
    NUMBER: keys.number,
    # One where a list is expected (old generations), or a list where one is.
    LIST: lambda value: value if isinstance(value, list) else [value],
    OBJECT: lambda value: value if isinstance(value, dict) else {"items": value},
}


class BadRowError(Exception):
    """A row that no record can be made of; the text says why."""


def schema(fields: Mapping[str, str], required: tuple[str, ...]) -> dict[str, Any]:
    """The JSON Schema of a stream.

    Args:
        fields: Column to its kind.
        required: Key columns, which are never null.
    """
    properties = {name: dict(_SCHEMAS[kind]) for name, kind in fields.items()}
    for name in required:
        properties[name] = {**properties[name], "type": properties[name]["type"][:1]}
    properties[REST] = dict(_SCHEMAS[OBJECT])
    return {"type": "object", "properties": properties}


def record(
    row: Any,  # noqa: ANN401 - JSON of any shape
    fields: Mapping[str, str],
    required: tuple[str, ...],
) -> dict[str, Any]:
    """A row with camel-case keys as a record.

    Raises:
        BadRowError: It is no object, its key is missing, or a value is of no use.
    """
    if not isinstance(row, dict):
        raise BadRowError(f"a {type(row).__name__} stands where a row should")
    out: dict[str, Any] = {}
    for name, kind in fields.items():
        value = row.get(name)
        if value is None:
            out[name] = None
            continue
        if kind is TEXT and value.__class__ is str:
            out[name] = value
            continue
        try:
            out[name] = _CONVERT[kind](value)
        except (ValueError, OverflowError) as error:
            raise BadRowError(f"{name}: {error}") from None
    for name in required:
        if out.get(name) in (None, ""):
            raise BadRowError(f"it has no {name}")
    rest = row.keys() - fields.keys()
    out[REST] = {name: row[name] for name in row if name in rest} if rest else None
    return out

"""From a row of the service to a record: known columns typed, the rest kept whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flext_oracle_oic import keys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Fields that a stream has no column for; nothing that the service says is dropped.
REST = "additionalFields"

TEXT, INSTANT, FLAG, WHOLE, NUMBER, ANY = (
    "text",
    "instant",
    "flag",
    "whole",
    "number",
    "any",
)
_SCHEMAS: dict[str, dict[str, Any]] = {
    TEXT: {"type": ["string", "null"]},
    INSTANT: {"type": ["string", "null"], "format": "date-time"},
    FLAG: {"type": ["boolean", "null"]},
    WHOLE: {"type": ["integer", "null"]},
    NUMBER: {"type": ["number", "null"]},
    # An object of any shape; lists are kept as they are inside JSON columns.
    ANY: {"type": ["object", "array", "null"]},
}
_CONVERT: dict[str, Callable[[Any], Any]] = {
    TEXT: keys.text,
    INSTANT: keys.instant,
    FLAG: keys.boolean,
    WHOLE: keys.integer,
    NUMBER: keys.number,
    ANY: lambda value: value,
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
    properties[REST] = dict(_SCHEMAS[ANY])
    return {"type": "object", "properties": properties}


def record(
    row: Any,  # noqa: ANN401 - JSON of any shape
    fields: Mapping[str, str],
    required: tuple[str, ...],
) -> dict[str, Any]:
    """A row with camel-case keys as a record; security properties are redacted.

    Raises:
        BadRowError: It is no object, its key is missing, or a value is of no use.
    """
    if not isinstance(row, dict):
        raise BadRowError(f"a {type(row).__name__} stands where a row should")
    row = keys.redacted(row)
    out: dict[str, Any] = {}
    for name, kind in fields.items():
        value = row.get(name)
        if value is None:
            out[name] = None
            continue
        try:
            out[name] = _CONVERT[kind](value)
        except (ValueError, OverflowError) as error:
            raise BadRowError(f"{name}: {error}") from None
    for name in required:
        if out.get(name) in (None, ""):
            raise BadRowError(f"it has no {name}")
    rest = {name: value for name, value in row.items() if name not in fields}
    out[REST] = rest or None
    return out

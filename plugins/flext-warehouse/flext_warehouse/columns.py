"""What a JSON Schema property becomes: one of a dozen column kinds.

Both warehouses share these kinds; `duckdb.py` and `postgres.py` say how each is
spelled there. The rule behind the choices: a value that conforms to its schema
is stored so that the very same value can be read back. Where JSON Schema says
less than a database wants to know (a number without a declared precision, an
integer without bounds), the value decides while it is loaded, see `decode.py`.
"""

# ruff: noqa: PLR0911 - one return per type reads as a table

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

JsonSchema = dict[str, Any]

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
MAX_DECIMAL_DIGITS = 38
"""Digits of the widest decimal that DuckDB and Arrow's decimal128 know."""


class Kind(StrEnum):
    """What a column can hold."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    """64 bits; grows to DECIMAL when a value needs it."""
    DECIMAL = "decimal"
    """Exact, with a scale; in Postgres any number of digits."""
    NUMBER = "number"
    """A JSON number that nobody calls a decimal."""
    TEXT = "text"
    SCALAR = "scalar"
    """Values of several scalar types, kept as text."""
    TIMESTAMP = "timestamp"
    """An instant, microseconds, stored as UTC."""
    WALL_TIMESTAMP = "wall timestamp"
    """Date and time of day without a zone."""
    DATE = "date"
    TIME = "time"
    JSON = "json"
    """Any JSON value, kept as the text it arrived in."""
    LIST = "list"
    """Array of text, integers or booleans as a native list."""


@dataclass(frozen=True)
class ColumnType:
    """A kind and what some kinds need beside it.

    Args:
        kind: what the column holds.
        precision: DECIMAL only, all digits; None where the source names none.
        scale: DECIMAL only, digits after the point; None with precision.
        item: LIST only, the kind of its elements.
    """

    kind: Kind
    precision: int | None = None
    scale: int | None = None
    item: Kind | None = None

    def __str__(self) -> str:
        """Name the type as messages do."""
        if self.kind is Kind.DECIMAL and self.precision is not None:
            return f"decimal({self.precision},{self.scale})"
        return f"list of {self.item}" if self.item else str(self.kind)


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Args:
        source: the property's name in the record.
        name: the column's name in the database, see `identifiers.py`.
        type: what it holds.
    """

    source: str
    name: str
    type: ColumnType


BOOLEAN = ColumnType(Kind.BOOLEAN)
INTEGER = ColumnType(Kind.INTEGER)
NUMBER = ColumnType(Kind.NUMBER)
BIG_INTEGER = ColumnType(Kind.DECIMAL, MAX_DECIMAL_DIGITS, 0)
EXACT = ColumnType(Kind.DECIMAL)
"""A decimal whose digits the source does not tell."""
TEXT = ColumnType(Kind.TEXT)
SCALAR = ColumnType(Kind.SCALAR)
TIMESTAMP = ColumnType(Kind.TIMESTAMP)
WALL_TIMESTAMP = ColumnType(Kind.WALL_TIMESTAMP)
DATE = ColumnType(Kind.DATE)
TIME = ColumnType(Kind.TIME)
JSON = ColumnType(Kind.JSON)

WALL = "timestamp without time zone"
"""What `x-sql-datatype` says beside `date-time` when there is no zone."""
_DECLARED_DIGITS = re.compile(
    r"(?:numeric|decimal|number) ?\((\d+|\*)(?:, ?(\d+))?\)", re.IGNORECASE
)
_DECIMAL_NAMES = frozenset({"numeric", "decimal", "number"})
_DECIMAL_FORMATS = frozenset({"singer.decimal", "x-singer.decimal", "decimal"})
_STRING_FORMATS = {"date-time": TIMESTAMP, "date": DATE, "time": TIME}
_ITEM_KINDS = {
    "string": Kind.TEXT,
    "integer": Kind.INTEGER,
    "boolean": Kind.BOOLEAN,
}


def column_type(schema: JsonSchema, *, native_lists: bool = True) -> ColumnType:
    """Choose the column type of one property.

    Hints that are read: `format` (`date-time`, `date`, `time`,
    `singer.decimal`), `multipleOf`, `x-precision` and `x-scale`, `minimum` and
    `maximum` of integers, and `x-sql-datatype` where it is a decimal with its
    digits (`numeric(20,6)`, `NUMBER(38)`), a decimal without (`numeric`) or
    `timestamp without time zone`.

    Args:
        schema: the property's JSON Schema.
        native_lists: give arrays of scalars a LIST, else JSON.
    """
    names = _type_names(schema)
    if not names or names & {"object"} or (len(names) > 1 and "array" in names):
        return JSON
    if names == {"array"}:
        return _list_type(schema) if native_lists else JSON
    if names == {"boolean"}:
        return BOOLEAN
    if names == {"integer"}:
        return _integer_type(schema)
    if names <= {"integer", "number"}:
        return _number_type(schema)
    if names == {"string"}:
        return _string_type(schema)
    if names == {"null"}:
        return TEXT
    return SCALAR


def _type_names(schema: JsonSchema) -> set[str]:
    """Give all JSON types a property allows, without null."""
    declared = schema.get("type", [])
    names = {declared} if isinstance(declared, str) else set(declared)
    for branch in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        if isinstance(branch, dict):
            names |= _type_names(branch) or {"object"}
    if not names:
        values = schema.get("enum") or [schema[k] for k in ("const",) if k in schema]
        names = {_json_type(value) for value in values}
    return names - {"null"} or names


def _json_type(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "null" if value is None else "object"


def _branches(schema: JsonSchema) -> list[JsonSchema]:
    branches = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    return [schema, *(b for b in branches if isinstance(b, dict))]


def _hint(schema: JsonSchema, name: str) -> Any:  # noqa: ANN401 - any JSON value
    return next((b[name] for b in _branches(schema) if b.get(name) is not None), None)


def _list_type(schema: JsonSchema) -> ColumnType:
    items = _hint(schema, "items")
    if isinstance(items, dict):
        names = _type_names(items)
        if len(names) == 1 and (kind := _ITEM_KINDS.get(next(iter(names)))):
            return ColumnType(Kind.LIST, item=kind)
    return JSON


def _digits(schema: JsonSchema) -> tuple[int | None, int | None]:
    """Give precision and scale as the hints tell them."""
    declared = _DECLARED_DIGITS.fullmatch(str(_hint(schema, "x-sql-datatype") or ""))
    if declared is not None:
        digits = MAX_DECIMAL_DIGITS if declared[1] == "*" else int(declared[1])
        return digits, int(declared[2] or 0)
    precision, scale = _hint(schema, "x-precision"), _hint(schema, "x-scale")
    step = _hint(schema, "multipleOf")
    if scale is None and step is not None:
        precision, scale = None, _scale_of(step)
    return (
        precision if isinstance(precision, int) else None,
        scale if isinstance(scale, int) else None,
    )


def _integer_type(schema: JsonSchema) -> ColumnType:
    precision, _ = _digits(schema)
    if precision is not None and precision > 18:  # noqa: PLR2004 - int64's digits
        return BIG_INTEGER if precision <= MAX_DECIMAL_DIGITS else SCALAR
    bounds = [schema.get(name) for name in ("minimum", "maximum")]
    if any(
        isinstance(bound, int) and not INT64_MIN <= bound <= INT64_MAX
        for bound in bounds
    ):
        return BIG_INTEGER
    return INTEGER


def _number_type(schema: JsonSchema) -> ColumnType:
    precision, scale = _digits(schema)
    if precision is None:
        precision = MAX_DECIMAL_DIGITS
    if scale is None or not 0 <= scale <= precision <= MAX_DECIMAL_DIGITS:
        named = str(_hint(schema, "x-sql-datatype") or "").lower()
        return EXACT if named in _DECIMAL_NAMES else NUMBER
    return ColumnType(Kind.DECIMAL, precision, scale)


def _scale_of(step: object) -> int | None:
    """Give the digits after the point of a `multipleOf` such as 0.01."""
    try:
        exponent = Decimal(str(step)).normalize().as_tuple().exponent
    except InvalidOperation:
        return None
    # A step of 1e-38 is how some taps say "any number": no hint at all.
    if not isinstance(exponent, int) or -exponent > MAX_DECIMAL_DIGITS // 2:
        return None
    return max(0, -exponent)


def _string_type(schema: JsonSchema) -> ColumnType:
    text_format = _hint(schema, "format")
    if text_format in _DECIMAL_FORMATS:
        return _number_type(schema)
    if text_format == "date-time" and _hint(schema, "x-sql-datatype") == WALL:
        return WALL_TIMESTAMP
    return _STRING_FORMATS.get(text_format, TEXT)

"""What must change in a table before records of a schema fit into it.

Pure: the warehouses say what is there, this module says what to add and what to
widen, the warehouses do it. A column only ever gets wider, in ways that keep
each value that is in it.
"""

# ruff: noqa: PLR0911 - one return per type reads as a table

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from flext_warehouse.columns import (
    BIG_INTEGER,
    INT64_MAX,
    JSON,
    MAX_DECIMAL_DIGITS,
    SCALAR,
    TEXT,
    Column,
    ColumnType,
    Kind,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

NUMERIC = frozenset({Kind.INTEGER, Kind.DECIMAL, Kind.NUMBER})
_TEXTS = frozenset({Kind.TEXT, Kind.SCALAR})
_DAYS = (Kind.DATE, Kind.WALL_TIMESTAMP, Kind.TIMESTAMP)
"""From narrow to wide: a date is midnight, a wall time is taken as UTC."""
_INT64_DIGITS = len(str(INT64_MAX))


@dataclass(frozen=True)
class Widening:
    """A column that must become wider."""

    name: str
    before: ColumnType
    after: ColumnType

    def __str__(self) -> str:
        """Describe the change as messages do."""
        return f'widen column "{self.name}" from {self.before} to {self.after}'


@dataclass
class Evolution:
    """The changes a table needs, and the columns as they are after them."""

    add: list[Column] = field(default_factory=list)
    widen: list[Widening] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Tell whether anything changes."""
        return bool(self.add or self.widen)

    def describe(self) -> list[str]:
        """Give one line for each change."""
        added = [f'add column "{column.name}" ({column.type})' for column in self.add]
        return added + [str(widening) for widening in self.widen]


def plan_evolution(
    existing: Mapping[str, ColumnType],
    wanted: Sequence[Column],
    fold: Callable[[str], str] = str,
) -> Evolution:
    """Compare a table with the columns that records need.

    Args:
        existing: column types by column name, as the table has them.
        wanted: the columns of the incoming schema.
        fold: how the database compares names.
    """
    there = {fold(name): (name, found) for name, found in existing.items()}
    plan = Evolution()
    for column in wanted:
        if fold(column.name) not in there:
            plan.add.append(column)
            plan.columns.append(column)
            continue
        name, found = there[fold(column.name)]
        wide = join(found, column.type)
        if storage(wide) != storage(found):
            plan.widen.append(Widening(name, found, wide))
        plan.columns.append(replace(column, name=name, type=wide))
    return plan


def storage(column: ColumnType) -> ColumnType:
    """Give the type under which a column is stored: SCALAR is stored as TEXT."""
    return TEXT if column == SCALAR else column


def join(existing: ColumnType, wanted: ColumnType) -> ColumnType:
    """Give the narrowest type that holds all values of both.

    Numbers are a special case: a DECIMAL or NUMBER column stays what it is, as
    each value is checked against it while it is loaded.
    """
    old, new = existing.kind, wanted.kind
    if old is Kind.JSON:
        return JSON
    if old in _TEXTS:
        return TEXT if new is Kind.TEXT else SCALAR
    if old in NUMERIC and new in NUMERIC:
        return _join_numbers(existing, wanted)
    if old in _DAYS and new in _DAYS:
        return max(existing, wanted, key=lambda column: _DAYS.index(column.kind))
    if old is new:
        return existing if existing.item is wanted.item else JSON
    if Kind.LIST in (old, new) or new is Kind.JSON:
        return JSON
    return SCALAR


def _join_numbers(existing: ColumnType, wanted: ColumnType) -> ColumnType:
    if existing.kind is not Kind.INTEGER or wanted.kind is Kind.INTEGER:
        # A narrow integer or float of another tool's making becomes ours.
        return (
            ColumnType(existing.kind, None, None) if _is_narrow(existing) else existing
        )
    if wanted.kind is Kind.NUMBER:
        return wanted
    scale = wanted.scale or 0
    if scale == 0:
        return BIG_INTEGER
    fits = _INT64_DIGITS + scale <= MAX_DECIMAL_DIGITS
    return (
        ColumnType(Kind.DECIMAL, MAX_DECIMAL_DIGITS, scale)
        if fits
        else ColumnType(Kind.NUMBER)
    )


def _is_narrow(column: ColumnType) -> bool:
    return column.kind is not Kind.DECIMAL and column.precision is not None

"""What a lookup is to be: whole ones, or rows that become whole ones at the end.

A lookup can only be replaced as a whole (PUT), so rows of one are collected until the
input has ended. What is there already as it should be is not written again: a rerun
changes nothing.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flext_oracle_oic.errors import RecordError
from flext_oracle_oic.keys import text

if TYPE_CHECKING:
    from collections.abc import Mapping

CREATE, UPDATE, CREATE_OR_UPDATE = "create", "update", "create_or_update"
_NAME_COLUMNS = ("lookupName", "lookup_name", "lookup")
_NOT_VALUES = frozenset({"rowNumber", "row_number", "additionalFields"})
LEAST_COLUMNS = 2


@dataclass
class Lookup:
    """A lookup as it is to be."""

    name: str
    columns: list[str]
    rows: list[list[str]] = field(default_factory=list)
    description: str | None = None

    def body(self) -> dict[str, Any]:
        """What POST and PUT take."""
        return {
            "name": self.name,
            "description": self.description or "",
            "columns": self.columns,
            "rows": [{"rowData": row} for row in self.rows],
        }

    def csv(self) -> bytes:
        """What an upload to `lookups/archive` holds (RFC 4180)."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\r\n")
        writer.writerow(self.columns)
        writer.writerows(self.rows)
        return out.getvalue().encode()

    def is_like(self, there: Mapping[str, Any]) -> bool:
        """Whether the service holds just this."""
        described = self.description in (None, there.get("description") or "")
        is_same = there.get("columns") == self.columns
        return is_same and described and rows_of(there) == self.rows

    def is_held_by(self, there: Mapping[str, Any] | None) -> bool:
        """Whether the service holds these columns and rows, in whatever order.

        A service that shows no rows of a lookup is believed.
        """
        if there is None:
            return False
        if "rows" not in there:
            return True
        is_same = there.get("columns") == self.columns
        return is_same and sorted(rows_of(there)) == sorted(self.rows)


def rows_of(there: Mapping[str, Any]) -> list[list[str]]:
    """The rows of a lookup as the service shows it: `rows: [{rowData: […]}]`."""
    out = []
    for row in there.get("rows") or []:
        data = row.get("rowData") if isinstance(row, dict) else row
        listed = data if isinstance(data, list) else []
        out.append([_cell(value) for value in listed])
    return out


def whole_lookup(record: Mapping[str, Any]) -> Lookup:
    """The lookup of a record of the stream `lookups`.

    Raises:
        RecordError: It lacks name, columns or rows, or they do not fit together.
    """
    name, columns = record.get("name"), _decoded(record.get("columns"))
    rows = _decoded(record.get("rows"))
    if not isinstance(name, str) or not name:
        raise RecordError("it has no name")
    if not isinstance(columns, list) or not isinstance(rows, list):
        raise RecordError("it needs columns and rows, both lists")
    taken = [str(column) for column in columns]
    listed = []
    for number, row in enumerate(rows):
        data = row.get("rowData") if isinstance(row, dict) else row
        if isinstance(row, dict) and data is None:
            data = [row.get(column) for column in taken]
        if not isinstance(data, list) or len(data) != len(taken):
            raise RecordError(f"row {number} has not as many values as columns")
        listed.append([_cell(value) for value in data])
    description = record.get("description")
    made = Lookup(name, taken, listed)
    if description is not None:
        made.description = str(description)
    checked(made)
    return made


def checked(lookup: Lookup) -> None:
    """Refuses what the service would refuse, in words that help.

    Raises:
        RecordError: Fewer than two columns, or two of one name.
    """
    if len(lookup.columns) < LEAST_COLUMNS:
        raise RecordError("a lookup needs at least two columns")
    if len(set(lookup.columns)) < len(lookup.columns):
        raise RecordError("two of its columns have one name")


def row_of(
    record: Mapping[str, Any], default: str | None
) -> tuple[str, dict[str, Any]]:
    """The lookup's name and column values of a record of the stream `lookup_rows`.

    The values are an object `values`, or all columns beside the lookup's name.

    Raises:
        RecordError: It names no lookup, or has no values.
    """
    name = next((record[c] for c in _NAME_COLUMNS if record.get(c)), default)
    if not name:
        raise RecordError("it names no lookup: set lookup_name, or send lookupName")
    values = _decoded(record.get("values"))
    if not isinstance(values, dict):
        values = {
            column: value
            for column, value in record.items()
            if column not in _NAME_COLUMNS
            and column not in _NOT_VALUES
            and not column.startswith("_sdc_")
        }
    if not values:
        raise RecordError("it has no values")
    return str(name), values


def _decoded(value: Any) -> Any:  # noqa: ANN401 - JSON of any shape
    """A list or object that came as its JSON text, as warehouses send it."""
    if isinstance(value, str) and value[:1] in "[{":
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _cell(value: Any) -> str:  # noqa: ANN401 - JSON of any shape
    if value is None:
        return ""
    if isinstance(value, dict | list):
        raise RecordError("a value is a list or an object; lookups hold texts")
    return text(value)


class LookupRows:
    """Rows of lookups, collected until all have come.

    Args:
        is_upsert: Rows replace those with the same first column and leave others;
            else they become all that the lookup holds.
    """

    def __init__(self, *, is_upsert: bool) -> None:
        self._is_upsert = is_upsert
        self._rows: dict[str, list[dict[str, str]]] = {}
        self.sources: dict[str, list[bytes]] = {}

    def add(self, name: str, values: Mapping[str, Any], source: bytes) -> None:
        """Take a row."""
        row = {str(column): _cell(value) for column, value in values.items()}
        self._rows.setdefault(name, []).append(row)
        self.sources.setdefault(name, []).append(source)

    @property
    def names(self) -> list[str]:
        """The lookups that rows came for."""
        return list(self._rows)

    def lookup(self, name: str, there: Mapping[str, Any] | None) -> Lookup:
        """What a lookup is to be, given what it is now.

        Raises:
            RecordError: Its rows have columns that do not fit together.
        """
        rows = self._rows[name]
        columns = list(dict.fromkeys(column for row in rows for column in row))
        known = [str(c) for c in (there or {}).get("columns") or []]
        if set(columns) <= set(known):
            columns = known  # the console's order stays
        if self._is_upsert and there is not None:
            if columns != known:
                raise RecordError(
                    f"its columns are {', '.join(known)}; the rows have"
                    f" {', '.join(columns)}"
                )
            made = Lookup(name, known, _merged(rows_of(there), rows, known))
        else:
            listed = [[row.get(column, "") for column in columns] for row in rows]
            made = Lookup(name, columns, listed)
        checked(made)
        return made


def _merged(
    there: list[list[str]], rows: list[dict[str, str]], columns: list[str]
) -> list[list[str]]:
    """The rows that are there, those of a first column that was sent replaced.

    What nobody sent stays as it is, also where several rows have one first column.
    """
    sent = {
        row.get(columns[0], ""): [row.get(column, "") for column in columns]
        for row in rows
    }
    waiting = dict(sent)
    out = []
    for row in there:
        if not row or row[0] not in sent:
            out.append(row)
        elif row[0] in waiting:
            out.append(waiting.pop(row[0]))
    return [*out, *waiting.values()]

"""Writing lookups: whole ones, or rows that become whole ones at the end.

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

from flext_oracle_oic.errors import NotFoundError, RecordError, RequestRefusedError
from flext_oracle_oic.keys import text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flext_oracle_oic.client import Client
    from flext_oracle_oic.dry_run import DryRunFile

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
        rows = [row.get("rowData") for row in there.get("rows") or []]
        described = self.description in (None, there.get("description") or "")
        return there.get("columns") == self.columns and rows == self.rows and described


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
            kept = {
                row["rowData"][0]: [str(value) for value in row["rowData"]]
                for row in there.get("rows") or []
            }
            kept |= {r.get(known[0], ""): [r.get(c, "") for c in known] for r in rows}
            made = Lookup(name, known, list(kept.values()))
        else:
            listed = [[row.get(column, "") for column in columns] for row in rows]
            made = Lookup(name, columns, listed)
        checked(made)
        return made


class LookupWriter:
    """Creates or replaces lookups.

    Args:
        client: The connection.
        mode: create, update or create_or_update.
        as_csv: Upload as CSV instead of sending JSON.
        dry_run: The file that takes requests instead of the service.
    """

    def __init__(
        self, client: Client, mode: str, dry_run: DryRunFile | None, *, as_csv: bool
    ) -> None:
        self._client = client
        self._mode = mode
        self._as_csv = as_csv
        self._dry_run = dry_run

    def there(self, name: str) -> dict[str, Any] | None:
        """The lookup as the service holds it; None if it has none."""
        try:
            found = self._client.get("lookups", name)
        except NotFoundError:
            return None
        return found if isinstance(found, dict) else None

    def write(self, lookup: Lookup, there: Mapping[str, Any] | None) -> bool:
        """Bring a lookup about; whether anything had to be sent.

        Raises:
            RecordError: `import_mode` forbids it, or the service refuses.
        """
        if there is not None and self._mode == CREATE:
            if lookup.is_like(there):
                return False  # an earlier run of ours made it
            raise RecordError("it exists already, and import_mode is create")
        if there is None and self._mode == UPDATE:
            raise RecordError("it does not exist, and import_mode is update")
        if there is not None and lookup.is_like(there):
            return False
        method = "POST" if there is None else "PUT"
        request: dict[str, Any] = {"body": lookup.body()}
        parts = ("lookups",) if there is None else ("lookups", lookup.name)
        if self._as_csv:
            parts = ("lookups", "archive")
            request = {"file": (f"{lookup.name}.csv", lookup.csv())}
        if self._dry_run is not None:
            self._dry_run.add({"method": method, "path": "/".join(parts), **request})
            return True
        try:
            # Sent twice it is the same lookup; a POST that had arrived is a 409 then,
            # which the next look settles.
            self._client.send(method, parts, **request)
        except RequestRefusedError as error:
            now = self.there(lookup.name)
            if now is None or not lookup.is_like(now):
                raise RecordError(f"{error.what}: {error.fix}") from error
        return True

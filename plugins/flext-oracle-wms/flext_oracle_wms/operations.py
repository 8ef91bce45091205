"""What is to be done with a record, and with which fields."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from flext_oracle_wms.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MODES = ("create", "update", "upsert", "delete")
READ_ONLY = frozenset({"url", "create_user", "create_ts", "mod_user", "mod_ts"})
"""The service keeps these itself; they are never sent."""
SET_ENDINGS = ("_set_count", "_set_url", "_set_data")
"""Columns that flext-tap-oracle-wms makes of child sets; never sent."""


@dataclasses.dataclass(frozen=True)
class Operation:
    """One record's operation.

    Attributes:
        mode: create, update, upsert or delete.
        fields: Field names of the service and values; nothing that is only read.
        options: What goes into `options` of a REST write.
        keys: The stream's key_properties and their values, as they came.
        source: The record's JSON, for rejects.
    """

    mode: str
    fields: dict[str, Any]
    options: dict[str, Any]
    keys: dict[str, Any]
    source: bytes


@dataclasses.dataclass(frozen=True)
class Columns:
    """How a stream's columns become fields.

    Attributes:
        mode: operation_mode of the settings.
        names: Column to field; None leaves a column out.
        key_properties: The stream's.
        company: company_code for records that name none.
        facility: facility_code for records that name none.
    """

    mode: str
    names: Mapping[str, str | None]
    key_properties: Sequence[str] = ()
    company: str = ""
    facility: str = ""

    def operation(self, record: Mapping[str, Any], source: bytes) -> Operation:
        """What to do with a record.

        `_operation` says it per record; a filled `_sdc_deleted_at` means delete.

        Raises:
            RecordError: `_operation` is none of the four words, or a key is missing.
        """
        mode = str(record.get("_operation") or self.mode).strip().lower()
        if record.get("_sdc_deleted_at"):
            mode = "delete"
        if mode not in MODES:
            raise RecordError(f"_operation is {mode!r}, not one of {', '.join(MODES)}")
        options = record.get("_options")
        fields: dict[str, Any] = {}
        for column, value in record.items():
            name = self.names.get(column, column)
            if (
                name is None
                or name.startswith("_")
                or name in READ_ONLY
                or name.endswith(SET_ENDINGS)
            ):
                continue
            fields[name] = value
        keys = {key: record.get(key) for key in self.key_properties}
        if missing := [key for key, value in keys.items() if value is None]:
            raise RecordError(f"the key {', '.join(missing)} is null")
        return Operation(
            mode, fields, options if isinstance(options, dict) else {}, keys, source
        )

    def with_codes(self, fields: Mapping[str, Any], key: str) -> dict[str, Any]:
        """Fields as an interface takes them: codes where the tap has ids and keys.

        Args:
            fields: A record's fields.
            key: The business key, which no default replaces.
        """
        out = dict(fields)
        for word, default in (("company", self.company), ("facility", self.facility)):
            code = f"{word}_code"
            found = out.pop(f"{word}_key", None)
            if f"{word}_id" in out:
                del out[f"{word}_id"]
            if code != key and not out.get(code):
                value = found or (default if default != "*" else "")
                if value:
                    out[code] = value
        return out

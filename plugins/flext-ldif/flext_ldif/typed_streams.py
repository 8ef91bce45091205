"""A stream per object class, on request: each attribute a typed column.

Columns come from what the files hold when they are discovered. Attributes that
the standard schemas declare single-valued are scalars (RFC 4519, 2798, 2307), all
others lists, so that a column keeps its type whatever single entries hold.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from flext_ldif.extraction import Extraction
from flext_ldif.file_marks import Work
from flext_ldif.generalized_time import iso_time
from flext_ldif.streams import LdifStream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from singer_sdk import Tap

    from flext_ldif.tap import TapLdif

_INTEGERS = frozenset({"uidnumber", "gidnumber"})
_TIMES = frozenset({"createtimestamp", "modifytimestamp", "whencreated", "whenchanged"})
_SINGLE = frozenset(
    {
        *_INTEGERS,
        *_TIMES,
        "c",
        "co",
        "countryname",
        "displayname",
        "employeenumber",
        "entrycsn",
        "entrydn",
        "entryuuid",
        "gecos",
        "homedirectory",
        "loginshell",
        "objectguid",
        "objectsid",
        "preferredlanguage",
        "samaccountname",
        "structuralobjectclass",
        "userprincipalname",
    }
)
_TEXT: dict[str, Any] = {"type": ["string", "null"]}
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
#: Columns that do not come from attributes; an attribute of such a name is renamed.
PLACE_COLUMNS: dict[str, Any] = {
    "source_file": {"type": "string"},
    "line_number": {"type": "integer"},
    "dn": {"type": "string"},
    "dn_normalised": {"type": "string"},
    "parent_dn": _TEXT,
    "binary_attributes": {"type": "array", "items": {"type": "string"}},
}


def stream_name(object_class: str) -> str:
    """Return the stream of an object class: ldif_inet_org_person."""
    return f"ldif_{_WORD.sub('_', object_class).lower()}"


def column_name(attribute: str) -> str:
    """Return the column of an attribute: its name in lower case."""
    lower = attribute.lower()
    return f"attribute_{lower}" if lower in PLACE_COLUMNS else lower


def column_schema(attribute: str) -> dict[str, Any]:
    """Return the JSON Schema of an attribute's column."""
    lower = attribute.lower()
    if lower in _INTEGERS:
        return {"type": ["integer", "null"]}
    if lower in _TIMES:
        return {"type": ["string", "null"], "format": "date-time"}
    if lower in _SINGLE:
        return _TEXT
    return {"type": ["array", "null"], "items": {"type": "string"}}


def discover_columns(tap: TapLdif) -> dict[str, list[str]]:
    """Return the attributes that entries of each requested class have.

    Returns:
        `{object class: [attribute names]}`, sorted, first spelling of each.
    """
    wanted = {name.lower(): name for name in tap.config["object_class_streams"]}
    found: dict[str, dict[str, str]] = {name: {} for name in wanted}
    for file in tap.files:
        for one in Extraction(Work(file), tap.config, "entries"):
            if not isinstance(one, dict):
                continue  # refused: the run itself reports it
            for name in {each.lower() for each in one["object_class"]} & wanted.keys():
                for attribute in one["attributes"]:
                    found[name].setdefault(attribute.lower(), attribute)
    return {wanted[name]: sorted(names.values()) for name, names in found.items()}


class TypedStream(LdifStream):
    """The entries of one object class.

    Args:
        tap: The tap.
        object_class: The class.
        attributes: Names of the attributes that become columns.
    """

    kind = "entries"

    def __init__(self, tap: Tap, object_class: str, attributes: list[str]) -> None:
        columns = {column_name(name): column_schema(name) for name in attributes}
        schema = {"type": "object", "properties": {**PLACE_COLUMNS, **columns}}
        super().__init__(tap, stream_name(object_class), schema)
        self._object_class = object_class.lower()
        self._columns: Mapping[str, Any] = columns

    def finished(self, record: dict[str, Any]) -> dict[str, Any] | None:
        """Return an entry as a row, or None if it is of another class."""
        classes = {one.lower() for one in record["object_class"]}
        if self._object_class not in classes:
            return None
        row = {name: record[name] for name in PLACE_COLUMNS}
        row.update(dict.fromkeys(self._columns))
        for attribute, values in record["attributes"].items():
            name = column_name(attribute)
            schema = self._columns.get(name)
            if schema is None:
                self._reject(record, f"attribute {attribute} is not in the catalog")
                return None
            if "array" in schema["type"]:
                # Two spellings of one attribute are one column.
                row[name] = [*(row[name] or ()), *values]
                continue
            if len(values) > 1 or row[name] is not None:
                self._reject(record, f"{attribute} is single-valued and has several")
                return None
            value = values[0]
            if "integer" in schema["type"]:
                if re.fullmatch(r"[+-]?\d{1,38}", value) is None:
                    self._reject(record, f"{attribute} is no integer: {value[:60]!r}")
                    return None
                row[name] = int(value)
            elif "format" in schema:
                row[name] = iso_time(value)
                if row[name] is None:
                    self._reject(record, f"{attribute} is no time: {value[:60]!r}")
                    return None
            else:
                row[name] = value
        return row

    def _reject(self, record: dict[str, Any], reason: str) -> None:
        place = f"{record['source_file']}:{record['line_number']}"
        self.reject(f"{place}, dn: {record['dn']}", reason, record)
        self.rejected_rows += 1

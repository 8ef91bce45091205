"""Entries of the wire turned into records.

Two shapes: `EntryShape` keeps the attributes in one object, as flext-ldif does
for the same entry (one test compares them); `ColumnShape` gives each attribute
of a schema its own typed column. Both merge an attribute that a server sends
under two spellings, and neither drops a value.
"""

from __future__ import annotations

import uuid
from base64 import b64encode
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from flext_ldap import dn as names
from flext_ldap import generalized_time
from flext_ldap.attribute_types import (
    PASSWORD_NAMES,
    ValueKind,
    decode,
    is_binary,
    json_schema,
    value_kind,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flext_ldap.messages import Attributes
    from flext_ldap.server_kind import ServerInfo
    from flext_ldap.subschema import Subschema

_NULLABLE_TEXT: dict[str, Any] = {"type": ["string", "null"]}
_TIME: dict[str, Any] = {"type": ["string", "null"], "format": "date-time"}
_TEXTS: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
_ATTRIBUTES: dict[str, Any] = {"type": "object", "additionalProperties": _TEXTS}

#: Columns that every stream of entries begins with.
PLACE_COLUMNS: dict[str, Any] = {
    "entry_uuid": {"type": "string"},
    "dn": _NULLABLE_TEXT,
    "dn_normalised": _NULLABLE_TEXT,
    "parent_dn": _NULLABLE_TEXT,
    "rdn": _NULLABLE_TEXT,
    "depth": {"type": ["integer", "null"]},
}
#: Columns about the entry's history; what a server does not keep is null.
HISTORY_COLUMNS: dict[str, Any] = {
    "create_timestamp": _TIME,
    "modify_timestamp": _TIME,
    "entry_csn": _NULLABLE_TEXT,
    "usn_changed": {"type": ["integer", "null"]},
    "_sdc_deleted_at": _TIME,
}
ENTRY_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        **PLACE_COLUMNS,
        "object_class": {"type": ["array", "null"], "items": {"type": "string"}},
        "attributes": {**_ATTRIBUTES, "type": ["object", "null"]},
        "binary_attributes": {"type": ["array", "null"], "items": {"type": "string"}},
        **HISTORY_COLUMNS,
    },
}

#: Operational attributes that become columns of their own (or none).
HISTORY_ATTRIBUTES = {
    "createtimestamp": "create_timestamp",
    "whencreated": "create_timestamp",
    "modifytimestamp": "modify_timestamp",
    "whenchanged": "modify_timestamp",
    "entrycsn": "entry_csn",
    "usnchanged": "usn_changed",
}
_ID_ATTRIBUTES = frozenset({"entryuuid", "nsuniqueid", "objectguid", "orclguid"})
_TIMES = frozenset({"create_timestamp", "modify_timestamp"})
#: Attributes of Active Directory that are plain there and named above too.
_KEPT_IN_ATTRIBUTES = frozenset(
    {"objectguid", "whencreated", "whenchanged", "usnchanged"}
)


class EntryError(ValueError):
    """An entry that cannot become a record."""


def history_request(server: ServerInfo) -> list[str]:
    """Return the operational attributes a search must name to get them."""
    return [
        server.id_attribute,
        "createTimestamp",
        "modifyTimestamp",
        "entryCSN",
        "uSNChanged",
        "whenCreated",
        "whenChanged",
    ]


def entry_uuid(attribute: str, value: bytes) -> str:
    """Return the lifelong id of an entry as a UUID in its usual spelling.

    389-DS writes nsUniqueId in groups of eight, syncrepl there gives the same
    16 bytes; OID writes orclGUID without hyphens; Active Directory keeps the
    first three fields little-endian ([MS-DTYP] section 2.3.4).
    """
    name = attribute.lower()
    try:
        if name == "objectguid":
            return str(uuid.UUID(bytes_le=value))
        return str(uuid.UUID(hex=value.decode("ascii").replace("-", "")))
    except ValueError as error:
        raise EntryError(f"{attribute} is no UUID: {value[:40]!r}") from error


@lru_cache(maxsize=4096)
def _parent_normalised(parent: str) -> str:
    return names.normalise(parent)


def place(entry_dn: str) -> dict[str, Any]:
    """Return the columns that say where an entry stands in the tree.

    Raises:
        EntryError: The DN is not UTF-8 or no DN.
    """
    try:
        entry_dn.encode("utf-8")
        if any(char in entry_dn for char in '\\";#') or ", " in entry_dn:
            rdn, parent, depth = names.split(entry_dn)
            normalised = names.normalise.__wrapped__(entry_dn)
        else:
            rdn, _, above = entry_dn.partition(",")
            parent = above or None
            depth = entry_dn.count(",") + 1 if entry_dn else 0
            # The parent is shared with the neighbours, the RDN is not.
            own = names.normalise.__wrapped__(rdn)
            normalised = f"{own},{_parent_normalised(parent)}" if parent else own
    except (names.DnError, UnicodeEncodeError) as error:
        raise EntryError(f"DN cannot be read: {error}") from error
    return {
        "dn": entry_dn,
        "dn_normalised": normalised,
        "parent_dn": parent,
        "rdn": rdn,
        "depth": depth,
    }


class Shape(Protocol):
    """Turns entries into the records of one stream."""

    schema: dict[str, Any]

    def record(self, dn: str, entry: Attributes) -> dict[str, Any]:
        """Return the record of one entry.

        Raises:
            EntryError: The entry cannot become a record.
        """
        ...


@dataclass(slots=True)
class _Plan:
    """What to do with one spelling of an attribute name."""

    name: str
    binary: bool
    column: str | None = None  # HISTORY_ATTRIBUTES
    is_id: bool = False
    is_object_class: bool = False
    is_kept: bool = True


class EntryShape:
    """Attributes in one object: `{name: [values]}`, binary ones as base64.

    Args:
        server: Its id attribute becomes `entry_uuid`.
        schema: Gives names their one spelling and tells binary from text.
        with_passwords: Keep attributes that hold passwords.
        with_operational: Keep operational attributes inside `attributes` too.
    """

    def __init__(
        self,
        server: ServerInfo,
        schema: Subschema,
        *,
        with_passwords: bool = False,
        with_operational: bool = False,
    ) -> None:
        self.schema = ENTRY_SCHEMA
        self._id_attribute = server.id_attribute.lower()
        self._subschema = schema
        self._with_passwords = with_passwords
        self._with_operational = with_operational
        self._plans: dict[str, _Plan] = {}

    def _plan(self, wire_name: str) -> _Plan:
        name = self._subschema.canonical(wire_name)
        base = name.partition(";")[0].lower()
        keep = self._with_passwords or base not in PASSWORD_NAMES
        if base in HISTORY_ATTRIBUTES or base in _ID_ATTRIBUTES:
            keep = self._with_operational or base in _KEPT_IN_ATTRIBUTES
        plan = _Plan(
            name=name,
            binary=is_binary(name, self._subschema),
            column=HISTORY_ATTRIBUTES.get(base),
            is_id=base == self._id_attribute,
            is_object_class=base == "objectclass",
            is_kept=keep,
        )
        self._plans[wire_name] = plan
        return plan

    def record(self, dn: str, entry: Attributes) -> dict[str, Any]:
        """Return `entry_uuid`, place, classes, attributes and history."""
        record: dict[str, Any] = {"entry_uuid": None, **place(dn)}
        attributes: dict[str, list[str]] = {}
        binary: list[str] = []
        record["object_class"] = []
        record["attributes"] = attributes
        record["binary_attributes"] = binary
        for column in HISTORY_COLUMNS:
            record[column] = None
        plans = self._plans
        for wire_name, values in entry.items():
            plan = plans.get(wire_name) or self._plan(wire_name)
            if plan.is_id and values:
                record["entry_uuid"] = entry_uuid(plan.name, values[0])
            if plan.column and values:
                record[plan.column] = _history(plan.column, values[0])
            if not plan.is_kept:
                continue
            texts, is_base64 = _texts(values, binary=plan.binary)
            if plan.is_object_class:
                record["object_class"] += texts
            _merge(attributes, binary, plan.name, texts, is_base64=is_base64)
        if record["entry_uuid"] is None:
            record["entry_uuid"] = _uuid_of_dn(record["dn_normalised"])
        return record


def _texts(values: list[bytes], *, binary: bool) -> tuple[list[str], bool]:
    """Return the values as text, or all as base64 where one is not UTF-8."""
    if not binary:
        try:
            return [value.decode() for value in values], False
        except UnicodeDecodeError:
            pass
    return [b64encode(value).decode("ascii") for value in values], True


def _merge(
    attributes: dict[str, list[str]],
    binary: list[str],
    name: str,
    texts: list[str],
    *,
    is_base64: bool,
) -> None:
    """Add values under a name, merging with an earlier spelling of it."""
    if name not in attributes:
        attributes[name] = texts
        if is_base64:
            binary.append(name)
        return
    was_base64 = name in binary
    if is_base64 and not was_base64:
        attributes[name] = [
            b64encode(text.encode()).decode("ascii") for text in attributes[name]
        ]
        binary.append(name)
    elif was_base64 and not is_base64:
        texts = [b64encode(text.encode()).decode("ascii") for text in texts]
    # In place: for objectClass the list is the record's own as well.
    attributes[name] = attributes[name] + texts


def _history(column: str, value: bytes) -> Any:  # noqa: ANN401 (JSON values)
    text = value.decode("utf-8", "replace")
    try:
        if column in _TIMES:
            return generalized_time.parse(text)
        return int(text) if column == "usn_changed" else text
    except ValueError:
        return None


def _uuid_of_dn(normalised: str) -> str:
    """Return an id for a server that keeps none: it changes with the DN."""
    return str(uuid.uuid5(uuid.NAMESPACE_X500, normalised))


class ColumnShape:
    """One typed column per attribute; what fits no column goes to the rest.

    Columns are the attributes asked for, or those that the object classes
    allow. Attributes with options, of no column, or with a value that breaks
    its own syntax are kept whole in `other_attributes`.
    """

    def __init__(
        self,
        server: ServerInfo,
        schema: Subschema,
        columns: Iterable[str],
        *,
        with_passwords: bool = False,
    ) -> None:
        self._rest = EntryShape(server, schema, with_passwords=with_passwords)
        self._subschema = schema
        self._kinds: dict[str, tuple[ValueKind, bool]] = {}
        properties: dict[str, Any] = dict(PLACE_COLUMNS)
        for name in columns:
            attribute = schema.attribute(name)
            if attribute is None or attribute.name in properties:
                continue
            if attribute.name.lower() in PASSWORD_NAMES and not with_passwords:
                continue
            kind = value_kind(attribute.name, schema)
            self._kinds[attribute.name] = (kind, attribute.is_single_valued)
            properties[attribute.name] = json_schema(attribute, kind)
        properties["other_attributes"] = {**_ATTRIBUTES, "type": ["object", "null"]}
        properties["binary_attributes"] = ENTRY_SCHEMA["properties"][
            "binary_attributes"
        ]
        properties.update(HISTORY_COLUMNS)
        self.schema = {"type": "object", "properties": properties}

    def record(self, dn: str, entry: Attributes) -> dict[str, Any]:
        """Return place, one value or list per column, the rest, and history."""
        merged: Attributes = {}
        canonical = self._subschema.canonical
        for wire_name, values in entry.items():
            name = canonical(wire_name)
            merged[name] = merged[name] + values if name in merged else values
        typed: dict[str, Any] = dict.fromkeys(self._kinds)
        rest: Attributes = {}
        for name, values in merged.items():
            kind, single = self._kinds.get(name, (None, False))
            if kind is None or (single and len(values) != 1):
                rest[name] = values
                continue
            try:
                decoded = [decode(value, kind) for value in values]
            except ValueError:
                rest[name] = values
            else:
                typed[name] = decoded[0] if single else decoded
        # The id and the history may be columns too: the rest needs them as well.
        for name, values in merged.items():
            base = name.lower()
            if base in HISTORY_ATTRIBUTES or base in _ID_ATTRIBUTES:
                rest[name] = values
        record = self._rest.record(dn, rest)
        others: Mapping[str, Any] = record.pop("attributes")
        del record["object_class"]
        shown = {k: v for k, v in others.items() if typed.get(k) is None}
        record["binary_attributes"] = [
            name for name in record["binary_attributes"] if name in shown
        ]
        record["other_attributes"] = shown
        record.update(typed)
        return record

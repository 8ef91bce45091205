"""Singer records turned into entries and changes, by the shape of their schema.

| shape | schema has | becomes |
|---|---|---|
| entry | dn, attributes | an entry, its base64 attributes decoded |
| change | dn, change_type, operations | a change |
| flat | anything else | an entry: each column an attribute |

Attributes, operations and the like may arrive as JSON text, as a warehouse without
nested types keeps them.
"""

from __future__ import annotations

from binascii import a2b_base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import msgspec

from flext_ldif.entries import Change, Control, Modification
from flext_ldif.record_parser import as_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flext_ldif.entries import Attributes, Value

JsonText: TypeAlias = str


class IncomingError(ValueError):
    """A record cannot become an entry or a change.

    Args:
        reason: Why, in one sentence.
        dn: Its DN, if it has one.
    """

    def __init__(self, reason: str, dn: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.dn = dn


@dataclass(slots=True)
class IncomingEntry:
    """An entry to be written, or one to be taken out.

    Attributes:
        dn: Its DN.
        attributes: Empty if it is deleted.
        is_deleted: The source has it no more.
    """

    dn: str
    attributes: Attributes
    is_deleted: bool = False


Incoming: TypeAlias = IncomingEntry | Change


class _EntryRecord(msgspec.Struct):
    dn: str | None = None
    attributes: dict[str, list[str]] | JsonText | None = None
    binary_attributes: list[str] | JsonText | None = None
    object_class: list[str] | JsonText | None = None
    deleted_at: str | None = msgspec.field(name="_sdc_deleted_at", default=None)


class _LooseEntryRecord(msgspec.Struct):
    dn: str | None = None
    attributes: dict[str, Any] | JsonText | None = None
    binary_attributes: list[str] | JsonText | None = None
    object_class: list[str] | JsonText | None = None
    deleted_at: str | None = msgspec.field(name="_sdc_deleted_at", default=None)


class _Operation(msgspec.Struct):
    operation: str
    attribute: str
    values: list[str] = msgspec.field(default_factory=list)
    is_binary: bool = False


class _Control(msgspec.Struct):
    oid: str
    criticality: bool = False
    value: str | None = None
    is_binary: bool = False


class _ChangeRecord(msgspec.Struct):
    dn: str
    change_type: str
    operations: list[_Operation] | JsonText | None = None
    new_rdn: str | None = None
    delete_old_rdn: bool | None = None
    new_superior: str | None = None
    controls: list[_Control] | JsonText | None = None


_ENTRY = msgspec.json.Decoder(_EntryRecord)
_LOOSE_ENTRY = msgspec.json.Decoder(_LooseEntryRecord)
_CHANGE = msgspec.json.Decoder(_ChangeRecord)
_OPERATIONS = msgspec.json.Decoder(list[_Operation])
_CONTROLS = msgspec.json.Decoder(list[_Control])
_ANY = msgspec.json.Decoder()


def shape_of_schema(schema: Mapping[str, Any]) -> str:
    """Return `entry`, `change` or `flat`."""
    names = schema.get("properties", {}).keys()
    if {"dn", "attributes"} <= names:
        return "entry"
    if {"dn", "change_type", "operations"} <= names:
        return "change"
    return "flat"


def read_entry(raw: bytes) -> IncomingEntry:
    """Return the entry of an entry-shaped record.

    Raises:
        IncomingError: It is none.
    """
    record: _EntryRecord | _LooseEntryRecord
    try:
        record = _ENTRY.decode(raw)
        values: Any = record.attributes
        is_text = isinstance(values, str)
    except msgspec.MsgspecError:
        record = _decode(_LOOSE_ENTRY, raw)
        values, is_text = record.attributes, True
    dn = record.dn
    if dn is None:
        raise IncomingError("the record has no dn")
    if record.deleted_at is not None:
        return IncomingEntry(dn, {}, is_deleted=True)
    if is_text:
        values = _attributes(_from_text(values, dn), dn)
    texts: dict[str, list[str]] = values or {}
    attributes = cast("Attributes", texts)
    for name in _from_text(record.binary_attributes, dn) or ():
        if name in texts:
            attributes[name] = [from_base64(one, name, dn) for one in texts[name]]
    classes = _from_text(record.object_class, dn)
    if classes and not any(name.lower() == "objectclass" for name in attributes):
        attributes = {"objectClass": classes, **attributes}
    return IncomingEntry(dn, attributes)


def _attributes(values: object, dn: str) -> dict[str, list[str]]:
    """Return attributes whose values came as something else than lists of text."""
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise IncomingError("attributes is no object", dn)
    return {name: as_texts(value, name, dn) for name, value in values.items()}


def read_change(raw: bytes) -> Change:
    """Return the change of a change-shaped record.

    Raises:
        IncomingError: It is none.
    """
    record = _decode(_CHANGE, raw)
    operations, controls = record.operations, record.controls
    if isinstance(operations, str):
        operations = _decode(_OPERATIONS, operations.encode(), record.dn)
    if isinstance(controls, str):
        controls = _decode(_CONTROLS, controls.encode(), record.dn)
    return Change(
        record.change_type,
        record.dn,
        [
            Modification(
                one.operation,
                one.attribute,
                [from_base64(v, one.attribute, record.dn) for v in one.values]
                if one.is_binary
                else list(one.values),
            )
            for one in operations or ()
        ],
        record.new_rdn,
        record.delete_old_rdn,
        record.new_superior,
        [
            Control(
                one.oid,
                one.criticality,
                from_base64(one.value, "control", record.dn)
                if one.is_binary and one.value is not None
                else one.value,
            )
            for one in controls or ()
        ],
    )


def from_base64(text: str, name: str, dn: str) -> Value:
    """Return what base64 stands for.

    Raises:
        IncomingError: It is no base64.
    """
    try:
        return as_value(a2b_base64(text, strict_mode=True)) if text else ""
    except ValueError as error:
        raise IncomingError(f"value of {name} is no base64: {error}", dn) from error


def as_texts(value: object, name: str, dn: str | None) -> list[str]:
    """Return the texts of a column: of a scalar one, of a list each, of null none.

    Raises:
        IncomingError: It is an object or a list of lists.
    """
    if value is None:
        return []
    if isinstance(value, list):
        return [as_text(one, name, dn) for one in value if one is not None]
    return [as_text(value, name, dn)]


def as_text(value: object, name: str, dn: str | None) -> str:
    """Return a scalar as LDAP writes it (RFC 4517: TRUE and FALSE)."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, (dict, list)):
        raise IncomingError(f"{name} holds an object, and attributes hold values", dn)
    return format(value, "f") if hasattr(value, "as_tuple") else str(value)


def _from_text(value: Any, dn: str) -> Any:  # noqa: ANN401 - any JSON
    if not isinstance(value, str):
        return value
    return _decode(_ANY, value.encode(), dn) if value.strip() else None


def _decode(decoder: Any, data: bytes, dn: str | None = None) -> Any:  # noqa: ANN401 - by decoder
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise IncomingError(f"the record has another shape: {error}", dn) from error

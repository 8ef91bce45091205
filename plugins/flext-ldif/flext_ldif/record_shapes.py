"""Entries and changes turned into the records of a stream.

Attribute names are kept as the file writes them, values in file order. An
attribute whose values are base64 is named in the record's `binary_attributes`:
one that holds bytes, or whose type is binary by its name, so that a column's kind
does not hang on single values.
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any, Protocol

from flext_ldif.dn import is_under_normalised, normalise, place
from flext_ldif.entries import Change, Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flext_ldif.entries import Attributes, Record, Value

#: Attributes that hold bytes wherever they occur; options do not matter.
BINARY_ATTRIBUTES = (
    "audio",
    "cACertificate",
    "authorityRevocationList",
    "certificateRevocationList",
    "crossCertificatePair",
    "deltaRevocationList",
    "jpegPhoto",
    "logonHours",
    "mSMQDigests",
    "msExchMailboxGuid",
    "nTSecurityDescriptor",
    "objectGUID",
    "objectSid",
    "photo",
    "sIDHistory",
    "supportedAlgorithms",
    "thumbnailLogo",
    "thumbnailPhoto",
    "userCertificate",
    "userPKCS12",
    "userSMIMECertificate",
)
_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_NULLABLE_TEXT = {"type": ["string", "null"]}
_PLACE = {
    "source_file": _TEXT,
    "line_number": {"type": "integer"},
    "dn": _TEXT,
}
ENTRY_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        **_PLACE,
        "object_class": _TEXTS,
        "attributes": {"type": "object", "additionalProperties": _TEXTS},
        "change_type": _NULLABLE_TEXT,
        "entry_size": {"type": "integer"},
        "dn_normalised": _TEXT,
        "parent_dn": _NULLABLE_TEXT,
        "rdn": _NULLABLE_TEXT,
        "depth": {"type": ["integer", "null"]},
        "binary_attributes": _TEXTS,
    },
}
_OPERATION = {
    "type": "object",
    "properties": {
        "operation": _TEXT,
        "attribute": _TEXT,
        "values": _TEXTS,
        "is_binary": {"type": "boolean"},
    },
}
_CONTROL = {
    "type": "object",
    "properties": {
        "oid": _TEXT,
        "criticality": {"type": "boolean"},
        "value": _NULLABLE_TEXT,
        "is_binary": {"type": "boolean"},
    },
}
CHANGE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        **_PLACE,
        "change_type": _TEXT,
        "operations": {"type": "array", "items": _OPERATION},
        "new_rdn": _NULLABLE_TEXT,
        "delete_old_rdn": {"type": ["boolean", "null"]},
        "new_superior": _NULLABLE_TEXT,
        "controls": {"type": "array", "items": _CONTROL},
    },
}
_MAX_KNOWN_NAMES = 100_000  # a hostile file must not fill the memory with names


class Shape(Protocol):
    """Turns what the reader yields into the records of one stream.

    Attributes:
        others: How many records had no place because they are of another kind.
    """

    others: int

    def record(self, found: Record) -> dict[str, Any] | None:
        """Return a record without its source_file, or None if it has no place."""
        ...


class AttributePolicy:
    """Which attributes go into records, and which of them as base64.

    Args:
        binary: Names of attributes that are always base64.
        only: Names to keep; empty keeps all.
        exclude: Names to leave out.

    Names are compared without regard to case; one without options stands for all
    options, too.
    """

    def __init__(
        self,
        binary: Iterable[str] = BINARY_ATTRIBUTES,
        only: Iterable[str] = (),
        exclude: Iterable[str] = (),
    ) -> None:
        self._binary = frozenset(name.lower() for name in binary)
        self._only = frozenset(name.lower() for name in only)
        self._exclude = frozenset(name.lower() for name in exclude)
        self._known: set[str] = set()
        self.binary_names: set[str] = set()
        self.dropped_names: set[str] = set()
        self.class_names: list[str] = []  # spellings of objectClass

    def learn(self, names: Iterable[str]) -> None:
        """Decide about names that have not been seen before."""
        if len(self._known) > _MAX_KNOWN_NAMES:
            self._known.clear()
            self.binary_names.clear()
            self.dropped_names.clear()
        for name in names:
            if name in self._known:
                continue
            self._known.add(name)
            lower = name.lower()
            both = {lower, lower.partition(";")[0]}
            if both & self._binary or lower.endswith(";binary"):
                self.binary_names.add(name)
            if both & self._exclude or (self._only and not both & self._only):
                self.dropped_names.add(name)
            if lower == "objectclass" and name not in self.class_names:
                self.class_names.append(name)

    def apply(
        self, attributes: Attributes, *, has_bytes: bool
    ) -> tuple[dict[str, list[Any]], list[str], list[str]]:
        """Return attributes ready for JSON, the base64 names, the classes."""
        if not attributes.keys() <= self._known:
            self.learn(attributes)
        classes: list[Any] = []
        for name in self.class_names:
            if name in attributes:
                classes = [*classes, *attributes[name]] if classes else attributes[name]
        if not self.dropped_names.isdisjoint(attributes):
            dropped = self.dropped_names
            attributes = {n: vs for n, vs in attributes.items() if n not in dropped}
        binary: list[str] = []
        if has_bytes or not self.binary_names.isdisjoint(attributes):
            attributes = dict(attributes)
            for name, values in attributes.items():
                if name in self.binary_names or not all_text(values):
                    attributes[name] = [as_base64(value) for value in values]
                    binary.append(name)
            classes = [as_text(one) for one in classes]
        return attributes, binary, classes

    def values(self, name: str, values: list[Value]) -> tuple[list[Any], bool] | None:
        """Return one attribute's values and whether they are base64.

        Returns:
            None if the attribute is left out.
        """
        self.learn([name])
        if name in self.dropped_names:
            return None
        if name in self.binary_names or not all_text(values):
            return [as_base64(value) for value in values], True
        return values, False


class EntryShape:
    """Records of the stream ldif_entries.

    Args:
        policy: Which attributes to take.
        base_dn: Only entries at or below this DN; "" takes all.
        classes: Only entries with one of these object classes; empty takes all.
    """

    def __init__(
        self, policy: AttributePolicy, base_dn: str = "", classes: Iterable[str] = ()
    ) -> None:
        self._policy = policy
        self._base = normalise(base_dn)
        self._classes = frozenset(name.lower() for name in classes)
        self.others = 0

    def record(self, found: Record) -> dict[str, Any] | None:
        """Return the record of an entry."""
        if found.__class__ is not Entry or not isinstance(found, Entry):
            self.others += 1
            return None
        normalised, parent, rdn, depth = place(found.dn)
        if self._base and not is_under_normalised(normalised, self._base):
            return None
        attributes, binary, classes = self._policy.apply(
            found.attributes, has_bytes=found.has_bytes
        )
        if self._classes and self._classes.isdisjoint(one.lower() for one in classes):
            return None
        return {
            "source_file": "",
            "line_number": found.line,
            "dn": found.dn,
            "object_class": classes,
            "attributes": attributes,
            "change_type": None,
            "entry_size": found.size,
            "dn_normalised": normalised,
            "parent_dn": parent,
            "rdn": rdn,
            "depth": depth,
            "binary_attributes": binary,
        }


class ChangeShape:
    """Records of the stream ldif_changes.

    Args:
        policy: Which attributes to take.
        base_dn: Only changes at or below this DN; "" takes all.
    """

    def __init__(self, policy: AttributePolicy, base_dn: str = "") -> None:
        self._policy = policy
        self._base = normalise(base_dn)
        self.others = 0

    def record(self, found: Record) -> dict[str, Any] | None:
        """Return the record of a change."""
        if not isinstance(found, Change):
            self.others += 1
            return None
        if self._base and not is_under_normalised(place(found.dn)[0], self._base):
            return None
        operations = []
        for step in found.modifications:
            kept = self._policy.values(step.attribute, step.values)
            if kept is not None:
                operations.append(
                    {
                        "operation": step.operation,
                        "attribute": step.attribute,
                        "values": kept[0],
                        "is_binary": kept[1],
                    }
                )
        controls = [
            {
                "oid": one.oid,
                "criticality": one.is_critical,
                "value": as_base64(one.value)
                if isinstance(one.value, bytes)
                else one.value,
                "is_binary": isinstance(one.value, bytes),
            }
            for one in found.controls
        ]
        return {
            "source_file": "",
            "line_number": found.line,
            "dn": found.dn,
            "change_type": found.kind,
            "operations": operations,
            "new_rdn": found.new_rdn,
            "delete_old_rdn": found.delete_old_rdn,
            "new_superior": found.new_superior,
            "controls": controls,
        }


def shape_of(kind: str, config: Mapping[str, Any]) -> Shape:
    """Return the shape of a stream, by the tap's settings.

    Args:
        kind: `entries` or `changes`.
        config: The settings.
    """
    binary = config.get("binary_attributes")
    policy = AttributePolicy(
        BINARY_ATTRIBUTES if binary is None else binary,
        config.get("attribute_filter") or (),
        config.get("exclude_attributes") or (),
    )
    base_dn = config.get("base_dn_filter") or ""
    if kind == "changes":
        return ChangeShape(policy, base_dn)
    return EntryShape(policy, base_dn, config.get("object_class_filter") or ())


def all_text(values: list[Value]) -> bool:
    """Whether no value is bytes."""
    return bytes not in map(type, values)


def as_base64(value: Value) -> str:
    """Return a value's bytes as base64."""
    data = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    return b64encode(data).decode("ascii")


def as_text(value: Value) -> str:
    """Return a value for reading, should it be bytes."""
    return value.decode("latin-1") if isinstance(value, bytes) else value

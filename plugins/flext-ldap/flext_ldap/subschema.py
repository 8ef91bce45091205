"""The server's schema: attribute types and object classes (RFC 4512 section 4.1).

Definitions are read leniently, since every vendor bends the grammar a little
(Active Directory quotes OIDs, 389-DS adds X- fields): a definition that cannot
be read is left out and counted, never the reason for a failed run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flext_ldap.messages import Attributes

_TOKEN = re.compile(r"'([^']*)'|([()])|([^\s()']+)")
_ESCAPE = re.compile(r"\\(27|5[cC])")
_FLAGS = frozenset(
    {
        "OBSOLETE",
        "SINGLE-VALUE",
        "COLLECTIVE",
        "NO-USER-MODIFICATION",
        "ABSTRACT",
        "STRUCTURAL",
        "AUXILIARY",
    }
)

_MAX_SPELLINGS = 10_000  # hostile data must not fill the memory with names

Fields: TypeAlias = dict[str, list[str]]


class SchemaError(ValueError):
    """A definition that is no RFC 4512 description."""


@dataclass(frozen=True, slots=True)
class AttributeType:
    """One attribute type; `syntax`, `equality` as inherited through SUP."""

    oid: str
    names: tuple[str, ...]
    description: str = ""
    superior: str = ""
    equality: str = ""
    syntax: str = ""
    is_single_valued: bool = False
    is_operational: bool = False
    is_read_only: bool = False
    definition: str = ""

    @property
    def name(self) -> str:
        """The first name, or the OID of a nameless type."""
        return self.names[0] if self.names else self.oid


@dataclass(frozen=True, slots=True)
class ObjectClass:
    """One object class; `must` and `may` are its own, not inherited."""

    oid: str
    names: tuple[str, ...]
    description: str = ""
    superiors: tuple[str, ...] = ()
    kind: str = "STRUCTURAL"
    must: tuple[str, ...] = ()
    may: tuple[str, ...] = ()
    definition: str = ""

    @property
    def name(self) -> str:
        """The first name, or the OID of a nameless class."""
        return self.names[0] if self.names else self.oid


def _tokens(text: str) -> list[tuple[str, bool]]:
    """Return the words of a definition and whether each was quoted."""
    found = []
    for match in _TOKEN.finditer(text):
        quoted = match[1] is not None
        word = match[1] if quoted else match[2] or match[3]
        if quoted:
            word = _ESCAPE.sub(lambda m: chr(int(m[1], 16)), word)
        found.append((word, quoted))
    return found


def parse_definition(text: str) -> tuple[str, Fields]:
    """Return the OID and the fields of one definition.

    A flag such as SINGLE-VALUE is a field without values.

    Raises:
        SchemaError: Not `( oid KEYWORD value … )`.
    """
    tokens = _tokens(text)
    if len(tokens) < 3 or tokens[0] != ("(", False) or tokens[-1] != (")", False):  # noqa: PLR2004 (parentheses and OID)
        raise SchemaError(f"no definition: {text[:80]!r}")
    oid, at, last = tokens[1][0], 2, len(tokens) - 1
    fields: Fields = {}
    while at < last:
        keyword = tokens[at][0]
        at += 1
        if keyword in _FLAGS:
            fields[keyword] = []
        elif at < last and tokens[at] == ("(", False):
            at += 1
            values = []
            while at < last and tokens[at] != (")", False):
                if tokens[at] != ("$", False):
                    values.append(tokens[at][0])
                at += 1
            if at >= last:
                raise SchemaError(f"list never closed: {text[:80]!r}")
            at += 1
            fields[keyword] = values
        elif at < last:
            fields[keyword] = [tokens[at][0]]
            at += 1
        else:
            raise SchemaError(f"{keyword} without a value: {text[:80]!r}")
    return oid, fields


def _one(fields: Fields, keyword: str) -> str:
    return next(iter(fields.get(keyword, ())), "")


def parse_attribute_type(text: str) -> AttributeType:
    """Return one attribute type as defined, nothing inherited yet."""
    oid, fields = parse_definition(text)
    usage = _one(fields, "USAGE")
    return AttributeType(
        oid=oid,
        names=tuple(fields.get("NAME", ())),
        description=_one(fields, "DESC"),
        superior=_one(fields, "SUP"),
        equality=_one(fields, "EQUALITY"),
        syntax=_one(fields, "SYNTAX").partition("{")[0],
        is_single_valued="SINGLE-VALUE" in fields,
        is_operational=usage not in ("", "userApplications"),
        is_read_only="NO-USER-MODIFICATION" in fields,
        definition=text,
    )


def parse_object_class(text: str) -> ObjectClass:
    """Return one object class as defined."""
    oid, fields = parse_definition(text)
    kinds = [kind for kind in ("ABSTRACT", "AUXILIARY") if kind in fields]
    return ObjectClass(
        oid=oid,
        names=tuple(fields.get("NAME", ())),
        description=_one(fields, "DESC"),
        superiors=tuple(fields.get("SUP", ())),
        kind=kinds[0] if kinds else "STRUCTURAL",
        must=tuple(fields.get("MUST", ())),
        may=tuple(fields.get("MAY", ())),
        definition=text,
    )


@dataclass(slots=True)
class Subschema:
    """Attribute types and object classes, found by any name or OID."""

    attribute_types: list[AttributeType] = field(default_factory=list)
    object_classes: list[ObjectClass] = field(default_factory=list)
    unread: int = 0
    _attributes: dict[str, AttributeType] = field(default_factory=dict, repr=False)
    _classes: dict[str, ObjectClass] = field(default_factory=dict, repr=False)
    _spellings: dict[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Index the definitions and carry syntax and rules down from SUP."""
        for own in self.attribute_types:
            for key in (own.oid, *own.names):
                self._attributes.setdefault(key.lower(), own)
        self.attribute_types = [self._inherit(own) for own in self.attribute_types]
        self._attributes.clear()
        for own in self.attribute_types:
            for key in (own.oid, *own.names):
                self._attributes.setdefault(key.lower(), own)
        for object_class in self.object_classes:
            for key in (object_class.oid, *object_class.names):
                self._classes.setdefault(key.lower(), object_class)

    def _inherit(self, own: AttributeType) -> AttributeType:
        syntax, equality, above = own.syntax, own.equality, own.superior
        for _ in range(20):  # a cycle of SUP must not hang us
            parent = self._attributes.get(above.lower()) if above else None
            if parent is None or (syntax and equality):
                break
            syntax = syntax or parent.syntax
            equality = equality or parent.equality
            above = parent.superior
        if (syntax, equality) == (own.syntax, own.equality):
            return own
        return AttributeType(
            oid=own.oid,
            names=own.names,
            description=own.description,
            superior=own.superior,
            equality=equality,
            syntax=syntax,
            is_single_valued=own.is_single_valued,
            is_operational=own.is_operational,
            is_read_only=own.is_read_only,
            definition=own.definition,
        )

    def attribute(self, name: str) -> AttributeType | None:
        """Return the type of an attribute, any options of the name ignored."""
        return self._attributes.get(name.partition(";")[0].lower())

    def canonical(self, name: str) -> str:
        """Return the one spelling of a name: `surname` is `sn`, options kept."""
        found = self._spellings.get(name)
        if found is None:
            base, semicolon, options = name.partition(";")
            known = self._attributes.get(base.lower())
            found = (known.name if known else base) + semicolon + options.lower()
            if len(self._spellings) < _MAX_SPELLINGS:
                self._spellings[name] = found
        return found

    def object_class(self, name: str) -> ObjectClass | None:
        """Return an object class by any of its names or its OID."""
        return self._classes.get(name.lower())

    def lineage(self, name: str) -> list[ObjectClass]:
        """Return a class and all its superiors, nearest first."""
        found: list[ObjectClass] = []
        waiting = [name]
        while waiting:
            object_class = self.object_class(waiting.pop(0))
            if object_class is not None and object_class not in found:
                found.append(object_class)
                waiting.extend(object_class.superiors)
        return found


def parse_subschema(entry: Attributes) -> Subschema:
    """Return the schema held by a subschema entry."""
    by_name = {name.lower(): values for name, values in entry.items()}
    unread = 0

    def definitions(name: str) -> Iterable[str]:
        return (v.decode("utf-8", "replace") for v in by_name.get(name, ()))

    attribute_types: list[AttributeType] = []
    object_classes: list[ObjectClass] = []
    for text in definitions("attributetypes"):
        try:
            attribute_types.append(parse_attribute_type(text))
        except SchemaError:
            unread += 1
    for text in definitions("objectclasses"):
        try:
            object_classes.append(parse_object_class(text))
        except SchemaError:
            unread += 1
    return Subschema(attribute_types, object_classes, unread)

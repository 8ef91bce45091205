"""How the values of an attribute become JSON: by its syntax, never by its value.

A type that depended on the value would change from run to run. So binary is
what the schema (RFC 4517 syntax OIDs) or a short list of names says, and comes
out as base64.
"""

from __future__ import annotations

import uuid
from base64 import b64encode
from enum import Enum
from typing import TYPE_CHECKING, Any

from flext_ldap import generalized_time

if TYPE_CHECKING:
    from flext_ldap.subschema import AttributeType, Subschema

_LDAP = "1.3.6.1.4.1.1466.115.121.1."

#: Attributes that hold bytes whatever the schema says. flext-ldif, which has
#: no schema, knows the same names.
BINARY_NAMES = frozenset(
    {
        "audio",
        "authorityrevocationlist",
        "cacertificate",
        "certificaterevocationlist",
        "crosscertificatepair",
        "deltarevocationlist",
        "jpegphoto",
        "logonhours",
        "msmqdigests",
        "msexchmailboxguid",
        "ntsecuritydescriptor",
        "objectguid",
        "objectsid",
        "photo",
        "sidhistory",
        "supportedalgorithms",
        "thumbnaillogo",
        "thumbnailphoto",
        "usercertificate",
        "userpkcs12",
        "usersmimecertificate",
    }
)
#: Octet strings by syntax, text in practice.
TEXT_NAMES = frozenset({"userpassword", "description", "authpassword"})
#: Attributes that hold secrets; left out of what a tap reads unless asked.
PASSWORD_NAMES = frozenset(
    {
        "authpassword",
        "krbprincipalkey",
        "orclpassword",
        "orclpasswordverifier",
        "pwdhistory",
        "sambalmpassword",
        "sambantpassword",
        "unicodepwd",
        "userpassword",
    }
)

_BINARY_SYNTAXES = frozenset(
    {_LDAP + number for number in ("4", "5", "8", "9", "10", "23", "28", "40", "49")}
    | {"1.2.840.113556.1.4.907"}
)
_DN_SYNTAXES = frozenset({_LDAP + "12", _LDAP + "34"})


class ValueKind(Enum):
    """What one value of an attribute is turned into."""

    TEXT = "text"
    DN = "dn"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    TIME = "time"
    BINARY = "binary"
    GUID = "guid"
    SID = "sid"


_BY_SYNTAX = {
    _LDAP + "7": ValueKind.BOOLEAN,
    _LDAP + "27": ValueKind.INTEGER,
    "1.2.840.113556.1.4.906": ValueKind.INTEGER,  # Active Directory large integer
    _LDAP + "24": ValueKind.TIME,
}
_BY_NAME = {"objectguid": ValueKind.GUID, "objectsid": ValueKind.SID}

_JSON_TYPES: dict[ValueKind, dict[str, Any]] = {
    ValueKind.TEXT: {"type": "string"},
    ValueKind.DN: {"type": "string"},
    ValueKind.BOOLEAN: {"type": "boolean"},
    ValueKind.INTEGER: {"type": "integer"},
    ValueKind.TIME: {"type": "string", "format": "date-time"},
    ValueKind.BINARY: {"type": "string", "contentEncoding": "base64"},
    ValueKind.GUID: {"type": "string"},
    ValueKind.SID: {"type": "string"},
}


def is_binary(name: str, schema: Subschema) -> bool:
    """Whether an attribute's values travel as base64."""
    base, _, options = name.lower().partition(";")
    if "binary" in options.split(";") or base in BINARY_NAMES:
        return True
    if base in TEXT_NAMES:
        return False
    known = schema.attribute(base)
    return known is not None and known.syntax in _BINARY_SYNTAXES


def value_kind(name: str, schema: Subschema) -> ValueKind:
    """Return what the values of an attribute become in a typed stream."""
    base = name.partition(";")[0].lower()
    if base in _BY_NAME:
        return _BY_NAME[base]
    if is_binary(name, schema):
        return ValueKind.BINARY
    known = schema.attribute(base)
    if known is None:
        return ValueKind.TEXT
    if known.syntax in _DN_SYNTAXES:
        return ValueKind.DN
    return _BY_SYNTAX.get(known.syntax, ValueKind.TEXT)


def json_schema(attribute: AttributeType, kind: ValueKind) -> dict[str, Any]:
    """Return the JSON schema of a column: a nullable scalar or a nullable list."""
    of_one = _JSON_TYPES[kind]
    if attribute.is_single_valued:
        column = {**of_one, "type": [of_one["type"], "null"]}
    else:
        column = {"type": ["array", "null"], "items": dict(of_one)}
    if attribute.description:
        column["description"] = attribute.description
    return column


def decode(value: bytes, kind: ValueKind) -> Any:  # noqa: ANN401, PLR0911 (JSON values; one return a kind)
    """Return one value as JSON takes it.

    Raises:
        ValueError: The server's value does not have the syntax it declares.
    """
    if kind is ValueKind.TEXT or kind is ValueKind.DN:
        return value.decode("utf-8")
    if kind is ValueKind.BINARY:
        return b64encode(value).decode("ascii")
    if kind is ValueKind.INTEGER:
        return int(value)
    if kind is ValueKind.BOOLEAN:
        return _boolean(value)
    if kind is ValueKind.TIME:
        return generalized_time.parse(value.decode("ascii"))
    if kind is ValueKind.GUID:
        return str(uuid.UUID(bytes_le=value))
    return sid_text(value)


def _boolean(value: bytes) -> bool:
    folded = value.upper()
    if folded not in (b"TRUE", b"FALSE"):
        raise ValueError(f"no boolean: {value!r}")
    return folded == b"TRUE"


def sid_text(value: bytes) -> str:
    """Return a security identifier as `S-1-5-21-…` ([MS-DTYP] section 2.4.2.1)."""
    if len(value) < 8 or len(value) != 8 + 4 * value[1]:  # noqa: PLR2004 (the header)
        raise ValueError("no security identifier")
    authority = int.from_bytes(value[2:8], "big")
    parts = [
        int.from_bytes(value[at : at + 4], "little") for at in range(8, len(value), 4)
    ]
    return "-".join(["S", str(value[0]), str(authority), *map(str, parts)])

"""LDAP messages: requests to bytes, responses from bytes (RFC 4511 section 4).

Pure functions over bytes; `connection` owns the socket. `read_entry` is the
one place that runs once per entry and attribute of a big read, hence its shape.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from flext_ldap import ber

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Attributes: TypeAlias = dict[str, list[bytes]]

BIND_RESPONSE = 0x61
SEARCH_ENTRY = 0x64
SEARCH_DONE = 0x65
SEARCH_REFERENCE = 0x73
EXTENDED_RESPONSE = 0x78
INTERMEDIATE_RESPONSE = 0x79

SCOPES = {"base": 0, "one": 1, "sub": 2}
ADD, DELETE, REPLACE = 0, 1, 2

START_TLS = "1.3.6.1.4.1.1466.20037"
WHO_AM_I = "1.3.6.1.4.1.4203.1.11.3"
PASSWORD_MODIFY = "1.3.6.1.4.1.4203.1.11.1"  # noqa: S105 (an OID, RFC 3062)
PAGED_RESULTS = "1.2.840.113556.1.4.319"

_CONTROLS = 0xA0
_REFERRALS = 0xA3
_BIND_CREDENTIALS, _EXTENDED_NAME, _EXTENDED_VALUE = 0x87, 0x8A, 0x8B
_INTERMEDIATE_NAME, _INTERMEDIATE_VALUE = 0x80, 0x81
_LONG_FORM = 0x80
_WIDTH = 0x7F


class Control(NamedTuple):
    """A control sent or received (RFC 4511 section 4.1.11)."""

    oid: str
    critical: bool = False
    value: bytes | None = None


class Change(NamedTuple):
    """One change of a modify request: ADD, DELETE or REPLACE these values."""

    kind: int
    attribute: str
    values: list[bytes]


@dataclass(slots=True)
class Response:
    """Any message that is not a search entry, or an entry's envelope."""

    message_id: int
    tag: int
    code: int = 0
    matched_dn: str = ""
    diagnostic: str = ""
    controls: list[Control] = field(default_factory=list)
    referrals: list[str] = field(default_factory=list)
    name: str | None = None
    value: bytes | None = None

    def control(self, oid: str) -> bytes | None:
        """Return the value of a control, or None where it was not sent."""
        for control in self.controls:
            if control.oid == oid:
                return control.value or b""
        return None


# ---------------------------------------------------------------- requests


def envelope(
    message_id: int, request: bytes, controls: Iterable[Control] = ()
) -> bytes:
    """Return a whole LDAPMessage."""
    encoded = b"".join(
        ber.sequence(
            ber.octets(control.oid),
            *([ber.boolean(value=True)] if control.critical else []),
            *([ber.octets(control.value)] if control.value is not None else []),
        )
        for control in controls
    )
    tail = ber.tlv(_CONTROLS, encoded) if encoded else b""
    return ber.tlv(ber.SEQUENCE, ber.integer(message_id) + request + tail)


def simple_bind(dn: str, password: str) -> bytes:
    """Return a simple bind request."""
    return ber.sequence(
        ber.integer(3), ber.octets(dn), ber.octets(password, 0x80), tag=0x60
    )


def sasl_bind(mechanism: str, credentials: bytes | None) -> bytes:
    """Return one step of a SASL bind."""
    extra = [ber.octets(credentials)] if credentials is not None else []
    return ber.sequence(
        ber.integer(3),
        ber.octets(""),
        ber.sequence(ber.octets(mechanism), *extra, tag=0xA3),
        tag=0x60,
    )


def unbind() -> bytes:
    """Return an unbind request."""
    return b"\x42\x00"


def abandon(message_id: int) -> bytes:
    """Return an abandon request for an outstanding operation."""
    return ber.integer(message_id, 0x50)


def extended(oid: str, value: bytes | None = None) -> bytes:
    """Return an extended request."""
    extra = ber.octets(value, 0x81) if value is not None else b""
    return ber.tlv(0x77, ber.octets(oid, 0x80) + extra)


def search(
    base: str, scope: str, wire_filter: bytes, attributes: Iterable[str]
) -> bytes:
    """Return a search request; aliases are not dereferenced, no limits asked."""
    return ber.sequence(
        ber.octets(base),
        ber.enumerated(SCOPES[scope]),
        ber.enumerated(0),
        ber.integer(0),
        ber.integer(0),
        ber.boolean(value=False),
        wire_filter,
        ber.sequence(*map(ber.octets, attributes)),
        tag=0x63,
    )


def add(dn: str, attributes: Mapping[str, Sequence[bytes]]) -> bytes:
    """Return an add request."""
    listed = (
        ber.sequence(ber.octets(name), ber.sequence(*map(ber.octets, v), tag=ber.SET))
        for name, v in attributes.items()
    )
    return ber.sequence(ber.octets(dn), ber.sequence(*listed), tag=0x68)


def modify(dn: str, changes: Iterable[Change]) -> bytes:
    """Return a modify request; the server applies all changes or none."""
    listed = (
        ber.sequence(
            ber.enumerated(change.kind),
            ber.sequence(
                ber.octets(change.attribute),
                ber.sequence(*map(ber.octets, change.values), tag=ber.SET),
            ),
        )
        for change in changes
    )
    return ber.sequence(ber.octets(dn), ber.sequence(*listed), tag=0x66)


def delete(dn: str) -> bytes:
    """Return a delete request."""
    return ber.octets(dn, 0x4A)


def rename(dn: str, new_rdn: str, new_parent: str | None) -> bytes:
    """Return a modify DN request that drops the old RDN's values."""
    moved = ber.octets(new_parent, 0x80) if new_parent is not None else b""
    return ber.sequence(
        ber.octets(dn), ber.octets(new_rdn), ber.boolean(value=True), moved, tag=0x6C
    )


def paged_results(page_size: int, cookie: bytes) -> Control:
    """Return the paging control (RFC 2696).

    Not critical: a server without it answers whole, and if a limit of its own
    stands in the way it says so with sizeLimitExceeded, which is an error.
    """
    return Control(
        PAGED_RESULTS,
        critical=False,
        value=ber.sequence(ber.integer(page_size), ber.octets(cookie)),
    )


def paged_cookie(response: Response) -> bytes:
    """Return the cookie for the next page; empty on the last one."""
    value = response.control(PAGED_RESULTS)
    if not value:
        return b""
    parts = ber.read_sequence(value)
    if len(parts) != 2:  # noqa: PLR2004 (size and cookie, RFC 2696 section 2)
        raise ber.BerError("paged results control without size and cookie")
    return parts[1][1]


# --------------------------------------------------------------- responses


def read_response(buffer: bytes, start: int, end: int) -> Response:
    """Read the LDAPMessage whose content lies between `start` and `end`."""
    kind, a, z = ber.read_tlv(buffer, start, end)
    if kind != ber.INTEGER:
        raise ber.BerError("message without an id")
    tag, content, after = ber.read_tlv(buffer, z, end)
    response = Response(ber.read_integer(buffer[a:z]), tag)
    if after < end:
        kind, a, z = ber.read_tlv(buffer, after, end)
        if kind == _CONTROLS:
            response.controls = [
                _read_control(buffer, x, y) for _, x, y in ber.read_items(buffer, a, z)
            ]
    if tag == INTERMEDIATE_RESPONSE:
        _read_intermediate(response, buffer, content, after)
    elif tag == SEARCH_REFERENCE:
        response.referrals = [
            _text(buffer[a:z]) for _, a, z in ber.read_items(buffer, content, after)
        ]
    elif tag != SEARCH_ENTRY:
        _read_result(response, buffer, content, after)
    return response


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _read_control(buffer: bytes, start: int, end: int) -> Control:
    oid, critical, value = "", False, None
    for index, (tag, a, z) in enumerate(ber.read_items(buffer, start, end)):
        if index == 0:
            oid = _text(buffer[a:z])
        elif tag == ber.BOOLEAN:
            critical = buffer[a:z] != b"\0"
        elif tag == ber.OCTET_STRING:
            value = buffer[a:z]
    return Control(oid, critical, value)


def _read_intermediate(response: Response, buffer: bytes, start: int, end: int) -> None:
    for tag, a, z in ber.read_items(buffer, start, end):
        if tag == _INTERMEDIATE_NAME:
            response.name = _text(buffer[a:z])
        elif tag == _INTERMEDIATE_VALUE:
            response.value = buffer[a:z]


def _read_result(response: Response, buffer: bytes, start: int, end: int) -> None:
    items = list(ber.read_items(buffer, start, end))
    if len(items) < 3:  # noqa: PLR2004 (code, matched DN, message: RFC 4511 4.1.9)
        raise ber.BerError("result without code, matched DN and message")
    code, matched, message = (buffer[a:z] for _, a, z in items[:3])
    response.code = ber.read_integer(code)
    response.matched_dn, response.diagnostic = _text(matched), _text(message)
    for tag, a, z in items[3:]:
        if tag == _REFERRALS:
            response.referrals = [
                _text(buffer[x:y]) for _, x, y in ber.read_items(buffer, a, z)
            ]
        elif tag == _EXTENDED_NAME:
            response.name = _text(buffer[a:z])
        elif tag in (_BIND_CREDENTIALS, _EXTENDED_VALUE):
            response.value = buffer[a:z]


def read_entry(  # noqa: C901, PLR0912, PLR0915 (one loop: calls would double its cost)
    buffer: bytes, start: int, end: int, names: dict[bytes, str]
) -> tuple[str, Attributes]:
    """Read the SearchResultEntry whose content lies between `start` and `end`.

    `names` caches attribute names between calls. An attribute sent twice in
    one entry, as 389-DS does (python-ldap#218), is merged, never overwritten.

    Returns:
        The DN (bytes that are not UTF-8 as surrogate escapes) and the values
        of each attribute, in the server's order and spelling.

    Raises:
        BerError: A length leads out of its container, or a tag is wrong.
    """
    from_bytes = int.from_bytes
    try:
        if buffer[start] != ber.OCTET_STRING:
            raise ber.BerError("entry without a DN")
        size = buffer[start + 1]
        at = start + 2
        if size >= _LONG_FORM:
            width = size & _WIDTH
            size = from_bytes(buffer[at : at + width], "big")
            at += width
        if at + size > end:
            raise ber.BerError("DN reaches past its entry")
        dn = buffer[at : at + size].decode("utf-8", "surrogateescape")
        tag, at, stop = ber.read_tlv(buffer, at + size, end)
        if tag != ber.SEQUENCE or stop != end:
            raise ber.BerError("entry without an attribute list")
        entry: Attributes = {}
        while at < end:
            # PartialAttribute ::= SEQUENCE { type, SET OF value }
            if buffer[at] != ber.SEQUENCE:
                raise ber.BerError("attribute that is no sequence")
            size = buffer[at + 1]
            at += 2
            if size >= _LONG_FORM:
                width = size & _WIDTH
                size = from_bytes(buffer[at : at + width], "big")
                at += width
            attribute_end = at + size
            size = buffer[at + 1]
            at += 2
            if size >= _LONG_FORM:
                width = size & _WIDTH
                size = from_bytes(buffer[at : at + width], "big")
                at += width
            raw_name = buffer[at : at + size]
            at += size
            name = names.get(raw_name)
            if name is None:
                name = names[raw_name] = raw_name.decode("ascii")
            if buffer[at] != ber.SET:
                raise ber.BerError("attribute without a set of values")
            size = buffer[at + 1]
            at += 2
            if size >= _LONG_FORM:
                width = size & _WIDTH
                size = from_bytes(buffer[at : at + width], "big")
                at += width
            if at + size != attribute_end or attribute_end > end:
                raise ber.BerError("attribute that does not fill its sequence")
            values = []
            while at < attribute_end:
                if buffer[at] != ber.OCTET_STRING:
                    raise ber.BerError("value that is no octet string")
                size = buffer[at + 1]
                at += 2
                if size >= _LONG_FORM:
                    width = size & _WIDTH
                    size = from_bytes(buffer[at : at + width], "big")
                    at += width
                values.append(buffer[at : at + size])
                at += size
            if at != attribute_end:
                raise ber.BerError("value reaches past its attribute")
            if name in entry:
                entry[name] += values
            else:
                entry[name] = values
    except (IndexError, UnicodeDecodeError) as error:
        raise ber.BerError(f"entry cut short or misspelt: {error}") from error
    return dn, entry

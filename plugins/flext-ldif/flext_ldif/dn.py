"""Distinguished names: parse, escape, normalise (RFC 4514).

flext-ldap holds its own copy of these functions; one test in tests/plugins/
pins both to the same behaviour. A DN is a list of RDNs, an RDN a list of
(type, value) pairs; a value is str, or bytes where it is not UTF-8 text.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TypeAlias

Value: TypeAlias = str | bytes
Rdn: TypeAlias = list[tuple[str, Value]]

_SPECIAL = re.compile(r'[,+"\\<>;=\x00]')
_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)*")
_HEX_PAIR = re.compile(r"[0-9A-Fa-f]{2}")
_HEX_VALUE = re.compile(r"#((?:[0-9A-Fa-f]{2})+) *(?=[,;+]|$)")
_SPACES = re.compile(" +")
_NEEDS_PARSING = re.compile(r'[\\";#]|, ')  # a comma may be part of a value, or padded
#: Nearly every DN of a real tree: lower-case types, no escapes, no odd spaces.
_PLAIN = re.compile(
    r"(?:[a-z][a-z0-9-]*=[!$-*\--:?-\[\]-~]+(?: [!#-*\--:?-\[\]-~]+)*(?:,(?=.)|$))+"
)


class DnError(ValueError):
    """The text is not a distinguished name."""


def escape(value: Value) -> str:
    r"""Return one attribute value as it must stand in a DN.

    `escape("Doe, Jane")` is `Doe\, Jane`. Bytes use the `#hex` form.
    """
    if isinstance(value, bytes):
        return "#" + value.hex()
    leading = value[:1] in ("#", " ")
    trailing = len(value) > 1 and value.endswith(" ")
    text = _SPECIAL.sub(lambda m: "\\00" if m[0] == "\0" else "\\" + m[0], value)
    if trailing:
        text = text[:-1] + "\\ "
    return "\\" + text if leading else text


def parse(dn: str) -> list[Rdn]:
    """Return the RDNs of a DN, leaf first; the empty DN has none.

    Accepts what real servers write: spaces around separators, `;` between
    RDNs and the quoted values of RFC 2253.

    Raises:
        DnError: Says what was wrong and where.
    """
    rdns: list[Rdn] = []
    rdn: Rdn = []
    position, end = 0, len(dn)
    if not dn.strip(" "):
        return rdns
    while True:
        kind, position = _read_type(dn, position)
        value, position = _read_value(dn, position)
        rdn.append((kind, value))
        if position >= end:
            rdns.append(rdn)
            return rdns
        separator = dn[position]
        if separator not in ",;+":
            raise DnError(f"unexpected {separator!r} at {position + 1} in {dn!r}")
        position += 1
        if separator != "+":
            rdns.append(rdn)
            rdn = []


def _read_type(dn: str, position: int) -> tuple[str, int]:
    equals = dn.find("=", position)
    if equals < 0:
        raise DnError(f"no '=' after character {position} in {dn!r}")
    kind = dn[position:equals].strip(" ")
    if not _TYPE.fullmatch(kind):
        raise DnError(f"{kind!r} is no attribute type in {dn!r}")
    position = equals + 1
    while position < len(dn) and dn[position] == " ":
        position += 1
    return kind, position


def _read_value(dn: str, position: int) -> tuple[Value, int]:
    if dn.startswith("#", position):
        match = _HEX_VALUE.match(dn, position)
        if match is None:
            raise DnError(f"bad #hex value at {position + 1} in {dn!r}")
        return bytes.fromhex(match[1]), match.end()
    if dn.startswith('"', position):
        return _read_quoted(dn, position)
    out = bytearray()
    kept = 0  # bytes before this were escaped: their spaces are not padding
    while position < len(dn) and dn[position] not in ",;+":
        char = dn[position]
        if char == "\\":
            position = _read_escape(dn, position, out)
            kept = len(out)
        elif char in '"<>':
            raise DnError(f"unescaped {char} at {position + 1} in {dn!r}")
        else:
            out += char.encode("utf-8", "surrogateescape")
            position += 1
    while len(out) > kept and out.endswith(b" "):
        out.pop()
    return _as_text(bytes(out)), position


def _read_escape(dn: str, position: int, out: bytearray) -> int:
    pair = dn[position + 1 : position + 3]
    if _HEX_PAIR.fullmatch(pair):
        out.append(int(pair, 16))
        return position + 3
    if not pair:
        raise DnError(f"backslash at the end of {dn!r}")
    out += pair[0].encode("utf-8", "surrogateescape")
    return position + 2


def _read_quoted(dn: str, position: int) -> tuple[Value, int]:
    out = bytearray()
    position += 1
    while position < len(dn) and dn[position] != '"':
        if dn[position] == "\\":
            position = _read_escape(dn, position, out)
        else:
            out += dn[position].encode("utf-8", "surrogateescape")
            position += 1
    if position >= len(dn):
        raise DnError(f"quote never closed in {dn!r}")
    position += 1
    while position < len(dn) and dn[position] == " ":
        position += 1
    return _as_text(bytes(out)), position


def _as_text(raw: bytes) -> Value:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw


def unparse(rdns: list[Rdn]) -> str:
    """Return the DN text of parsed RDNs."""
    return ",".join(
        "+".join(f"{kind}={escape(value)}" for kind, value in rdn) for rdn in rdns
    )


@lru_cache(maxsize=65536)
def normalise(dn: str) -> str:
    """Return the form in which equal DNs are equal strings; used as a key.

    Types and values are case-folded, runs of spaces become one, the parts of
    a multi-valued RDN are sorted. caseIgnoreMatch is assumed, which is what
    cn, ou, uid, dc, o and l use; two entries that differ only by the case of a
    caseExact RDN would be taken for one.

    Raises:
        DnError: The text is not a DN.
    """
    if _PLAIN.fullmatch(dn):
        return dn.lower()
    return unparse([_normalise_rdn(rdn) for rdn in parse(dn)])


def _normalise_rdn(rdn: Rdn) -> Rdn:
    folded: Rdn = [
        (kind.lower(), _SPACES.sub(" ", value.casefold()))
        if isinstance(value, str)
        else (kind.lower(), value)
        for kind, value in rdn
    ]
    return sorted(folded, key=lambda pair: (pair[0], escape(pair[1])))


def parent(dn: str) -> str | None:
    """Return the DN of the parent as written, or None for a root."""
    rdns = parse(dn)
    return unparse(rdns[1:]) if len(rdns) > 1 else None


def split(dn: str) -> tuple[str, str | None, int]:
    """Return the first RDN, the parent DN or None, and the number of RDNs."""
    rdns = parse(dn)
    if not rdns:
        return "", None, 0
    above = unparse(rdns[1:]) if len(rdns) > 1 else None
    return unparse(rdns[:1]), above, len(rdns)


def is_under(dn: str, base: str) -> bool:
    """Whether a DN is the base itself or lies below it."""
    return is_under_normalised(normalise(dn), normalise(base))


def is_under_normalised(child: str, base: str) -> bool:
    """As `is_under`, for DNs that are normalised already."""
    # A comma or an equals sign within a value is escaped in this form.
    return not base or child == base or child.endswith("," + base)


@lru_cache(maxsize=4096)
def _normalised_parent(parent: str) -> str:
    # `normalise` has a cache of its own, which the DNs of leaves would sweep.
    return normalise.__wrapped__(parent)


def place(dn: str) -> tuple[str, str | None, str | None, int | None]:
    """Return where an entry stands: normalised DN, parent DN, RDN, depth.

    The parent is as written, None at the top; so is the RDN. The depth is the
    number of RDNs. A text that is no DN has only the first, in lower case.
    """
    if not dn:
        return "", None, None, 0
    try:
        if _NEEDS_PARSING.search(dn):
            rdn, parent, depth = split(dn)
            return normalise.__wrapped__(dn), parent, rdn, depth
        # The parent is shared with the neighbours, the RDN is not.
        rdn, _, above = dn.partition(",")
        if not above:
            return normalise.__wrapped__(dn), None, rdn, 1
        own = normalise.__wrapped__(rdn)
        normalised = f"{own},{_normalised_parent(above)}"
        return normalised, above, rdn, dn.count(",") + 1
    except DnError:
        return dn.casefold(), None, None, None

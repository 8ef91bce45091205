"""Search filters: RFC 4515 text to the wire form, and values made harmless.

A filter from settings is parsed; a filter around data is built with
`equality` and `any_of`, which never pass through text at all, so no value can
change the shape of a filter.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn

from flext_ldap.ber import boolean, octets, sequence, tlv

if TYPE_CHECKING:
    from collections.abc import Iterable

_AND, _OR, _NOT = 0xA0, 0xA1, 0xA2
_EQUALITY, _SUBSTRINGS, _PRESENT, _EXTENSIBLE = 0xA3, 0xA4, 0x87, 0xA9
_COMPARISONS = {"=": _EQUALITY, ">=": 0xA5, "<=": 0xA6, "~=": 0xA8}
_MAX_DEPTH = 100

_ATTRIBUTE = r"(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)*)(?:;[A-Za-z0-9-]+)*"
_ITEM = re.compile(
    rf"({_ATTRIBUTE})?((?::[dD][nN])?(?::[A-Za-z0-9.-]+)?:=|[~<>]?=)"
    r"((?:[^()\\\x00]|\\[0-9a-fA-F]{2})*)\)"
)
_ESCAPED = re.compile(rb"\\([0-9a-fA-F]{2})")
_UNSAFE = re.compile(r"[\\*()\x00]")


class FilterError(ValueError):
    """The text is not an RFC 4515 filter."""


def escape(value: str) -> str:
    r"""Return a value as filter text: `\ * ( )` and NUL become `\xx`."""
    return _UNSAFE.sub(lambda match: f"\\{ord(match[0]):02x}", value)


def parse(text: str) -> bytes:
    """Return the wire form of a filter; surrounding parentheses may be left out.

    Raises:
        FilterError: Says at which character reading stopped.
    """
    text = text.strip()
    if not text.startswith("("):
        text = f"({text})"
    encoded, end = _parse_filter(text, 0, 0)
    if end != len(text):
        _fail(text, end)
    return encoded


def equality(attribute: str, value: str | bytes) -> bytes:
    """Return the wire form of `(attribute=value)` for any value whatever."""
    return sequence(octets(attribute), octets(value), tag=_EQUALITY)


def at_least(attribute: str, value: str | bytes) -> bytes:
    """Return the wire form of `(attribute>=value)`."""
    return sequence(octets(attribute), octets(value), tag=_COMPARISONS[">="])


def any_of(filters: Iterable[bytes]) -> bytes:
    """Return the OR of wire filters."""
    return tlv(_OR, b"".join(filters))


def all_of(filters: Iterable[bytes]) -> bytes:
    """Return the AND of wire filters."""
    return tlv(_AND, b"".join(filters))


def negate(wire_filter: bytes) -> bytes:
    """Return the NOT of a wire filter."""
    return tlv(_NOT, wire_filter)


def _fail(text: str, position: int) -> NoReturn:
    raise FilterError(f"not a search filter at character {position + 1}: {text!r}")


def _skip_spaces(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r\n":
        position += 1
    return position


def _parse_filter(text: str, position: int, depth: int) -> tuple[bytes, int]:
    """Parse one `( … )` at `position`; return its wire form and where it ended."""
    if depth > _MAX_DEPTH:
        raise FilterError(f"search filter nested deeper than {_MAX_DEPTH}")
    if not text.startswith("(", position):
        _fail(text, position)
    position = _skip_spaces(text, position + 1)
    operator = text[position : position + 1]
    if operator in ("&", "|", "!"):
        parts = []
        position = _skip_spaces(text, position + 1)
        while text.startswith("(", position):
            part, position = _parse_filter(text, position, depth + 1)
            parts.append(part)
            position = _skip_spaces(text, position)
        if not text.startswith(")", position):
            _fail(text, position)
        if operator == "!" and len(parts) != 1:
            _fail(text, position)
        tag = {"&": _AND, "|": _OR, "!": _NOT}[operator]
        return tlv(tag, b"".join(parts)), position + 1
    match = _ITEM.match(text, position)
    if match is None:
        _fail(text, position)
    return _item(match[1] or "", match[2], match[3], text, position), match.end()


def _item(attribute: str, operator: str, value: str, text: str, position: int) -> bytes:
    if operator.endswith(":="):
        return _extensible(attribute, operator, value, text, position)
    if not attribute:
        _fail(text, position)
    if operator == "=" and value == "*":
        return octets(attribute, _PRESENT)
    if operator == "=" and "*" in value:
        return _substrings(attribute, value)
    if "*" in value:
        _fail(text, position)
    return sequence(
        octets(attribute), octets(_unescape(value)), tag=_COMPARISONS[operator]
    )


def _extensible(
    attribute: str, operator: str, value: str, text: str, position: int
) -> bytes:
    words = [word for word in operator[:-2].split(":") if word]
    uses_dn = bool(words) and words[0].lower() == "dn"
    rules = words[1:] if uses_dn else words
    if not attribute and not rules:
        _fail(text, position)
    parts = []
    if rules:
        parts.append(octets(rules[0], 0x81))
    if attribute:
        parts.append(octets(attribute, 0x82))
    parts.append(octets(_unescape(value), 0x83))
    if uses_dn:
        parts.append(boolean(value=True, tag=0x84))
    return sequence(*parts, tag=_EXTENSIBLE)


def _substrings(attribute: str, value: str) -> bytes:
    first, *middle, last = value.split("*")
    pieces = []
    if first:
        pieces.append(octets(_unescape(first), 0x80))
    pieces.extend(octets(_unescape(piece), 0x81) for piece in middle if piece)
    if last:
        pieces.append(octets(_unescape(last), 0x82))
    if not pieces:  # (cn=**) asks no more than (cn=*)
        return octets(attribute, _PRESENT)
    return sequence(octets(attribute), sequence(*pieces), tag=_SUBSTRINGS)


def _unescape(value: str) -> bytes:
    return _ESCAPED.sub(lambda match: bytes.fromhex(match[1].decode()), value.encode())

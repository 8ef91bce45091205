"""The part of BER that LDAP speaks (X.690; RFC 4511 section 5.1).

LDAP narrows BER to definite lengths and one-byte tags, so both directions fit
in a page. Writers return bytes; readers work by index on one buffer and never
look outside the bounds they are given: whatever a server sends, the answer is
a value or a `BerError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

BOOLEAN = 0x01
INTEGER = 0x02
OCTET_STRING = 0x04
ENUMERATED = 0x0A
SEQUENCE = 0x30
SET = 0x31

_LONG_FORM = 0x80
_MULTI_BYTE_TAG = 0x1F
_MAX_LENGTH_BYTES = 4


class BerError(ValueError):
    """The bytes are not the BER that LDAP allows."""


def tlv(tag: int, content: bytes) -> bytes:
    """Return tag, definite length and content."""
    size = len(content)
    if size < _LONG_FORM:
        return bytes((tag, size)) + content
    width = (size.bit_length() + 7) // 8
    return bytes((tag, _LONG_FORM | width)) + size.to_bytes(width, "big") + content


def integer(value: int, tag: int = INTEGER) -> bytes:
    """Return a two's complement integer in its shortest form."""
    width = (value if value >= 0 else ~value).bit_length() // 8 + 1
    return tlv(tag, value.to_bytes(width, "big", signed=True))


def enumerated(value: int) -> bytes:
    """Return an enumerated value."""
    return integer(value, ENUMERATED)


def octets(value: str | bytes, tag: int = OCTET_STRING) -> bytes:
    """Return an octet string; text is sent as UTF-8."""
    return tlv(tag, value.encode("utf-8") if isinstance(value, str) else value)


def boolean(*, value: bool, tag: int = BOOLEAN) -> bytes:
    """Return a boolean; LDAP writes true as 0xFF."""
    return bytes((tag, 1, 0xFF if value else 0))


def sequence(*parts: bytes, tag: int = SEQUENCE) -> bytes:
    """Return a constructed value of already encoded parts."""
    return tlv(tag, b"".join(parts))


def read_tlv(buffer: bytes, start: int, end: int) -> tuple[int, int, int]:
    """Read the header at `start`.

    Returns:
        The tag, where the content begins, and where it ends (at most `end`).

    Raises:
        BerError: The element does not fit, or uses a form LDAP forbids.
    """
    if start + 2 > end:
        raise BerError("element cut short in its header")
    tag = buffer[start]
    if tag & _MULTI_BYTE_TAG == _MULTI_BYTE_TAG:
        raise BerError("tag of more than one byte")
    size = buffer[start + 1]
    content = start + 2
    if size >= _LONG_FORM:
        width = size & ~_LONG_FORM
        if not 1 <= width <= _MAX_LENGTH_BYTES:
            raise BerError("indefinite or oversized length")
        if content + width > end:
            raise BerError("element cut short in its length")
        size = int.from_bytes(buffer[content : content + width], "big")
        content += width
    if content + size > end:
        raise BerError("element reaches past its container")
    return tag, content, content + size


def read_items(buffer: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield tag, content start and content end of each element in a container."""
    while start < end:
        tag, content, start = read_tlv(buffer, start, end)
        yield tag, content, start


def read_sequence(value: bytes, tag: int = SEQUENCE) -> list[tuple[int, bytes]]:
    """Return the elements of one constructed value as (tag, content) pairs."""
    found, start, end = read_tlv(value, 0, len(value))
    if found != tag:
        raise BerError(f"expected tag {tag:#x}, found {found:#x}")
    return [(kind, value[a:z]) for kind, a, z in read_items(value, start, end)]


def read_integer(content: bytes) -> int:
    """Return the integer held by the content of an INTEGER or ENUMERATED."""
    if not 1 <= len(content) <= 8:  # noqa: PLR2004 (64 bits are the widest LDAP uses)
        raise BerError("integer of no or too many bytes")
    return int.from_bytes(content, "big", signed=True)

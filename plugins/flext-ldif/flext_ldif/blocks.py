"""Cut a stream of bytes into blocks of whole records, in constant memory.

A block ends in a blank line, wherever the chunks that were read ended. Each one
knows its first line and byte, so that what is found in it can be placed, and a
later run can start at it. A record that is longer than the limit is passed over
up to the next blank line and reported.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHUNK_BYTES = 64 << 10  # what a processor keeps near
MAX_ENTRY_BYTES = 512 << 20
_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(slots=True)
class Block:
    """Whole records as they stand in the file.

    Attributes:
        data: The bytes; empty for a record that is too long.
        line: Number of its first line in the file, from 1.
        offset: Where it begins in the file, in bytes.
        is_open: It reaches the end of the file without a blank line.
        skipped_bytes: Length of a record that is too long.
    """

    data: bytes
    line: int
    offset: int
    is_open: bool = False
    skipped_bytes: int = 0


def blocks(
    read: Callable[[int], bytes],
    *,
    line: int = 1,
    offset: int = 0,
    max_entry_bytes: int = MAX_ENTRY_BYTES,
    chunk_bytes: int = CHUNK_BYTES,
) -> Iterator[Block]:
    """Yield the blocks of a file.

    Args:
        read: Returns up to so many bytes, b"" at the end.
        line: Number of the first line.
        offset: Position of the first byte in the file.
        max_entry_bytes: Longest record that is held in memory.
        chunk_bytes: How much to read at a time; a longer record makes it grow.
    """
    pending: list[bytes] = []
    held, size = 0, chunk_bytes
    skipped = skipped_lines = 0
    tail = b""  # the last two bytes before `data`: a blank line may begin there

    while data := read(size):
        joined = tail + data
        if skipped:
            cut = _first_blank(joined) - len(tail)
            passed = data if cut < 0 else data[:cut]
            skipped += len(passed)
            skipped_lines += passed.count(b"\n")
            if cut < 0:
                tail = joined[-2:]
                continue
            yield Block(b"", line, offset, skipped_bytes=skipped)
            line, offset = line + skipped_lines, offset + skipped
            skipped = skipped_lines = 0
            joined = data = data[cut:]
            tail = b""
        cut = last_blank(joined) - len(tail)
        if cut < 0:
            pending.append(data)
            held += len(data)
            tail = joined[-2:]
            if held > max_entry_bytes:
                skipped = held
                skipped_lines = sum(part.count(b"\n") for part in pending)
                pending, held = [], 0
            elif held >= 4 * size:
                size *= 2  # the copies must not grow with the square of the length
            continue
        pending.append(data[:cut])
        whole = b"".join(pending)
        rest = data[cut:]
        pending, held, tail = [rest], len(rest), rest[-2:]
        yield Block(whole, line, offset)
        line, offset = line + whole.count(b"\n"), offset + len(whole)
        size = chunk_bytes

    if skipped:
        yield Block(b"", line, offset, skipped_bytes=skipped)
    elif held:
        yield Block(b"".join(pending), line, offset, is_open=True)


def last_blank(data: bytes) -> int:
    """Return the position after the last blank line, or -1."""
    plain = data.rfind(b"\n\n")
    # Also after a carriage return; what stands before `plain` does not matter.
    with_return = data.rfind(b"\n\r\n", max(plain, 0))
    if with_return >= 0:
        return with_return + 3
    return plain + 2 if plain >= 0 else -1


def _first_blank(data: bytes) -> int:
    """Return the position after the first blank line, or -1."""
    plain, with_return = data.find(b"\n\n"), data.find(b"\n\r\n")
    if plain >= 0 and (with_return < 0 or plain < with_return):
        return plain + 2
    return with_return + 3 if with_return >= 0 else -1


def without_mark(
    read: Callable[[int], bytes],
) -> tuple[Callable[[int], bytes], str]:
    """Return a reader of UTF-8, and the name of the byte order mark it had.

    Active Directory's `ldifde -u` writes UTF-16 with a mark; Windows editors put
    a UTF-8 mark in front. The name is "", "utf-8" or "utf-16".
    """
    head = b""
    while len(head) < 3:  # noqa: PLR2004 - the longest mark; pipes give less at times
        more = read(3 - len(head))
        if not more:
            break
        head += more
    if head[:2] in _UTF16_MARKS:
        return _Recoder(head, read), "utf-16"
    if head == codecs.BOM_UTF8:
        return read, "utf-8"
    return _Prepended(head, read), ""


class _Prepended:
    """A reader that gives back what was read ahead."""

    def __init__(self, head: bytes, read: Callable[[int], bytes]) -> None:
        self._head, self._read = head, read

    def __call__(self, size: int) -> bytes:
        head, self._head = self._head, b""
        return head + self._read(size - len(head)) if head else self._read(size)


class _Recoder:
    """A reader that turns UTF-16 into UTF-8."""

    def __init__(self, head: bytes, read: Callable[[int], bytes]) -> None:
        self._read = _Prepended(head, read)
        self._decoder = codecs.getincrementaldecoder("utf-16")("surrogatepass")

    def __call__(self, size: int) -> bytes:
        while data := self._read(size):
            if text := self._decoder.decode(data):
                # A lone surrogate becomes bytes that are not UTF-8: a value of
                # bytes, not an error for the whole file.
                return text.encode("utf-8", "surrogatepass")
        try:
            text = self._decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise EOFError("it ends within a UTF-16 character") from error
        return text.encode("utf-8", "surrogatepass")

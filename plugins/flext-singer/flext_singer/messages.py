"""Singer messages on their way in: the envelope is decoded, the record is not."""

from __future__ import annotations

import io
import os
import select
import sys
from decimal import Decimal
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec

from flext_singer.errors import BrokenLineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO

_READ_BYTES = 1024 * 1024
_SHOWN_BYTES = 200


class RecordLine(msgspec.Struct, tag_field="type", tag="RECORD", gc=False):
    """A RECORD message; `record` is its JSON as it came."""

    stream: str
    record: msgspec.Raw
    time_extracted: str | None = None
    version: int | None = None


class SchemaLine(msgspec.Struct, tag_field="type", tag="SCHEMA"):
    """A SCHEMA message."""

    stream: str
    schema: dict[str, Any]
    key_properties: list[str] | None = None
    bookmark_properties: object = None  # a list, but some taps send a text


class StateLine(msgspec.Struct, tag_field="type", tag="STATE"):
    """A STATE message; `value` is its JSON as it came."""

    value: msgspec.Raw


class ActivateVersionLine(msgspec.Struct, tag_field="type", tag="ACTIVATE_VERSION"):
    """An ACTIVATE_VERSION message."""

    stream: str
    version: int


class BatchLine(msgspec.Struct, tag_field="type", tag="BATCH"):
    """A BATCH message: files instead of lines."""

    stream: str
    encoding: dict[str, Any]
    manifest: list[str]
    version: int | None = None


Line = RecordLine | SchemaLine | StateLine | ActivateVersionLine | BatchLine
_DECODER = msgspec.json.Decoder(Line, float_hook=Decimal)
_PLAIN_DECODER = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)


def decode(line: bytes, number: int) -> Line:
    """Return the message on a line.

    Args:
        line: UTF-8 JSON; keys in any order.
        number: Its number in the input, counted from 1, for the error.

    Raises:
        BrokenLineError: It is no Singer message.
    """
    try:
        # Raw parts are not looked into, so foreign bytes would pass through.
        if not line.isascii():
            line.decode()
        message: Line = _DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        shown = line[:_SHOWN_BYTES].decode(errors="backslashreplace").strip()
        more = "…" if len(line) > _SHOWN_BYTES else ""
        raise BrokenLineError(
            f"line {number} of the input is no Singer message: {error}",
            where=f"line {number}: {shown}{more}",
            fix="a tap must print nothing but Singer messages to stdout",
        ) from error
    return message


def decode_plain(data: bytes) -> dict[str, Any]:
    """Return a JSON object decoded; numbers with a fraction become Decimals."""
    return _PLAIN_DECODER.decode(data)


def decode_block(block: bytes) -> list[Line] | None:
    """Return the messages of some lines, decoded in one call.

    Args:
        block: Whole lines.

    Returns:
        One message per line, or None: something about a line is odd (blank,
        broken, without its end), and each is to be decoded by itself.
    """
    if b"\n\n" in block:
        return None
    try:
        if not block.isascii():
            block.decode()
        found: list[Line] = _DECODER.decode_lines(block)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return found if len(found) == block.count(b"\n") else None


def read_blocks(
    source: IO[str] | IO[bytes] | None,
    idle: Callable[[], float | None],
) -> Iterator[bytes]:
    """Yield the input in blocks of whole lines; the very last may lack its end.

    Args:
        source: A text or binary stream; None reads stdin.
        idle: Called before waiting for input. It does what is due and returns
            how many seconds may pass until it must be called again; None is
            forever.
    """
    stream: IO[Any] = sys.stdin if source is None else source
    binary = getattr(stream, "buffer", stream)
    try:
        descriptor = binary.fileno()
    except (AttributeError, OSError, io.UnsupportedOperation):
        for line in stream:
            yield line.encode() if isinstance(line, str) else line
        return
    open_parts: list[bytes] = []  # of a line that is longer than what was read
    for data in _read(descriptor, idle):
        cut = data.rfind(b"\n") + 1
        if not cut:
            open_parts.append(data)
            continue
        open_parts.append(data[:cut])
        yield b"".join(open_parts)
        open_parts = [data[cut:]] if cut < len(data) else []
    if open_parts:
        yield b"".join(open_parts)


def lines_of(block: bytes) -> list[bytes]:
    """Return the lines of a block, without their ends."""
    lines = block.split(b"\n")
    if not lines[-1]:
        lines.pop()
    return lines


def _read(descriptor: int, idle: Callable[[], float | None]) -> Iterator[bytes]:
    while True:
        # A tap may be silent for long while a STATE waits for its commit.
        while (seconds := idle()) is not None:
            end = monotonic() + seconds
            ready, _, _ = select.select([descriptor], [], [], max(0.0, seconds))
            if ready:
                break
            if monotonic() < end:
                continue
        data = os.read(descriptor, _READ_BYTES)
        if not data:
            return
        yield data

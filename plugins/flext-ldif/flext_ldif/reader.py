r"""Read LDIF (RFC 2849): a fast path for plain entries, an exact one for the rest.

A block of bytes is unfolded and decoded at once; each record of it that is a
plain entry is split line by line without a function call, and whatever looks
odd goes to `RecordParser`. A record that cannot be read becomes a `Refusal`, and
reading goes on after the next blank line.

    with open("people.ldif", "rb", buffering=0) as file:
        for record in read(file.read):
            ...
"""

from __future__ import annotations

from binascii import a2b_base64
from typing import TYPE_CHECKING

from flext_ldif.blocks import MAX_ENTRY_BYTES, Block, blocks, without_mark
from flext_ldif.dialects import DIALECTS, Leniency
from flext_ldif.entries import Entry, LdifError, Refusal
from flext_ldif.file_urls import refuse_urls
from flext_ldif.record_parser import KEYWORDS, NotARecord, RecordParser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flext_ldif.entries import Attributes, Change, Record
    from flext_ldif.file_urls import UrlReader

_SHOWN_BYTES = 4096


class BlockParser:
    """Turns the blocks of one file into records.

    Args:
        leniencies: What to read around.
        read_url: Reads the value behind an URL, or refuses it.
        may_have_version: Whether the blocks begin at the start of a file.
    """

    def __init__(
        self,
        leniencies: frozenset[Leniency] = DIALECTS["tolerant"],
        read_url: UrlReader = refuse_urls,
        *,
        may_have_version: bool = True,
    ) -> None:
        self._leniencies = leniencies
        self._exact = RecordParser(leniencies, read_url)
        self._is_fast = leniencies >= {Leniency.LOOSE_VALUES, Leniency.MIXED_RECORDS}
        self._raw_utf8 = Leniency.RAW_UTF8 in leniencies
        self._names: set[str] = set()  # attribute names found right before
        self._may_have_version = may_have_version

    def parse(self, block: Block) -> Iterator[Record | Refusal]:
        """Return the records of a block, refused ones among them, in order.

        One at a time: memory that the caller gives back is used again while it is
        warm, which is worth half of the parsing itself.
        """
        if block.skipped_bytes:
            reason = f"the record is too long: {block.skipped_bytes} bytes"
            return iter([Refusal(reason, block.line)])
        data, sizes = _with_plain_ends(block)
        if block.is_open:
            return iter(self._parse_open(block, data, sizes))
        return self._parse(data, block.line, sizes)

    def _parse_open(
        self, block: Block, data: bytes, sizes: _LineSizes | int
    ) -> list[Record | Refusal]:
        """Parse the last block of a file, which ends in no blank line."""
        has_line_end = data.endswith(b"\n")
        found = list(self._parse(data + b"\n\n", block.line, sizes))
        if found and not has_line_end:
            last = found[-1]
            if not isinstance(last, Refusal):
                last.size -= 1 if isinstance(sizes, _LineSizes) else sizes
            if Leniency.OPEN_END not in self._leniencies:
                reason = "the last line has no line end: the file may be cut short"
                line = block.line + data.count(b"\n")
                text = data[-_SHOWN_BYTES:].decode("utf-8", "backslashreplace")
                found[-1] = Refusal(reason, line, last.dn, text=text)
        return found

    def _parse(
        self, data: bytes, line: int, sizes: _LineSizes | int
    ) -> Iterator[Record | Refusal]:
        texts, is_utf8 = _unfolded_records(data)
        is_plain = self._is_fast and b"\r" not in data and b"\0" not in data
        all_plain = is_plain and is_utf8 and (self._raw_utf8 or data.isascii())
        for raw, text in zip(data.split(b"\n\n"), texts, strict=True):
            start = line
            line += raw.count(b"\n") + 2
            if not text or text.isspace():
                continue
            record: Record | Refusal | None = None
            if all_plain or (is_plain and text.isascii()):
                record = self._fast(raw, text, start, sizes)
            if record is None:
                record = self._slow(raw, text, start, sizes)
                if record is None:
                    continue
            self._may_have_version = False
            yield record

    def _fast(  # noqa: C901, PLR0911, PLR0912 - a call per line would halve its speed
        self, raw: bytes, text: str, line: int, sizes: _LineSizes | int
    ) -> Entry | None:
        """Return the entry of a plain record, or None if it is not plain."""
        lines = text.split("\n")
        before = 0  # bytes of the lines before the DN
        if text[:4] != "dn: ":
            # Comments before an entry, as 389-DS and ldapsearch write them.
            if text[0] not in "#\n":
                return None
            lines = [one for one in lines if one and one[0] != "#"]
            before = raw.find(b"\ndn: ") + 1
            if not lines or before == 0 or lines[0][:4] != "dn: ":
                return None
        if ":  " in text:  # a value after more than one space, or just such a value
            return None
        attributes: Attributes = {}
        has_bytes = False
        try:
            for one in lines[1:]:
                name, value = one.split(": ", 1)
                if name in attributes:
                    attributes[name].append(value)
                elif name[-1] == ":":
                    name = name[:-1]  # the second colon, mark of base64
                    decoded = a2b_base64(value, strict_mode=True)
                    try:
                        item: str | bytes = decoded.decode()
                        if "\0" in item or (
                            ";" in name and name[-7:].lower() == ";binary"
                        ):
                            item, has_bytes = decoded, True
                    except UnicodeDecodeError:
                        item, has_bytes = decoded, True
                    if name in attributes:
                        attributes[name].append(item)
                    else:
                        attributes[name] = [item]
                    continue
                else:
                    attributes[name] = [value]
        except (ValueError, IndexError):
            return None
        if not attributes.keys() <= self._names:
            for name in attributes:
                # `changetype` and the like among them are for the exact path.
                if name.lower() in KEYWORDS or not self._exact.is_name(name):
                    return None
            self._names.update(attributes)
        elif not attributes:
            return None
        if before:
            line += raw.count(b"\n", 0, before)
        if isinstance(sizes, int):
            size = len(raw) - before + 1
            if sizes != 1:
                size += raw.count(b"\n", before) + 1
        else:
            size = sizes.between(line, line + raw.count(b"\n", before) + 1)
        return Entry(lines[0][4:], attributes, line, size, has_bytes)

    def _slow(
        self, raw: bytes, text: str, line: int, sizes: _LineSizes | int
    ) -> Entry | Change | Refusal | None:
        """Return the record by the exact rules, or None if there is none."""
        exact, lines = self._exact, text.split("\n")
        try:
            record = exact.parse(lines, may_have_version=self._may_have_version)
        except NotARecord:
            return None
        except LdifError as error:
            shown = raw[:_SHOWN_BYTES].decode("utf-8", "backslashreplace")
            at = line + _raw_index(raw, error.line)
            return Refusal(error.reason, at, exact.dn, exact.is_change, shown)
        index = _raw_index(raw, exact.dn_index)
        record.line = line + index
        count = raw.count(b"\n") + 1 - index
        if isinstance(sizes, int):
            body = raw.split(b"\n", index)[index] if index else raw
            record.size = len(body) + 1 + (count if sizes != 1 else 0)
        else:
            record.size = sizes.between(record.line, record.line + count)
        return record


class _LineSizes:
    """How long each line of a block is in the file, where line ends are mixed."""

    def __init__(self, block: Block) -> None:
        self._first = block.line
        self._ends = [0]
        for one in block.data.split(b"\n"):
            self._ends.append(self._ends[-1] + len(one) + 1)

    def between(self, start: int, stop: int) -> int:
        """Return the bytes of some lines, by their number in the file."""
        ends, first = self._ends, self._first
        return ends[min(stop - first, len(ends) - 1)] - ends[start - first]


def _with_plain_ends(block: Block) -> tuple[bytes, _LineSizes | int]:
    """Return the data with LF line ends, and how long its line ends were."""
    data = block.data
    if b"\r" not in data:
        return data, 1
    returns = data.count(b"\r\n")
    if not returns:
        return data, 1
    plain = data.replace(b"\r\n", b"\n")
    if returns == data.count(b"\n"):
        return plain, 2
    return plain, _LineSizes(block)


def _unfolded_records(data: bytes) -> tuple[list[str], bool]:
    """Return the texts between blank lines, unfolded, and whether all are UTF-8."""
    if b"\n\n " in data:
        # A continuation after a blank line: unfolding the whole would glue it to
        # the record before.
        parts = [raw.replace(b"\n ", b"") for raw in data.split(b"\n\n")]
        return [part.decode("utf-8", "surrogateescape") for part in parts], False
    unfolded = data.replace(b"\n ", b"")
    try:
        return unfolded.decode("utf-8").split("\n\n"), True
    except UnicodeDecodeError:
        return unfolded.decode("utf-8", "surrogateescape").split("\n\n"), False


def _raw_index(raw: bytes, index: int) -> int:
    """Return which line of the folded record an unfolded line begins on."""
    seen = -1
    for number, one in enumerate(raw.split(b"\n")):
        if number == 0 or one[:1] != b" ":
            seen += 1
            if seen == index:
                return number
    return 0


def read(
    source: Callable[[int], bytes],
    *,
    leniencies: frozenset[Leniency] = DIALECTS["tolerant"],
    read_url: UrlReader = refuse_urls,
    max_entry_bytes: int = MAX_ENTRY_BYTES,
) -> Iterator[Record | Refusal]:
    """Yield the records of an LDIF file, refused ones among them, in order.

    Args:
        source: Returns up to so many bytes, b"" at the end: `file.read`.
        leniencies: Which departures from RFC 2849 to read around.
        read_url: Reads the value behind an URL; by default refuses it.
        max_entry_bytes: Longest record that is held in memory.
    """
    source, mark = without_mark(source)
    if mark and Leniency.UNICODE_MARK not in leniencies:
        yield Refusal(f"the file begins with a byte order mark ({mark})", 1)
        return
    parser = BlockParser(leniencies, read_url)
    for block in blocks(source, max_entry_bytes=max_entry_bytes):
        yield from parser.parse(block)

"""Hold encoded records until all are known, then give them out in order.

Parents go before children, and of two records with one DN the last one stays,
however many there are: what is above a few MiB waits in a file without a name,
which is gone when the process is.
"""

from __future__ import annotations

import struct
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BUFFER_BYTES = 16 << 20
_FRAME = struct.Struct("<QI")  # sequence number, length
_INDEX = struct.Struct("<16s8sQ")  # digest of the DN, of the record, sequence number
_BUCKETS = 64
_OLD = 1 << 63  # flag of a sequence number: the record was in the file before


@dataclass(slots=True)
class Duplicates:
    """Records that a later one with the same DN replaced.

    Attributes:
        count: How many.
        examples: The first lines of some of them.
    """

    count: int = 0
    examples: list[str] = field(default_factory=list)


class Spill:
    """Encoded records by rank: small ranks come out first.

    Args:
        folder: Where the nameless file may grow.
        buffer_bytes: How much to hold in memory.
    """

    def __init__(self, folder: Path, buffer_bytes: int = BUFFER_BYTES) -> None:
        self._folder = folder
        self._limit = buffer_bytes
        self._file: IO[bytes] | None = None
        self._end = 0
        self._size = 0
        self._count = 0
        self._buffers: defaultdict[tuple[str, int], list[bytes]] = defaultdict(list)
        self._segments: defaultdict[tuple[str, int], list[tuple[int, int]]] = (
            defaultdict(list)
        )
        self.duplicates = Duplicates()

    def __len__(self) -> int:
        """Return how many records were added."""
        return self._count

    def add(self, rank: int, data: bytes) -> None:
        """Add a record that no other replaces."""
        self._append("data", rank, self._frame(self._count, data))
        self._count += 1

    def add_keyed(
        self, rank: int, key: str, data: bytes, *, is_old: bool = False
    ) -> None:
        """Add a record that replaces an earlier one with the same key.

        Args:
            rank: Its place among the others.
            key: Its normalised DN.
            data: The record; empty takes out an earlier one and leaves nothing.
            is_old: It was in the file before, so that any other one replaces it,
                except one that is the same.
        """
        number = self._count
        self._count += 1
        digest = blake2b(
            key.encode("utf-8", "surrogateescape"), digest_size=16
        ).digest()
        content = blake2b(data, digest_size=8).digest()
        flagged = number | _OLD if is_old else number
        self._append(
            "index", digest[0] % _BUCKETS, _INDEX.pack(digest, content, flagged)
        )
        if data:
            self._append("data", rank, self._frame(number, data))

    @staticmethod
    def _frame(number: int, data: bytes) -> bytes:
        return _FRAME.pack(number, len(data)) + data

    def _append(self, kind: str, part: int, data: bytes) -> None:
        self._buffers[kind, part].append(data)
        self._size += len(data)
        if self._size >= self._limit:
            self._flush()

    def _flush(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115 - closed by `close`
        for key, parts in self._buffers.items():
            data = b"".join(parts)
            _write(self._file, data)
            self._segments[key].append((self._end, len(data)))
            self._end += len(data)
        self._buffers.clear()
        self._size = 0

    def _pieces(self, kind: str, part: int) -> Iterator[bytes]:
        for start, size in self._segments.get((kind, part), ()):
            if self._file is None:
                raise AssertionError("segments without a file")
            self._file.seek(start)
            yield _read(self._file, size)
        if (kind, part) in self._buffers:
            yield b"".join(self._buffers[kind, part])

    def records(self) -> Iterator[bytes]:
        """Yield the records that stay, in order of rank, then of arrival."""
        dead = self._find_replaced()
        ranks = {
            part for kind, part in (*self._buffers, *self._segments) if kind == "data"
        }
        for rank in sorted(ranks):
            for piece in self._pieces("data", rank):
                yield from self._unframe(piece, dead)

    def _unframe(self, piece: bytes, dead: bytearray) -> Iterator[bytes]:
        position, header = 0, _FRAME.size
        while position < len(piece):
            number, size = _FRAME.unpack_from(piece, position)
            position += header
            if not dead[number >> 3] & (1 << (number & 7)):
                yield piece[position : position + size]
            elif len(self.duplicates.examples) < 3:  # noqa: PLR2004 - some
                first = piece[position : position + size].partition(b"\n")[0]
                self.duplicates.examples.append(first.decode("ascii", "replace"))
            position += size

    def _find_replaced(self) -> bytearray:
        """Return a bit per record: set if another one replaced it."""
        dead = bytearray(self._count // 8 + 1)
        for bucket in range(_BUCKETS):
            last: dict[bytes, tuple[bytes, int]] = {}
            for piece in self._pieces("index", bucket):
                for digest, content, number in _INDEX.iter_unpack(piece):
                    before = last.get(digest)
                    if before is None:
                        last[digest] = (content, number)
                        continue
                    gone = before[1]
                    if number & _OLD and not gone & _OLD and before[0] != content:
                        gone = number
                    else:
                        # The later one stays. So does an old one that is the same
                        # as what came now: it keeps its place in the file.
                        last[digest] = (content, number)
                        if not (gone | number) & _OLD and _NOTHING not in (
                            before[0],
                            content,
                        ):
                            self.duplicates.count += 1
                    gone &= ~_OLD
                    dead[gone >> 3] |= 1 << (gone & 7)
        return dead

    def close(self) -> None:
        """Give up the nameless file."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._buffers.clear()


def _content(data: bytes) -> bytes:
    return blake2b(data, digest_size=8).digest()


_NOTHING = _content(b"")


def _write(file: IO[bytes], data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _read(file: IO[bytes], size: int) -> bytes:
    parts: list[bytes] = []
    while size > 0:
        data = file.read(size)
        if not data:
            raise EOFError("the spill file is shorter than what was written")
        parts.append(data)
        size -= len(data)
    return b"".join(parts)

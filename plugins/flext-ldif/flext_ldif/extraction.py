"""Read one file into the records of one stream: in this process or in several.

Above a size, a plain file is cut into ranges at blank lines and worker processes
(`range_worker`) parse and encode them; what comes back is put in order again. The
result is the same either way, record for record.
"""

from __future__ import annotations

import os
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import msgspec
from flext_singer.errors import FlextError

from flext_ldif.blocks import blocks, last_blank, without_mark
from flext_ldif.dialects import Leniency
from flext_ldif.entries import Refusal
from flext_ldif.file_marks import Digest, FileMark
from flext_ldif.input_files import GZIP_MARK, unpacked
from flext_ldif.range_worker import Range, RangeResult, WorkerPool
from flext_ldif.record_shapes import shape_of
from flext_ldif.shaping import (
    Found,
    leniencies_of,
    max_entry_bytes,
    may_hold_change,
    parser_of,
    shaped,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flext_ldif.file_marks import Work

Read: TypeAlias = Callable[[int], bytes]
PARALLEL_BYTES = 256 << 20
RANGE_BYTES = 1 << 20


@dataclass(slots=True)
class Extraction:
    """Reads one file; iterate over it, then ask for its mark.

    Attributes:
        work: The file, and where to begin.
        config: The tap's settings.
        kind: Which records: see `shape_of`.
        others: Records and refusals that another stream has a say in.
        only_changes: Pass over blocks without change records: who reads the
            entries reports what is wrong with them.
        may_encode: Records may be JSON already (`msgspec.Raw`), with their
            source_file: what several processes need to be worth it.
    """

    work: Work
    config: Mapping[str, Any]
    kind: str
    only_changes: bool = False
    may_encode: bool = False
    mark: FileMark | None = None
    rejected: int = 0
    others: int = 0

    def __iter__(self) -> Iterator[Found]:
        """Yield records without their source_file, and refusals, in file order.

        Raises:
            FlextError: The file cannot be read to its end.
        """
        name = self.work.file.name
        try:
            with self.work.file.open_raw() as file:
                yield from self._read(file)
        except (OSError, EOFError, zlib.error) as error:
            raise FlextError(
                f"{name} cannot be read to its end: {error}",
                where=f"file {name}",
                fix="check that the file is whole and its disk or pipe is sound",
            ) from error

    def _read(self, file: IO[bytes]) -> Iterator[Found]:
        status = os.fstat(file.fileno())
        work, digest = self.work, Digest(file.read)
        digest.skip(work.position)
        size_bytes = status.st_size - work.position
        jobs = (self.config.get("parallel_jobs") or 1) if self.may_encode else 1
        is_whole = work.position == 0
        if (
            jobs > 1
            and work.file.is_regular
            and size_bytes >= (self.config.get("parallel_bytes") or PARALLEL_BYTES)
            and Leniency.MIXED_RECORDS in leniencies_of(self.config)
            and os.pread(file.fileno(), 2, 0)
            not in {GZIP_MARK, b"\xff\xfe", b"\xfe\xff"}
        ):
            yield from self._read_in_parallel(digest, status, jobs)
            return
        read: Read = digest.read
        is_packed = False
        if is_whole:
            head = digest.read(2)
            read = _Ahead(head, digest.read)
            if head == GZIP_MARK:
                is_packed = True
                read = unpacked(read)
        mark = ""
        if is_whole:
            read, mark = without_mark(read)
            if mark and Leniency.UNICODE_MARK not in leniencies_of(self.config):
                yield Refusal(f"the file begins with a byte order mark ({mark})", 1)
                return
        parser = parser_of(self.config, may_have_version=is_whole)
        shape = shape_of(self.kind, self.config)
        start = 3 if mark == "utf-8" else work.position
        opened = None
        for block in blocks(
            read,
            line=work.line,
            offset=start,
            max_entry_bytes=max_entry_bytes(self.config),
        ):
            if block.is_open:
                opened = block
            if self.only_changes and not may_hold_change(block.data):
                continue
            yield from shaped(parser, block, shape)
        self.others += shape.others
        can_go_on = not is_packed and mark != "utf-16"
        self._set_mark(
            digest,
            status,
            opened.offset if opened else digest.size,
            (opened.line if opened else digest.lines + 1) if can_go_on else -1,
        )

    def _read_in_parallel(
        self, digest: Digest, status: os.stat_result, jobs: int
    ) -> Iterator[Found]:
        """Yield what worker processes find, range by range in file order."""
        work, opened = self.work, (-1, -1)
        with WorkerPool(
            jobs,
            work.file.name,
            self.kind,
            dict(self.config),
            only_changes=self.only_changes,
        ) as pool:
            waiting: deque[Callable[[], RangeResult]] = deque()
            ranges = _ranges(digest, work.position, work.line)
            while True:
                while len(waiting) < jobs and (piece := next(ranges, None)):
                    waiting.append(pool.start(piece))
                if not waiting:
                    break
                result = waiting.popleft()()
                yield from result.refusals
                yield from map(msgspec.Raw, result.records)
                self.others += result.others
                opened = (result.open_offset, result.open_line)
        if opened[0] < 0:
            opened = (digest.size, digest.lines + 1)
        self._set_mark(digest, status, *opened)

    def _set_mark(
        self, digest: Digest, status: os.stat_result, position: int, line: int
    ) -> None:
        if not self.work.file.is_regular:
            return
        before = self.work.mark.rejected if self.work.mark else 0
        self.mark = FileMark(
            self.work.file.name,
            digest.size,
            status.st_mtime_ns,
            digest.sha256,
            digest.lines if line >= 0 else -1,
            position,
            line,
            before + self.rejected,
        )


def _ranges(digest: Digest, position: int, line: int) -> Iterator[Range]:
    """Cut the rest of a file into ranges, as it passes through its digest.

    Args:
        digest: Stands at the position.
        position: First byte.
        line: Number of the line there.
    """
    start, tail = position, b""
    lines = 0  # line ends since `start`
    while data := digest.read(RANGE_BYTES):
        cut = last_blank(tail + data) - len(tail)
        if cut <= 0:
            tail = (tail + data)[-2:]
            lines += data.count(b"\n")
            position += len(data)
            continue
        yield Range(start, position + cut, line)
        line += lines + data.count(b"\n", 0, cut)
        start, position = position + cut, position + len(data)
        tail = data[cut:][-2:]
        lines = data.count(b"\n", cut)
    if start < position:
        yield Range(start, position, line)


class _Ahead:
    """A reader that gives back what was read ahead."""

    def __init__(self, head: bytes, read: Read) -> None:
        self._head, self._read = head, read

    def __call__(self, size: int) -> bytes:
        head, self._head = self._head, b""
        data = self._read(max(size - len(head), 0))
        return head + data

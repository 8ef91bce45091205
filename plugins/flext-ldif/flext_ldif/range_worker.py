"""Worker processes that parse byte ranges of one LDIF file.

A worker is `python -m flext_ldif.range_worker`, started without the Singer SDK:
it takes a range per line on stdin and answers on stdout with marshal, length
first. It ends when its stdin does, so none outlives the tap. A range begins at
the start of a record and ends behind a blank line; what is found in it counts
lines from 1, and the tap adds what came before.
"""

from __future__ import annotations

import json
import marshal
import os
import subprocess
import sys
from codecs import BOM_UTF8
from dataclasses import astuple
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from flext_ldif.blocks import blocks
from flext_ldif.entries import Refusal
from flext_ldif.record_shapes import shape_of
from flext_ldif.shaping import max_entry_bytes, parser_of, shaped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Self

    from flext_ldif.record_shapes import Shape

RANGE_BYTES = 4 << 20
_STEP_BYTES = 64 << 10
_LENGTH_BYTES = 8


def cut_ranges(
    descriptor: int, start: int, end: int, size: int
) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of consecutive ranges that end behind a blank line.

    Args:
        descriptor: The file; its own position is left alone.
        start: First byte.
        end: Byte after the last.
        size: Bytes of a range, at least; a long record makes it longer.
    """
    while start < end:
        cut = _next_blank(descriptor, start + size, end)
        yield start, cut
        start = cut


def _next_blank(descriptor: int, position: int, end: int) -> int:
    tail = b""
    while position < end:
        data = os.pread(descriptor, min(_STEP_BYTES, end - position), position)
        if not data:
            break
        joined = tail + data
        found = [
            joined.find(mark) + len(mark)
            for mark in (b"\n\n", b"\n\r\n")
            if mark in joined
        ]
        if found:
            return position - len(tail) + min(found)
        tail = joined[-2:]
        position += len(data)
    return end


class RangeResult(NamedTuple):
    """What is in a range.

    Attributes:
        found: Records without source_file, and refusals; lines from 1.
        lines: Line ends in the range.
        open_offset: Where a record begins that no blank line ends, from the
            range's start; -1 if there is none.
        open_line: Number of the line there.
    """

    found: list[dict[str, Any] | Refusal]
    lines: int
    open_offset: int
    open_line: int


class WorkerPool:
    """Worker processes, each with one range in work.

    Args:
        jobs: How many.
        path: The file.
        kind: Which records: see `record_shapes.shape_of`.
        config: The tap's settings.
    """

    def __init__(self, jobs: int, path: str, kind: str, config: dict[str, Any]) -> None:
        self._task = {"path": path, "kind": kind, "config": config}
        self._workers: list[subprocess.Popen[bytes]] = []
        self._jobs = jobs
        self._next = 0

    def __enter__(self) -> Self:
        """Start the workers."""
        head = json.dumps(self._task, default=str).encode() + b"\n"
        for _ in range(self._jobs):
            worker = subprocess.Popen(
                [sys.executable, "-m", "flext_ldif.range_worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
            )
            self._workers.append(worker)
            self._send(worker, head)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the workers, at once if something went wrong."""
        for worker in self._workers:
            if error is not None:
                worker.kill()
            for pipe in (worker.stdin, worker.stdout):
                if pipe is not None:
                    pipe.close()
        for worker in self._workers:
            worker.wait()

    def start(self, start: int, end: int) -> Callable[[], RangeResult]:
        """Hand out a range; what is returned waits for the result.

        At most one range per worker may be out; results are called for in order.
        """
        worker = self._workers[self._next % self._jobs]
        self._next += 1
        self._send(worker, b"%d %d\n" % (start, end))

        def result() -> RangeResult:
            size = int.from_bytes(self._receive(worker, _LENGTH_BYTES), "big")
            data = self._receive(worker, size)
            answer = RangeResult(*marshal.loads(data))  # noqa: S302 - our own process
            for index, one in enumerate(answer.found):
                if isinstance(one, tuple):
                    answer.found[index] = Refusal(*one)
            return answer

        return result

    @staticmethod
    def _send(worker: subprocess.Popen[bytes], data: bytes) -> None:
        if worker.stdin is not None:
            worker.stdin.write(data)

    @staticmethod
    def _receive(worker: subprocess.Popen[bytes], size: int) -> bytes:
        parts: list[bytes] = []
        while size > 0 and worker.stdout is not None:
            data = worker.stdout.read(min(size, 1 << 20))
            if not data:
                raise EOFError(f"a worker process ended with code {worker.wait()}")
            parts.append(data)
            size -= len(data)
        return b"".join(parts)


def main() -> None:
    """Serve ranges until stdin ends."""
    task = json.loads(sys.stdin.buffer.readline())
    shape = shape_of(task["kind"], task["config"])
    with open(task["path"], "rb", buffering=0) as file:  # noqa: PTH123 - name as given
        for line in iter(sys.stdin.buffer.readline, b""):
            start, end = map(int, line.split())
            data = marshal.dumps(_parse(file, start, end, shape, task["config"]))
            sys.stdout.buffer.write(len(data).to_bytes(_LENGTH_BYTES, "big") + data)
            sys.stdout.buffer.flush()


def _parse(
    file: IO[bytes], start: int, end: int, shape: Shape, config: dict[str, Any]
) -> tuple[list[Any], int, int, int]:
    parser = parser_of(config, may_have_version=start == 0)
    mark = 3 if start == 0 and os.pread(file.fileno(), 3, 0) == BOM_UTF8 else 0
    file.seek(start + mark)
    source = _Range(file, end - start - mark)
    found: list[Any] = []
    open_offset, open_line = -1, -1
    for block in blocks(
        source.read, offset=mark, max_entry_bytes=max_entry_bytes(config)
    ):
        if block.is_open:
            open_offset, open_line = block.offset, block.line
        found += [
            astuple(one) if isinstance(one, Refusal) else one
            for one in shaped(parser, block, shape)
        ]
    return found, source.lines, open_offset, open_line


class _Range:
    """Reads no more than so many bytes of a file, and counts their line ends."""

    def __init__(self, file: IO[bytes], left: int) -> None:
        self._file, self._left = file, left
        self.lines = 0

    def read(self, size: int) -> bytes:
        """Return up to so many bytes."""
        data = self._file.read(min(size, self._left))
        self._left -= len(data)
        self.lines += data.count(b"\n")
        return data


if __name__ == "__main__":
    main()

"""Worker processes that parse byte ranges of one LDIF file.

A worker is `python -m flext_ldif.range_worker`, started without the Singer SDK: it
takes a range per line on stdin and answers on stdout with records as JSON, which
the tap only has to write out: handing over Python objects would cost as much as
parsing. It ends when its stdin does, so none outlives the tap.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from codecs import BOM_UTF8
from dataclasses import astuple, dataclass
from typing import IO, TYPE_CHECKING, Any

import msgspec

from flext_ldif.blocks import blocks
from flext_ldif.entries import Refusal
from flext_ldif.record_shapes import shape_of
from flext_ldif.shaping import max_entry_bytes, may_hold_change, parser_of, shaped

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from flext_ldif.record_shapes import Shape

_LENGTH_BYTES = 8
_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Range:
    """A part of the file: it begins with a record and ends behind a blank line.

    Attributes:
        start: First byte.
        end: Byte after the last.
        line: Number of the first line.
    """

    start: int
    end: int
    line: int


@dataclass(frozen=True, slots=True)
class RangeResult:
    """What is in a range.

    Attributes:
        records: One JSON object each.
        refusals: What could not be read.
        open_offset: Where a record begins that no blank line ends; -1 if none does.
        open_line: Number of the line there.
        others: Records that are of another kind than the stream's.
    """

    records: list[bytes]
    refusals: list[Refusal]
    open_offset: int
    open_line: int
    others: int = 0


class WorkerPool:
    """Worker processes, each with one range in work.

    Args:
        jobs: How many.
        path: The file.
        kind: Which records: see `record_shapes.shape_of`.
        config: The tap's settings.
        only_changes: Pass over blocks without change records.
    """

    def __init__(
        self,
        jobs: int,
        path: str,
        kind: str,
        config: dict[str, Any],
        *,
        only_changes: bool = False,
    ) -> None:
        self._task = {
            "path": path,
            "kind": kind,
            "config": config,
            "only_changes": only_changes,
        }
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

    def start(self, piece: Range) -> Callable[[], RangeResult]:
        """Hand out a range; what is returned waits for the result.

        At most one range per worker may be out; results are called for in order.
        """
        worker = self._workers[self._next % self._jobs]
        self._next += 1
        self._send(worker, json.dumps(astuple(piece)).encode() + b"\n")

        def result() -> RangeResult:
            head = json.loads(self._receive(worker))
            refusals, open_offset, open_line, others = head
            data = self._receive(worker)
            return RangeResult(
                data.split(b"\n")[:-1],
                [Refusal(*one) for one in refusals],
                open_offset,
                open_line,
                others,
            )

        return result

    @staticmethod
    def _send(worker: subprocess.Popen[bytes], data: bytes) -> None:
        if worker.stdin is not None:
            worker.stdin.write(data)

    def _receive(self, worker: subprocess.Popen[bytes]) -> bytes:
        length = self._read(worker, _LENGTH_BYTES)
        return self._read(worker, int.from_bytes(length, "big"))

    @staticmethod
    def _read(worker: subprocess.Popen[bytes], size: int) -> bytes:
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
    gc.disable()  # nothing here makes cycles
    shape = shape_of(task["kind"], task["config"])
    with open(task["path"], "rb", buffering=0) as file:  # noqa: PTH123 - name as given
        for line in iter(sys.stdin.buffer.readline, b""):
            piece = Range(*json.loads(line))
            for data in _parse(file, piece, shape, task):
                length = len(data).to_bytes(_LENGTH_BYTES, "big")
                sys.stdout.buffer.write(length + data)
            sys.stdout.buffer.flush()


def _parse(
    file: IO[bytes], piece: Range, shape: Shape, task: dict[str, Any]
) -> tuple[bytes, bytes]:
    """Return what is in a range: a head with what is odd, and the records."""
    config, start = task["config"], piece.start
    parser = parser_of(config, may_have_version=start == 0)
    if start == 0 and os.pread(file.fileno(), 3, 0) == BOM_UTF8:
        start = len(BOM_UTF8)
    file.seek(start)
    source = _Range(file, piece.end - start)
    data = bytearray()
    refusals: list[Any] = []
    opened, before = (-1, -1), shape.others
    for block in blocks(
        source.read,
        line=piece.line,
        offset=start,
        max_entry_bytes=max_entry_bytes(config),
    ):
        if block.is_open:
            opened = (block.offset, block.line)
        if task["only_changes"] and not may_hold_change(block.data):
            continue
        records = []
        for found in shaped(parser, block, shape):
            if isinstance(found, Refusal):
                refusals.append(astuple(found))
            else:
                found["source_file"] = task["path"]
                records.append(found)
        data += _ENCODER.encode_lines(records)
    head = json.dumps((refusals, *opened, shape.others - before))
    return head.encode("utf-8", "surrogatepass"), bytes(data)


class _Range:
    """Reads no more than so many bytes of a file."""

    def __init__(self, file: IO[bytes], left: int) -> None:
        self._file, self._left = file, left

    def read(self, size: int) -> bytes:
        """Return up to so many bytes."""
        data = self._file.read(min(size, self._left))
        self._left -= len(data)
        return data


if __name__ == "__main__":
    main()

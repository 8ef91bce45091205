"""Reads files of BATCH messages, piece by piece, as raw records."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from flext_singer.arrow_types import json_lines
from flext_singer.errors import BrokenLineError
from flext_singer.messages import decode_plain
from flext_singer.records import RawRecords

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_ROWS = 10_000
_BYTES = 16 * 1024 * 1024


def record_batches(path: Path, encoding: str) -> Iterator[pa.RecordBatch]:
    """Yield the Arrow batches of a file.

    Args:
        path: The file.
        encoding: `parquet` or `arrow`.
    """
    if encoding == "parquet":
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(_ROWS)
        return
    with pa.memory_map(str(path)) as source:
        reader = pa.ipc.open_file(source)
        for index in range(reader.num_record_batches):
            yield reader.get_batch(index)


def raw_records(path: Path, encoding: str) -> Iterator[RawRecords]:
    """Yield the rows of an Arrow file as raw records.

    Args:
        path: The file.
        encoding: `parquet` or `arrow`.
    """
    for batch in record_batches(path, encoding):
        yield from _pieces(json_lines(batch))


def json_records(path: Path, compression: str | None) -> Iterator[RawRecords]:
    """Yield the lines of a JSON Lines file as raw records.

    Args:
        path: The file.
        compression: `gzip`, `none` or None.

    Raises:
        BrokenLineError: A line is no JSON object.
    """
    if compression == "gzip":
        with gzip.open(path) as packed:
            yield from _pieces(_checked(path, packed))
    else:
        with path.open("rb") as file:
            yield from _pieces(_checked(path, file))


def _checked(path: Path, lines: Iterable[bytes]) -> Iterator[bytes]:
    for number, line in enumerate(lines, 1):
        try:
            decode_plain(line)
        except ValueError as error:
            raise BrokenLineError(
                f"batch file {path} is broken: {error}",
                where=f"{path}:{number}",
                fix="run the tap again",
            ) from error
        yield line.strip()


def _pieces(lines: Iterator[bytes]) -> Iterator[RawRecords]:
    records = RawRecords()
    for line in lines:
        records.add(line)
        if len(records) >= _ROWS or records.size_bytes >= _BYTES:
            yield records
            records = RawRecords()
    if records.raw:
        yield records

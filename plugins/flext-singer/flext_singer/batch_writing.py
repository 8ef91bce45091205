"""Files of BATCH messages on the tap's side: whole or not there.

A file grows under a draft's name, mode 0600, and gets its own name when it is
closed: no other process can take a half-written file for a whole one.
"""

from __future__ import annotations

import gzip
import os
from time import monotonic
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from flext_singer.arrow_types import ArrowColumns
from flext_singer.encoding import ENCODER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from singer_sdk.helpers._batch import BaseBatchFileEncoding

    from flext_singer.encoding import Record, RecordEncoder

_GROUP_BYTES = 8 * 1024 * 1024


class Piece:
    """Some records on their way into a file.

    Args:
        batch: The records as Arrow, or None.
        lines: The records as JSON lines, if not as Arrow.
        rows: How many there are.
        advance: Moves the stream's bookmark past them.
    """

    def __init__(
        self,
        batch: pa.RecordBatch | None,
        lines: bytes,
        rows: int,
        advance: Callable[[], None],
    ) -> None:
        self.batch = batch
        self.lines = lines
        self.rows = rows
        self.advance = advance
        self.size_bytes: int = len(lines) if batch is None else batch.nbytes


class ArrowPiece(Piece):
    """A batch that the source made.

    Args:
        batch: What goes into the file.
        advance: Moves the bookmark past records.
        key: The replication key, if any.
        whole: The batch with the key's column.
    """

    def __init__(
        self,
        batch: pa.RecordBatch,
        advance: Callable[[Sequence[Record]], None],
        key: str | None,
        whole: pa.RecordBatch,
    ) -> None:
        def move() -> None:
            latest = pc.max(whole.column(key)).as_py() if key else None
            advance([] if latest is None else [{key or "": latest}])

        super().__init__(batch, b"", batch.num_rows, move)


class PieceMaker:
    """Makes pieces of records.

    Args:
        kind: `parquet`, `arrow` or `jsonl`.
        schema: JSON Schema of the records.
        deselected: Top-level keys to leave out.
        encoder: Checks and prepares the records.
    """

    def __init__(
        self,
        kind: str,
        schema: Mapping[str, Any],
        deselected: Sequence[str],
        encoder: RecordEncoder,
    ) -> None:
        self._encoder = encoder
        self._columns = ArrowColumns(schema, deselected) if kind != "jsonl" else None

    def piece(self, records: Sequence[Record], advance: Callable[[], None]) -> Piece:
        """Return a piece of records that JSON can hold."""
        records = self._encoder.prepare(records)
        if self._columns is None:
            return Piece(None, ENCODER.encode_lines(records), len(records), advance)
        return Piece(self._columns.batch(records), b"", len(records), advance)


class BatchFile:
    """The file that is being written; one after the other.

    Args:
        folder: Folder of this run.
        stream: Name of the stream.
        encoding: `format` and `compression`.
    """

    def __init__(
        self, folder: Path, stream: str, encoding: BaseBatchFileEncoding
    ) -> None:
        self._folder = folder
        # Stream names may hold anything, slashes included.
        self._stem = "".join(c if c.isalnum() else "_" for c in stream)[:80]
        self._kind = encoding.format
        self._compression = encoding.compression
        self._number = 0
        self._draft: Path | None = None
        self._file: Any = None
        self._writer: Any = None
        self._schema: pa.Schema | None = None
        self._gathered: list[pa.RecordBatch] = []
        self._gathered_bytes = 0
        self.rows = 0
        self.size_bytes = 0
        self.opened_at = monotonic()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Drop an unfinished file: no message names it."""
        if self._draft is not None:
            self._draft.unlink(missing_ok=True)

    def takes(self, piece: Piece) -> bool:
        """Return whether a piece fits the open file; any fits none."""
        return (
            self._draft is None
            or piece.batch is None
            or piece.batch.schema.equals(self._schema, check_metadata=True)
        )

    def write(self, piece: Piece) -> None:
        """Add a piece to the open file, opening one if need be."""
        if not piece.rows:
            return
        if self._draft is None:
            self._open(piece.batch.schema if piece.batch is not None else None)
        if piece.batch is None:
            self._writer.write(piece.lines)
        else:
            self._gathered.append(piece.batch)
            self._gathered_bytes += piece.size_bytes
            if self._gathered_bytes >= _GROUP_BYTES:
                self._write_group()
        self.rows += piece.rows
        self.size_bytes += piece.size_bytes

    def _write_group(self) -> None:
        # Pieces are small, and a row group per piece reads slowly.
        if self._gathered:
            table = pa.Table.from_batches(self._gathered).combine_chunks()
            self._writer.write_table(table)
        self._gathered, self._gathered_bytes = [], 0

    def _open(self, schema: pa.Schema | None) -> None:
        self._number += 1
        draft = self._folder / f"{self._stem}-{self._number:06d}.draft"
        self._file = os.fdopen(
            os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
        )
        self._draft, self._schema = draft, schema
        self.opened_at = monotonic()
        packing = self._compression
        if self._kind == "parquet":
            self._writer = pq.ParquetWriter(
                self._file, schema, compression=packing or "snappy"
            )
        elif self._kind == "arrow":
            options = pa.ipc.IpcWriteOptions(compression=packing)
            self._writer = pa.ipc.new_file(self._file, schema, options=options)
        elif packing == "gzip":
            self._writer = gzip.GzipFile(fileobj=self._file, mode="wb")
        else:
            self._writer = self._file

    def finish(self) -> tuple[Path, int]:
        """Close the open file; return its path and its size in bytes."""
        if self._draft is None:
            raise AssertionError("no file is open")
        self._write_group()
        self._writer.close()
        self._file.close()
        packed = ".gz" if self._kind == "jsonl" and self._compression == "gzip" else ""
        path = self._draft.with_suffix(f".{self._kind}{packed}")
        self._draft.rename(path)
        self._draft = None
        self.rows = self.size_bytes = 0
        return path, path.stat().st_size

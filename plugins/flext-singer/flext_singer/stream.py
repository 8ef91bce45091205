"""`FlextStream`: the record loop, and the batch lane beside it.

With `batch_config` a stream writes its records into files and emits one BATCH
message per file, with a STATE after it: Meltano then carries a line per file.
Files close by size (32 MiB), by age (30 s) or by `batch_size` records. Where the
records must pass the SDK's own loop (`RecordStream._is_plain`), they go as
RECORDs whatever `batch_config` says: the SDK would skip maps and selection.
"""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from singer_sdk.helpers._batch import BatchConfig, SDKBatchMessage

from flext_singer import batch_files
from flext_singer.encoding import RecordEncoder
from flext_singer.errors import UnencodableValueError, add_place
from flext_singer.failpoints import reach
from flext_singer.metrics import byte_counter
from flext_singer.pace import STATE_INTERVAL_SECONDS, Pace
from flext_singer.record_stream import RecordStream

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping

    import pyarrow as pa
    from singer_sdk.helpers._batch import BaseBatchFileEncoding
    from singer_sdk.helpers.types import Context

    from flext_singer.batch_writing import BatchFile, Piece

MAX_FILE_BYTES = 32 * 1024 * 1024


class FlextStream(RecordStream):
    """A stream of a tap on flext-singer.

    A system overrides `get_records`, and `get_arrow_batches` where its source is
    columnar already. Records are yielded ready for JSON and hold only keys of
    `schema`; the loop may change them.
    """

    def get_arrow_batches(
        self,
        context: Context | None,  # noqa: ARG002 - for those who override it
    ) -> Iterable[pa.RecordBatch] | None:
        """Return the records as Arrow, if the source is columnar already.

        Used by the batch lane only. Columns are named like the schema's keys; a
        column of JSON text carries `arrow_types.TEXT_METADATA`.

        Returns:
            Record batches, or None: the batch lane makes them from `get_records`.
        """
        return None

    def get_batch_config(self, config: Mapping[str, Any]) -> BatchConfig | None:
        """Return the batch settings, or None where records must go as lines."""
        raw = config.get("batch_config")
        if not raw or not self._is_plain:
            return None
        encoding = {k: v for k, v in (raw.get("encoding") or {}).items() if v}
        encoding.setdefault("format", "parquet")
        if encoding.get("compression") == "none":
            del encoding["compression"]
        storage = {k: v for k, v in (raw.get("storage") or {}).items() if v}
        root = batch_files.storage_root(storage)
        storage.setdefault("root", str(root))
        return BatchConfig.from_dict(
            {
                "encoding": encoding,
                "storage": storage,
                # 0 is "size decides"; the SDK's own batcher gets its default.
                "batch_size": raw.get("batch_size") or (0 if root else None),
            }
        )

    def _generate_batch_messages(
        self, encoding: BaseBatchFileEncoding, manifest: list[str]
    ) -> Generator[SDKBatchMessage, None, None]:
        for message in super()._generate_batch_messages(encoding, manifest):
            message.version = self._stream_version
            yield message

    def _sync_batches(
        self, batch_config: BatchConfig, context: Context | None = None
    ) -> None:
        root = batch_files.storage_root(batch_config.storage.asdict())
        self._set_version()
        if root is None:  # a remote store: the SDK knows how
            super()._sync_batches(batch_config, context)
        else:
            try:
                self._sync_files(batch_config)
            except Exception as error:
                add_place(error, f"stream {self.name!r}")
                raise
        if context is None:
            self._finish()

    def _sync_files(self, config: BatchConfig) -> None:
        from flext_singer.batch_writing import BatchFile  # noqa: PLC0415 - pyarrow

        counter, timer = self.get_record_counter(), self.get_sync_timer()
        file = BatchFile(
            self.flext_tap.batch_folder(config), self.name, config.encoding
        )
        with (
            file,
            counter,
            timer,
            self.get_batch_counter() as batches,
            byte_counter(self.name) as byte_count,
        ):
            self._write_starting_replication_value(None)
            pace = Pace(None)
            pace.room = config.batch_size or None
            for piece in self._pieces(config.encoding.format, pace):
                if not file.takes(piece):
                    batches.increment(self._emit(file, config, byte_count))
                file.write(piece)
                # Only now: the STATE after the file before must not cover these.
                piece.advance()
                counter.increment(piece.rows)
                if (
                    file.size_bytes >= MAX_FILE_BYTES
                    or monotonic() - file.opened_at >= STATE_INTERVAL_SECONDS
                    or (config.batch_size and file.rows >= config.batch_size)
                ):
                    batches.increment(self._emit(file, config, byte_count))
                if config.batch_size:
                    pace.room = config.batch_size - file.rows
            batches.increment(self._emit(file, config, byte_count))
        self._finalize_state(self.stream_state)
        self._write_state_message()

    def _emit(self, file: BatchFile, config: BatchConfig, byte_count: Any) -> int:  # noqa: ANN401 - the SDK's counter
        """Finish the open file, name it in a BATCH, follow with STATE."""
        if not file.rows:
            return 0
        path, size_bytes = file.finish()
        byte_count.increment(size_bytes)
        reach("tap.mid_records")
        self._write_batch_message(config.encoding, [path.as_uri()])
        self._write_state_message()
        return 1

    def _pieces(self, kind: str, pace: Pace) -> Iterator[Piece]:
        """Yield what goes into the files, from Arrow if the stream has it."""
        from flext_singer import batch_writing  # noqa: PLC0415 - pyarrow

        source = self.get_arrow_batches(None) if kind != "jsonl" else None
        if source is not None:
            left_out = set(self._deselected)
            for batch in source:
                yield batch_writing.ArrowPiece(
                    batch.select([n for n in batch.schema.names if n not in left_out]),
                    self._advance,
                    self.replication_key,
                    batch,
                )
            return
        encoder = RecordEncoder(self.name, self.effective_schema, self._deselected)
        maker = batch_writing.PieceMaker(
            kind, self.effective_schema, self._deselected, encoder
        )
        for chunk in self._chunks(pace):
            advance = partial(self._advance, chunk)
            try:
                piece = maker.piece(chunk, advance)
            except (TypeError, ValueError, UnencodableValueError):
                piece = maker.piece(self._sound(encoder, chunk), advance)
            pace.after(len(chunk), piece.size_bytes)
            yield piece

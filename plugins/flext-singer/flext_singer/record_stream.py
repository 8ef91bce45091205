"""`RecordStream`: the SDK's stream with a loop that works by chunks.

The SDK conforms, maps, counts, bookmarks and writes record by record. Here a
chunk of records goes through one compiled encoder, and clock, counters,
bookmark and STATE cost once per chunk. Whatever needs the SDK's own loop
(stream maps, flattening, child streams, partitions, dry runs, deselection inside
an object) gets it, on the same writer.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from itertools import islice
from operator import gt
from typing import TYPE_CHECKING, Any

from singer_sdk import Stream
from singer_sdk.exceptions import InvalidStreamSortException
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.singerlib.catalog import (
    REPLICATION_FULL_TABLE,
    REPLICATION_INCREMENTAL,
)

from flext_singer.encoding import RecordEncoder, check_finite
from flext_singer.errors import UnencodableValueError, add_place
from flext_singer.failpoints import reach
from flext_singer.metrics import byte_counter, log_bookmark
from flext_singer.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from singer_sdk.helpers.types import Context, Record

    from flext_singer.tap import FlextTap


class RecordStream(Stream):
    """A stream on the lean record path; `FlextStream` adds the batch lane."""

    def reject(
        self, where: str, reason: str, record: Mapping[str, Any] | None = None
    ) -> None:
        """Set a record aside instead of emitting it.

        Args:
            where: Its place in the source, such as `people.ldif:120`.
            reason: Why it cannot be emitted.
            record: What there is of it.

        Raises:
            TooManyErrorsError: More than `max_errors` were rejected.
        """
        self.flext_tap.rejects.add(self.name, where, reason, record)

    @property
    def flext_tap(self) -> FlextTap:
        """The tap this stream belongs to."""
        return self._tap  # type: ignore[return-value]

    # What the SDK would do earlier than is safe

    @property
    def emit_activate_version_messages(self) -> bool:
        """False: the SDK sends ACTIVATE_VERSION before the records.

        A target that then drops the older version stands empty if the run breaks.
        `_sync_records` sends it after the last record instead.
        """
        return False

    def log(
        self,
        message: str,
        *args: Any,  # noqa: ANN401 - as the SDK has it
        level: int = logging.INFO,
        **kwargs: Any,  # noqa: ANN401 - as the SDK has it
    ) -> None:
        """Log a message, but not that an error follows: the error says it."""
        if not message.startswith("An unhandled error occurred while syncing"):
            super().log(message, *args, level=level, **kwargs)

    # The loop

    def _sync_records(
        self, context: Context | None = None, *, write_messages: bool = True
    ) -> Generator[dict[str, Any], Any, Any]:
        self._set_version()
        lean = write_messages and context is None and self._is_plain
        try:
            if lean:
                self._sync_lean()
            else:
                yield from super()._sync_records(context, write_messages=write_messages)
        except Exception as error:
            add_place(error, f"stream {self.name!r}")
            with suppress(OSError):
                self.flext_tap.writer.flush()
            raise
        self.flext_tap.writer.flush()
        if write_messages and context is None:
            self._finish()

    def _write_record_message(self, record: dict[str, Any]) -> None:
        """Write one record on the SDK's path; what JSON cannot hold is rejected."""
        try:
            check_finite(self.name, record)  # the SDK would make null of it
            super()._write_record_message(record)
        except UnencodableValueError as error:
            self.reject(error.where, error.what, error.record)

    def _set_version(self) -> None:
        if (
            self.selected
            and self.replication_method == REPLICATION_FULL_TABLE
            and self.config.get("emit_activate_version_messages")
        ):
            self._stream_version = self._initialized_at

    def _finish(self) -> None:
        rejects = self.flext_tap.rejects
        rejects.log()
        bookmark = self.stream_state.get("replication_key_value")
        if bookmark is not None:
            log_bookmark(self.name, bookmark)
        if self._stream_version is None:
            return
        if rejects.counts[self.name]:
            # Dropping the older version would drop the rejected records as well.
            self.logger.warning(
                "No ACTIVATE_VERSION for '%s': %d records were rejected",
                self.name,
                rejects.counts[self.name],
            )
            return
        self._write_activate_version_message(self._stream_version)

    @property
    def _is_plain(self) -> bool:
        """Whether records leave this stream as they come."""
        maps = self.stream_maps
        return (
            self.selected
            and self.ABORT_AT_RECORD_COUNT is None
            and not self.child_streams
            and not self.partitions
            and len(maps) == 1
            and type(maps[0]) is SameRecordTransform
            and not maps[0].flattening_enabled
            and maps[0].stream_alias == self.name
            and not self._deselects_inside_objects
        )

    @property
    def _deselects_inside_objects(self) -> bool:
        return any(
            not selected and len(crumb) > 2 and self.mask[crumb[:2]]  # noqa: PLR2004
            for crumb, selected in self.mask.items()
        )

    @property
    def _deselected(self) -> list[str]:
        return [
            key
            for key in self.schema.get("properties", {})
            if not self.mask["properties", key]
        ]

    def _sync_lean(self) -> None:
        writer = self.flext_tap.writer
        encoder = RecordEncoder(
            self.name, self.effective_schema, self._deselected, self._stream_version
        )
        counter, timer = self.get_record_counter(), self.get_sync_timer()
        with counter, timer, byte_counter(self.name) as byte_count:
            self._write_starting_replication_value(None)
            pace = Pace(self.STATE_MSG_FREQUENCY)
            for chunk in self._chunks(pace):
                count, size_bytes = self._write(encoder, chunk)
                byte_count.increment(size_bytes)
                self._advance(chunk)
                counter.increment(count)
                if pace.after(len(chunk), size_bytes):
                    self._write_state_message()
                elif pace.is_slow:
                    writer.flush()
                reach("tap.mid_records", writer.flush)
        self._finalize_state(self.stream_state)
        self._write_state_message()

    def _chunks(self, pace: Pace) -> Iterator[list[Record]]:
        records: Iterator[Record] = iter(self.get_records(None))  # type: ignore[arg-type]
        processed = type(self).post_process is not Stream.post_process
        while True:
            chunk: list[Record] = []
            broken: Exception | None = None
            try:
                # `extend` keeps what came before an error: it is good data.
                chunk.extend(islice(records, pace.next_size()))
            except Exception as error:  # noqa: BLE001 - raised again below
                broken = error
            if not chunk and broken is None:
                return
            if processed:
                kept = (self.post_process(record, None) for record in chunk)
                chunk = [record for record in kept if record is not None]
            yield chunk
            if broken is not None:
                raise broken

    def _sound(self, encoder: RecordEncoder, chunk: list[Record]) -> list[Record]:
        """Return the records that JSON can hold, and reject the others."""
        sound: list[Record] = []
        for record in chunk:
            try:
                encoder.lines([record])
                sound.append(record)
            except UnencodableValueError as error:
                self.reject(error.where, error.what, error.record)
        return sound

    def _write(self, encoder: RecordEncoder, chunk: list[Record]) -> tuple[int, int]:
        """Write the RECORD lines of a chunk; return records and bytes."""
        writer = self.flext_tap.writer
        try:
            size_bytes = encoder.write_into(writer.buffer, chunk)
        except UnencodableValueError:
            chunk = self._sound(encoder, chunk)
            size_bytes = encoder.write_into(writer.buffer, chunk)
        writer.flush_if_full()
        return len(chunk), size_bytes

    def _advance(self, chunk: Sequence[Record]) -> None:
        """Move the bookmark past a chunk, as the SDK does record by record."""
        self.state_manager.is_flushed = False
        if self.replication_method != REPLICATION_INCREMENTAL or not chunk:
            return
        key = self.replication_key
        if key is None:
            self._increment_stream_state(chunk[0])  # raises the SDK's error
            return
        with suppress(TypeError, KeyError):
            values = [record[key] for record in chunk]
            if self.is_sorted:
                if not any(map(gt, values, islice(values, 1, None))):
                    self._increment_sorted(chunk[0], chunk[-1])
                    return
            else:
                latest = max(range(len(values)), key=values.__getitem__)
                self._increment_stream_state(chunk[latest])
                return
        # Nulls among the values, mixed types, or out of order: one by one, with
        # the SDK's rules, warnings and errors.
        for index, record in enumerate(chunk):
            try:
                self._increment_stream_state(record)
            except InvalidStreamSortException as error:
                self.state_manager.log_sort_error(
                    ex=error,
                    record_count=index + 1,
                    partition_record_count=index + 1,
                    current_context=None,
                )
                raise

    def _increment_sorted(self, first: Record, last: Record) -> None:
        # The first one is compared with the chunk before.
        self._increment_stream_state(first)
        if last is not first:
            self._increment_stream_state(last)

"""`FlextTarget`: reads bytes, loads by size, commits, and only then says so.

One object decides when to load, when to commit and when a STATE may leave the
process. A load happens when the buffered bytes of all streams reach
`max_buffer_bytes`; a commit when a STATE waits and 10,000 records or 30 s have
gone by, before a sink is set up, before and after `activate`, and at the end.
STATE is written after the commit that covers the records before it, never else.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from functools import cached_property
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from singer_sdk import Target
from singer_sdk.exceptions import RecordsWithoutSchemaException
from singer_sdk.helpers.capabilities import PluginCapabilities
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.singerlib.encoding.base import GenericSingerReader, SingerMessageType

from flext_singer import batch_files, messages, settings, termination
from flext_singer.encoding import ENCODER
from flext_singer.errors import BrokenLineError, PeerVanishedError, add_place
from flext_singer.failpoints import reach
from flext_singer.plugin import FlextPlugin
from flext_singer.records import RawRecords
from flext_singer.sink import FlextSink
from flext_singer.writer import write_out

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import IO

    from singer_sdk.helpers.capabilities import CapabilitiesEnum
    from singer_sdk.sinks import Sink

MAX_UNCOMMITTED_RECORDS = 10_000
MAX_UNCOMMITTED_SECONDS = 30.0
_HELD_BYTES = 160  # of a record beside its own: envelope, list places, an object


class LineReader(GenericSingerReader[bytes]):
    """Hands the input to the target's own loop instead of the SDK's."""

    target: FlextTarget

    @property
    def default_input(self) -> IO[bytes]:
        """Never asked for: the loop finds stdin itself."""
        raise NotImplementedError

    def deserialize_json(self, line: bytes) -> dict[str, Any]:
        """Return a line decoded: the SDK's way in, not used by the loop."""
        decoded: dict[str, Any] = messages.decode_plain(line)
        return decoded

    def process_lines(
        self,
        file_input: IO[bytes] | None,
        callbacks: dict[str, Callable[[dict[str, Any]], None]],  # noqa: ARG002
    ) -> Counter[str]:
        """Run the target's loop over the input."""
        return self.target.run_lines(file_input)


class FlextTarget(FlextPlugin, Target):
    """A Singer target on the lean record path.

    A system sets `name`, `package_name`, `config_jsonschema` and
    `default_sink_class`, and overrides `commit` and `close`.
    """

    default_sink_class: type[Sink] = FlextSink
    commits_at_end: ClassVar[bool] = False
    """Whether nothing is durable before the end of the input, as for a file that is
    replaced as a whole: STATE then waits for the one commit at the end."""
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.BATCH,
        PluginCapabilities.ACTIVATE_VERSION,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    def __init__(
        self,
        *,
        config: Any = None,  # noqa: ANN401 - as the SDK has it
        parse_env_config: bool = False,
        validate_config: bool = True,
        setup_mapper: bool = True,
        message_reader: GenericSingerReader[Any] | None = None,
    ) -> None:
        reader = message_reader or LineReader()
        super().__init__(
            config=config,
            parse_env_config=parse_env_config,
            validate_config=validate_config,
            setup_mapper=setup_mapper,
            message_reader=reader,
        )
        if isinstance(reader, LineReader):
            reader.target = self
        self._max_buffer_bytes: int = (
            self.config.get("max_buffer_bytes")
            or (settings.TARGET["max_buffer_bytes"]["default"])
        )
        self._buffered_bytes = 0
        self._uncommitted_records = 0
        self._is_dirty = False
        self._committed_at = monotonic()
        self._waiting_state: bytes | None = None
        self._written_state: bytes | None = None
        self._loaded_files: list[Path] = []  # to be deleted after the commit
        self._emptied_folders: dict[Path, Path] = {}
        self._retired: list[Sink] = []  # of older schemas; they keep their counts
        self._is_closed = False
        self._is_at_end = False
        self._line_number = 0
        self.incremental_streams: set[str] = set()

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Add the settings that every target understands."""
        settings.merge_missing(config_jsonschema, settings.COMMON, settings.TARGET)
        if PluginCapabilities.BATCH in cls.capabilities:
            settings.merge_missing(config_jsonschema, settings.BATCH)
        super().append_builtin_config(config_jsonschema)

    # What a system overrides

    def commit(self) -> None:
        """Make durable all that every sink has loaded."""
        raise NotImplementedError

    def mend(self, line: bytes, error: BrokenLineError) -> messages.Line | None:  # noqa: ARG002 - for those who override it
        """Make a message of a line that is none, if that is possible.

        Args:
            line: The line.
            error: What is wrong with it.

        Returns:
            The message, or None: the line was rejected and is done with.

        Raises:
            BrokenLineError: It cannot be mended; as here, always.
        """
        raise error

    def close(self, *, failed: bool) -> None:
        """Release connections and temporary files; called once.

        Args:
            failed: Whether the run broke: what is uncommitted is to be dropped.
        """

    # The loop

    def run_lines(self, source: IO[str] | IO[bytes] | None) -> Counter[str]:
        """Process the messages of an input; the end is `process_endofpipe`.

        Args:
            source: Text or bytes, one message per line; None reads stdin.

        Returns:
            How many messages of each type there were.
        """
        counts: Counter[str] = Counter()
        try:
            self._run_lines(source, counts)
        except BaseException as error:
            if isinstance(error, Exception):
                add_place(error, f"line {self._line_number} of the input")
            self._close(failed=True)
            raise
        return counts

    def _run_lines(
        self, source: IO[str] | IO[bytes] | None, counts: Counter[str]
    ) -> None:
        for block in messages.read_blocks(source, self._idle):
            found = messages.decode_block(block)
            if found is None:
                for line in messages.lines_of(block):
                    self._take_line(line, counts)
            else:
                self._take_all(found, counts)

    def _take_line(self, line: bytes, counts: Counter[str]) -> None:
        """Take in one line by itself; a broken one may be mended."""
        self._line_number += 1
        if not line or line.isspace():
            return
        try:
            message = messages.decode(line, self._line_number)
        except BrokenLineError as error:
            mended = self.mend(line, error)
            if mended is None:
                return
            message = mended
        if isinstance(message, messages.RecordLine):
            self._take_record(message, counts)
        else:
            counts[self._process(message)] += 1

    def _take_record(self, message: messages.RecordLine, counts: Counter[str]) -> None:
        if self._is_mapped:
            self._add_mapped(message)
        else:
            self._sink(message.stream).add(
                bytes(message.record), message.time_extracted, message.version
            )
        self._note_taken(1, len(bytes(message.record)), counts)

    def _take_all(self, found: list[messages.Line], counts: Counter[str]) -> None:
        """Take in the messages of a block; records of one stream go together."""
        record_line, position = messages.RecordLine, 0
        while position < len(found):
            message = found[position]
            if not isinstance(message, record_line):
                self._line_number += 1
                counts[self._process(message)] += 1
                position += 1
                continue
            run = [message]
            # By index: beginning anew for each run would be quadratic where
            # streams alternate.
            position += 1
            while position < len(found):
                other = found[position]
                if type(other) is not record_line or other.stream != message.stream:
                    break
                run.append(other)
                position += 1
            self._take_run(message.stream, run, counts)

    def _take_run(
        self, stream: str, run: list[messages.RecordLine], counts: Counter[str]
    ) -> None:
        """Take in records that follow each other in one stream."""
        raw = [bytes(message.record) for message in run]
        size_bytes = sum(map(len, raw))
        room = self._max_buffer_bytes - self._buffered_bytes
        if self._is_mapped or size_bytes + _HELD_BYTES * len(run) >= room:
            for message in run:
                self._line_number += 1
                self._take_record(message, counts)
            return
        self._line_number += 1  # should the stream be unknown
        sink = self._sink(stream)
        before = len(sink.pending)
        try:
            sink.add_all(
                raw,
                [message.time_extracted for message in run],
                [message.version for message in run],
            )
        finally:
            self._line_number += min(len(sink.pending) - before, len(run) - 1)
        self._note_taken(len(run), size_bytes, counts)

    def _note_taken(self, records: int, size_bytes: int, counts: Counter[str]) -> None:
        """Note records that wait in their sinks; load or commit if it is time."""
        counts[SingerMessageType.RECORD] += records
        self._buffered_bytes += size_bytes + _HELD_BYTES * records
        self._uncommitted_records += records
        if self._buffered_bytes >= self._max_buffer_bytes:
            self._load()
        if (
            self._waiting_state is not None
            and self._uncommitted_records >= MAX_UNCOMMITTED_RECORDS
            and self._is_due()
        ):
            self._commit()

    def _process(self, message: messages.Line) -> SingerMessageType:
        """Process any message but a RECORD; return its type."""
        match message:
            case messages.StateLine():
                self._waiting_state = bytes(message.value)
                if self._is_due():
                    self._commit()
                return SingerMessageType.STATE
            case messages.SchemaLine():
                if message.bookmark_properties:
                    self.incremental_streams.add(message.stream)
                self._process_schema_message(
                    {
                        "type": "SCHEMA",
                        "stream": message.stream,
                        "schema": message.schema,
                        "key_properties": message.key_properties,
                    }
                )
                return SingerMessageType.SCHEMA
            case messages.ActivateVersionLine():
                self._activate(message)
                return SingerMessageType.ACTIVATE_VERSION
            case messages.BatchLine():
                self._load_batch(message)
                return SingerMessageType.BATCH
            case _:
                raise AssertionError(message)

    def _idle(self) -> float | None:
        """Commit if it is time; return the seconds until it will be."""
        if self._waiting_state is None:
            return None
        if self._is_due():
            self._commit()
            return None
        return max(0.0, self._committed_at + MAX_UNCOMMITTED_SECONDS - monotonic())

    def _is_due(self) -> bool:
        """Tell whether a waiting STATE should be let out; a target may wait longer."""
        return (
            self._uncommitted_records >= MAX_UNCOMMITTED_RECORDS
            or monotonic() - self._committed_at >= MAX_UNCOMMITTED_SECONDS
        )

    # Records that stream maps change

    @cached_property
    def _is_mapped(self) -> bool:
        return bool(
            self.config.get("stream_maps") or self.config.get("flattening_enabled")
        )

    def _add_mapped(self, message: messages.RecordLine) -> None:
        stream_maps = self.mapper.stream_maps.get(message.stream)
        if stream_maps is None:
            self._assert_sink_exists(message.stream)
            return
        raw = bytes(message.record)
        for stream_map in stream_maps:
            # Decoded anew for each map: they change the record.
            record = stream_map.transform(messages.decode_plain(raw))
            if record is None:
                continue
            self._sink(stream_map.stream_alias).add(
                raw
                if type(stream_map) is SameRecordTransform
                and not stream_map.flattening_enabled
                else ENCODER.encode(record),
                message.time_extracted,
                message.version,
            )

    def _sink(self, stream: str) -> FlextSink:
        self._assert_sink_exists(stream)
        return self._sinks_active[stream]  # type: ignore[return-value]

    def _sinks_of(self, stream: str) -> list[FlextSink]:
        """Return the sinks that a stream goes to, through its stream maps."""
        stream_maps = self.mapper.stream_maps.get(stream)
        if not stream_maps:
            raise RecordsWithoutSchemaException(
                f"a message for stream {stream!r} came before its SCHEMA"
            )
        return [
            self._sink(one.stream_alias)
            for one in stream_maps
            if self.sink_exists(one.stream_alias)
        ]

    # Other messages

    def get_sink(
        self,
        stream_name: str,
        *,
        record: dict[str, Any] | None = None,
        schema: dict[str, Any] | None = None,
        key_properties: Sequence[str] | None = None,
    ) -> Sink:
        """Return a stream's sink; sets up a new one for a new schema."""
        if schema is not None:
            old = self._sinks_active.get(stream_name)
            if old is not None and (
                old.original_schema != schema
                or list(old.key_properties) != list(key_properties or ())
            ):
                self.logger.info("Schema of stream '%s' has changed", stream_name)
            elif old is not None:
                return old
            # `setup` may commit by itself (DDL does): nothing may be half-way.
            self._commit()
            if old is not None:
                self._retired.append(self._sinks_active.pop(stream_name))
        return super().get_sink(
            stream_name, record=record, schema=schema, key_properties=key_properties
        )

    def _activate(self, message: messages.ActivateVersionLine) -> None:
        sinks = self._sinks_of(message.stream)
        if not self.config.get("process_activate_version_messages", True):
            return
        self._commit()
        for sink in sinks:
            sink.activate(message.version)
        self._is_dirty = True
        self._commit()

    def _load_batch(self, message: messages.BatchLine) -> None:
        if self._is_mapped:
            self._map_batch(message)
            return
        sinks = self._sinks_of(message.stream)
        self._load()  # what came before goes before
        for url in message.manifest:
            path = batch_files.local_path(url)
            status = path.stat()
            written_at = datetime.fromtimestamp(status.st_mtime, UTC).isoformat()
            for sink in sinks:
                sink.batch_version = message.version
                sink.batch_extracted_at = written_at
                rows = batch_files.load(sink, path, message.encoding)
                sink.count_loaded(rows, status.st_size)
                self._uncommitted_records += rows
            self._loaded_files.append(path)
            self._is_dirty = True
            reach("target.after_load")
        if self._waiting_state is not None and self._is_due():
            self._commit()

    def _map_batch(self, message: messages.BatchLine) -> None:
        """Take in the rows of files one by one, as stream maps need them."""
        for url in message.manifest:
            path = batch_files.local_path(url)
            for records in batch_files.pieces(path, message.encoding):
                for raw in records.raw:
                    line = messages.RecordLine(
                        message.stream, msgspec.Raw(raw), None, message.version
                    )
                    self._add_mapped(line)
                    self._uncommitted_records += 1
                self._buffered_bytes += records.size_bytes
                if self._buffered_bytes >= self._max_buffer_bytes:
                    self._load()
            self._load()
            self._loaded_files.append(path)
            self._is_dirty = True
        if self._waiting_state is not None and self._is_due():
            self._commit()

    # Load, commit, close

    def _load(self) -> None:
        if not self._buffered_bytes:
            return
        for sink in self._flext_sinks:
            if sink.pending.raw:
                try:
                    sink.load_pending()
                except Exception as error:
                    add_place(error, f"stream {sink.stream_name!r}")
                    raise
        self._buffered_bytes = 0
        self._is_dirty = True
        reach("target.after_load")

    def _commit(self) -> None:
        self._load()
        if self.commits_at_end and not self._is_at_end:
            self._uncommitted_records = 0
            self._committed_at = monotonic()
            return
        if self._is_dirty or self.commits_at_end:
            reach("target.before_commit")
            self.commit()
            self._is_dirty = False
            self._count()
            self._delete_files()
            reach("target.after_commit")
        self._uncommitted_records = 0
        self._committed_at = monotonic()
        self._write_state()

    def _delete_files(self) -> None:
        for path in self._loaded_files:
            batch_files.delete(path)
        self._emptied_folders.update({path.parent: path for path in self._loaded_files})
        self._loaded_files.clear()

    def _count(self) -> None:
        for sink in self._all_sinks:
            records, size_bytes = sink.take_counts()
            sink.record_counter_metric.increment(records)
            sink.byte_counter.increment(size_bytes)
        self.rejects.log()

    def _write_state(self) -> None:
        state, self._waiting_state = self._waiting_state, None
        # An empty STATE would wipe the bookmark that Meltano keeps (sdk#3000).
        if state is None or state in {self._written_state, b"{}"}:
            return
        write_out(state + b"\n")
        self._written_state = state
        reach("target.after_state")

    @property
    def _flext_sinks(self) -> list[FlextSink]:
        return list(self._sinks_active.values())  # type: ignore[arg-type]

    @property
    def _all_sinks(self) -> list[FlextSink]:
        return [*self._retired, *self._flext_sinks]  # type: ignore[list-item]

    def process_endofpipe(self) -> None:
        """Load, commit and close: the input is at its end."""
        try:
            _expect_peers()
            self._is_at_end = True
            self._commit()
        except BaseException:
            self._close(failed=True)
            raise
        for path in self._emptied_folders.values():
            batch_files.delete_folder(path)
        self._close(failed=False)

    def _close(self, *, failed: bool) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        for sink in self._all_sinks:
            sink.clean_up()  # logs the counts of what was committed
        self.rejects.log()
        self.close(failed=failed)


__all__ = ["FlextSink", "FlextTarget", "RawRecords"]


def _expect_peers() -> None:
    # A killed parent looks like an end of input. Nobody would read the STATE, so
    # the rest is left to the next run.
    if (who := termination.missing_peer()) is not None:
        raise PeerVanishedError(
            f"{who} is gone", fix="see its own messages, then run again"
        )

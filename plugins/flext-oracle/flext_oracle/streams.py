"""Streams of the tap: tables, views and queries."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from flext_singer import FlextStream
from singer_sdk.singerlib.catalog import (
    REPLICATION_INCREMENTAL,
    Metadata,
)

from flext_oracle import bookmarks, chunks, sql
from flext_oracle.errors import NOT_GRANTED, SNAPSHOT_LOST, OracleError
from flext_oracle.progress import Progress
from flext_oracle.reading import Reader, Request, Workers
from flext_oracle.sql import Column
from flext_oracle.type_mapping import TIME_TYPES, ColumnType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.singerlib import Catalog

    from flext_oracle.chunks import Share, Window
    from flext_oracle.discovery import FoundTable
    from flext_oracle.queries import Query
    from flext_oracle.tap import TapOracle

ROWSCN = Column("ORA_ROWSCN", ColumnType("NUMBER", 0, 38, 0))
DEFAULT_FETCH_SIZE = 1000


class OracleStream(FlextStream):
    """What tables and queries have in common: columns, bookmarks, incremental reads."""

    columns: Sequence[Column] = ()
    check_sorted = False  # a look-back window begins before the bookmark

    def apply_catalog(self, catalog: Catalog) -> None:
        """Take the catalog's choices; keys may be typed in any case."""
        super().apply_catalog(catalog)
        properties = [sql.property_name(column.name) for column in self.columns]
        self.primary_keys = [sql.as_named(k, properties) for k in self.primary_keys]
        if self.replication_key:
            self.replication_key = sql.as_named(self.replication_key, properties)

    @property
    def is_sorted(self) -> bool:
        """Incremental reads come in the order of the replication key."""
        return self.replication_method == REPLICATION_INCREMENTAL

    @property
    def oracle(self) -> TapOracle:
        """The tap, with its connections and snapshot."""
        return self._tap  # type: ignore[return-value]

    @functools.cached_property
    def wanted(self) -> list[Column]:
        """The columns that are selected and that can be read."""
        return [
            column
            for column in self.columns
            if column.kind.is_supported
            and self.mask["properties", sql.property_name(column.name)]
        ]

    def reader(self, *, read_only: bool = False) -> Reader:
        """A reader of this stream's columns."""
        listed = [(sql.property_name(c.name), c.name, c.kind) for c in self.wanted]
        size = int(self.config.get("fetch_size") or DEFAULT_FETCH_SIZE)
        return Reader(
            self.oracle.connections,
            listed,
            size,
            read_only=read_only,
            null_doubles=self.oracle.null_doubles,
        )

    # Shares of several processes

    @functools.cached_property
    def share(self) -> Share | None:
        """The part of the stream that this process reads; None: all of it."""
        return chunks.share_of(self.config.get("partition"))

    def share_conditions(self) -> tuple[list[str], dict[str, Any]]:
        """Condition and bind that hold for this process's rows, by hash.

        Raises:
            OracleError: There is nothing to hash.
        """
        if self.share is None:
            return [], {}
        names = {sql.property_name(c.name): c.name for c in self.columns}
        wanted = self.share.column
        keys = [wanted] if wanted else list(self.primary_keys or ())
        columns = [names.get(key) or names.get(sql.property_name(key)) for key in keys]
        parts = [f"t.{sql.quoted(column)}" for column in columns if column]
        expression = " || '|' || ".join(parts) or self.row_identity
        if len(parts) < len(columns) or not expression:
            raise OracleError(
                f"nothing to share its rows out by: no key, no {wanted or 'ROWID'}",
                f"stream {self.name!r}",
                "set partition.column or key_properties, or leave the stream out",
            )
        condition = sql.hash_share(expression, self.share.count)
        return [condition], {"bucket": self.share.bucket}

    row_identity = ""
    """SQL for what tells rows apart that have no key; empty: nothing does."""

    # Bookmarks: typed here, text in the state

    @functools.cached_property
    def key_column(self) -> Column:
        """The column of the replication key.

        Raises:
            OracleError: There is none of that name, or its values have no order.
        """
        for column in self.columns:
            if sql.property_name(column.name) == self.replication_key:
                return column
        raise OracleError(
            f"no column {self.replication_key!r} to replicate by",
            f"stream {self.name!r}",
            "set replication-key to one of the stream's columns",
        )

    def bookmark(self) -> Any | None:  # noqa: ANN401 - datetime, number or text
        """The value to start from, look-back taken off; None: from the start."""
        kind = self.key_column.kind
        text = self.get_starting_replication_key_value(None)
        if kind.name in TIME_TYPES and text is None:
            text = self.config.get("start_date")
        if text is None:
            return None
        value = bookmarks.parse(text, kind, f"stream {self.name!r}")
        return bookmarks.look_back(value, self.config.get("lookback") or 0, kind)

    def _increment_stream_state(
        self, latest_record: Record, *, context: Context | None = None
    ) -> None:
        """Move the bookmark forward, never back, comparing values and not texts."""
        if not self.replication_key or context is not None:
            super()._increment_stream_state(latest_record, context=context)
            return
        value = latest_record.get(self.replication_key)
        if value is None:
            return
        if self._highest is None:
            kind = self.key_column.kind
            text = self.stream_state.get("replication_key_value")
            if text is not None:
                self._highest = bookmarks.parse(text, kind, f"stream {self.name!r}")
        comparable = bookmarks.of_record(value)
        if self._highest is None or comparable > self._highest:
            self._highest = comparable
            self.stream_state["replication_key"] = self.replication_key
            self.stream_state["replication_key_value"] = bookmarks.to_state(value)

    _highest: Any | None = None

    def incremental(
        self, source: str, binds: dict[str, Any], *, scn: int | None, bound: bool
    ) -> Iterator[Record]:
        """Records from the bookmark on, in the order of the replication key.

        Args:
            source: Table or query.
            binds: Binds of the query.
            scn: Read as of this.
            bound: Whether the query binds ``:bookmark`` itself.
        """
        column = self.key_column
        key = "ORA_ROWSCN" if column is ROWSCN else f"t.{column.sql}"
        comparison = f"{key} >= {bookmarks.placeholder(column.kind)}"
        shares, buckets = self.share_conditions()

        def request(start: Any) -> Request:  # noqa: ANN401 - as bookmark
            given = {} if start is None and not bound else {"bookmark": start}
            return Request(
                sql.select(
                    self.wanted,
                    source,
                    scn=scn,
                    where=[*shares, *([] if start is None or bound else [comparison])],
                    order_by=[key],
                ),
                {**binds, **given, **buckets},
                {"bookmark": bookmarks.bind_type(column.kind)} if given else {},
            )

        start = self.bookmark()
        if bound and start is None:
            start = bookmarks.lowest(column.kind)
        reader = self.reader(read_only=self.oracle.snapshot.is_read_only)
        for records in reader.patiently(
            request(start),
            f"stream {self.name!r}",
            # What was handed on comes again from the bookmark of that moment.
            lambda: request(start if self._highest is None else self._highest),
        ):
            yield from records


class TableStream(OracleStream):
    """A table, view or materialized view."""

    def __init__(self, tap: TapOracle, found: FoundTable, name: str) -> None:
        self.found = found
        self.table = found.table
        self.columns = list(found.columns)
        schema = found.schema(null_doubles=tap.null_doubles)
        if tap.config.get("use_ora_rowscn") and found.kind == "TABLE":
            self.columns.append(ROWSCN)
            schema["properties"]["ora_rowscn"] = {"type": ["null", "integer"]}
        self.row_identity = "t.ROWID" if found.has_rowids else ""
        self._done: set[str] = set()  # windows handed on by this process
        super().__init__(tap, schema=schema, name=name)
        self.primary_keys = [sql.property_name(key) for key in found.keys]
        key = tap.replication_key_of(schema["properties"])
        if key:
            self.replication_key = key

    @property
    def metadata(self) -> Any:  # noqa: ANN401 - the SDK's type
        """The SDK's, with the table's place and what cannot be read."""
        if self._metadata is None:
            mapping = super().metadata
            mapping.root.schema_name = self.table.schema
            for column in self.columns:
                entry = mapping.get(("properties", sql.property_name(column.name)))
                if entry is not None and not column.kind.is_supported:
                    entry.inclusion = Metadata.InclusionType.UNSUPPORTED
        return super().metadata

    def get_records(self, context: Context | None) -> Iterable[Record]:  # noqa: ARG002 - no partitions
        """The table's rows as records."""
        if self.replication_method == REPLICATION_INCREMENTAL:
            scn = self.oracle.snapshot.scn()
            return self.incremental(str(self.table), {}, scn=scn, bound=False)
        return self._full_table()

    # Full table

    @functools.cached_property
    def _progress(self) -> Progress:
        return Progress(self.stream_state)

    @property
    def _digits(self) -> int:
        return chunks.digits_for(int(self.config.get("chunk_blocks") or 4096))

    @property
    def _share(self) -> str:
        return str(self.config.get("partition") or "")

    @property
    def _is_chunked(self) -> bool:
        config, snapshot = self.config, self.oracle.snapshot
        asked = (
            int(config.get("parallel_jobs") or 1) > 1
            or self.share is not None
            or snapshot.mode == "scn"
        )
        if self.share is not None and self.share.column:
            return False
        return bool(asked) and self.found.has_rowids and not snapshot.is_read_only

    def _set_version(self) -> None:
        """A resumed sync keeps its version, or ACTIVATE_VERSION would lose rows."""
        super()._set_version()
        if self._stream_version is not None and self._share:
            # Each share has a version of its own: activating one drops the others.
            self.logger.warning("A share of '%s' activates no version", self.name)
            self._stream_version = None
        if self._stream_version is not None and self._resumable_scn() is not None:
            self._stream_version = self._progress.version or self._stream_version

    def _resumable_scn(self) -> int | None:
        progress, snapshot = self._progress, self.oracle.snapshot
        if snapshot.mode != "scn" or not self._is_chunked:
            return None
        if not progress.resumes(self._digits, self._share):
            return None
        return progress.scn

    def _full_table(self) -> Iterator[Record]:
        if self._is_chunked:
            yield from self._chunked()
        else:
            yield from self._whole()
        self._progress.end()

    def _whole(self) -> Iterator[Record]:
        snapshot = self.oracle.snapshot
        scn = snapshot.scn()
        shares, buckets = self.share_conditions()
        while True:
            reader = self.reader(read_only=snapshot.is_read_only)
            request = Request(
                sql.select(self.wanted, str(self.table), scn=scn, where=shares), buckets
            )
            try:
                for records in reader.patiently(request, f"stream {self.name!r}"):
                    yield from records
            except OracleError as error:
                self._without_flashback(error, scn)
                scn = None
            else:
                return

    def _chunked(self) -> Iterator[Record]:
        progress = self._progress
        scn = self._resumable_scn()
        resumed = scn is not None
        if scn is None:
            scn = self.oracle.snapshot.scn()
            self._begin(scn)
        windows = self._windows(scn)
        while True:
            left = progress.left(windows) if progress.scn is not None else windows
            if resumed:
                self.logger.info(
                    "Resuming '%s' as of SCN %s: %d of %d chunks are left",
                    self.name,
                    scn,
                    len(left),
                    len(windows),
                )
            try:
                yield from self._read_windows(left, windows, scn)
            except OracleError as error:
                if resumed and error.code in SNAPSHOT_LOST:
                    # Nobody waits for the old snapshot: begin again with a new one.
                    self.logger.warning("%s; starting over", error.what)
                    scn, resumed = self.oracle.snapshot.scn(), False
                    self._begin(scn)
                    windows = self._windows(scn)
                    continue
                self._without_flashback(error, scn)
                scn = None
                windows = left = self._left_after(windows)
                progress.end()
            else:
                return

    def _begin(self, scn: int | None) -> None:
        self._done.clear()
        if scn is not None:
            self._progress.begin(scn, self._stream_version, self._digits, self._share)
        else:
            self._progress.end()

    def _left_after(self, windows: list[Window]) -> list[Window]:
        return [w for w in windows if w.prefix not in self._done]

    def _read_windows(
        self, left: list[Window], windows: list[Window], scn: int | None
    ) -> Iterator[Record]:
        requests = [
            Request(
                sql.select(
                    self.wanted, str(self.table), scn=scn, where=[sql.rowid_range()]
                ),
                {"lo": window.first, "hi": window.last},
                window=window,
            )
            for window in left
        ]
        if not requests:
            return
        jobs = int(self.config.get("parallel_jobs") or 1)
        reader = self.reader(read_only=self.oracle.snapshot.is_read_only)
        workers = Workers(reader, requests, jobs, f"stream {self.name!r}")
        for request, records in workers.results():
            if records is not None:
                yield from records
            elif request.window is not None:
                self._done.add(request.window.prefix)
                self._progress.finish(request.window, windows)

    def _windows(self, scn: int | None) -> list[Window]:
        """This process's windows of the table, in order."""
        found = chunks.from_extents(self._extents(), self._digits)
        if not found:
            found = chunks.from_prefixes(self._prefixes(scn))
        share = self.share
        return [w for w in found if share is None or share.takes(w)]

    def _extents(self) -> list[tuple[str, str]]:
        """First and last ROWID of each extent; empty where the user may not look."""
        binds = {"owner": self.table.schema, "name": self.table.name}
        try:
            return self.oracle.ask(sql.EXTENTS, binds)
        except OracleError as error:
            if error.code not in NOT_GRANTED:
                raise
            self.logger.info(
                "No SELECT on DBA_EXTENTS: one pass over '%s' finds its chunks",
                self.table,
            )
            return []

    def _prefixes(self, scn: int | None) -> list[str]:
        statement = sql.windows(self.table, self._digits, scn)
        return [row[0] for row in self.oracle.ask(statement)]

    def _without_flashback(self, error: OracleError, scn: int | None) -> None:
        """Fall back as configured, or raise the error again."""
        if scn is None or error.code not in SNAPSHOT_LOST | {"ORA-01031"}:
            raise error
        self.oracle.snapshot.give_up(error)


class QueryStream(OracleStream):
    """A configured query."""

    def __init__(self, tap: TapOracle, query: Query, columns: Sequence[Column]) -> None:
        self.query = query
        self.columns = list(columns)
        schema = {
            "type": "object",
            "properties": {
                sql.property_name(c.name): c.kind.json_schema(
                    null_doubles=tap.null_doubles
                )
                for c in columns
            },
        }
        super().__init__(tap, schema=schema, name=query.name)
        names = schema["properties"]
        self.primary_keys = [sql.as_named(k, names) for k in query.key_properties]
        if query.replication_key:
            self.replication_key = sql.as_named(query.replication_key, names)

    def get_records(self, context: Context | None) -> Iterable[Record]:  # noqa: ARG002 - no partitions
        """The query's rows as records."""
        source = sql.as_source(self.query.sql)
        binds = dict(self.query.binds)
        if self.replication_key:
            return self.incremental(
                source, binds, scn=None, bound=self.query.binds_bookmark
            )
        return self._all(source, binds)

    def _all(self, source: str, binds: dict[str, Any]) -> Iterator[Record]:
        reader = self.reader(read_only=self.oracle.snapshot.mode != "none")
        shares, buckets = self.share_conditions()
        request = Request(
            sql.select(self.wanted, source, where=shares), {**binds, **buckets}
        )
        for records in reader.patiently(request, f"stream {self.name!r}"):
            yield from records

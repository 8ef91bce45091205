"""Streams of the tap: tables, views and queries."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from flext_singer import FlextStream
from singer_sdk.singerlib.catalog import (
    REPLICATION_INCREMENTAL,
)

from flext_oracle import bookmarks, chunks, sql
from flext_oracle.errors import OracleError
from flext_oracle.reading import Reader, Request
from flext_oracle.sql import Column
from flext_oracle.type_mapping import TIME_TYPES, ColumnType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.singerlib import Catalog

    from flext_oracle.chunks import Share
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

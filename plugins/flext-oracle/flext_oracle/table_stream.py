"""The stream of a table: in one read, or as of one SCN in chunks that can resume."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from singer_sdk.singerlib.catalog import REPLICATION_INCREMENTAL, Metadata

from flext_oracle import chunks, sql
from flext_oracle.errors import NOT_GRANTED, SNAPSHOT_LOST, OracleError
from flext_oracle.progress import Progress
from flext_oracle.reading import Request, Workers
from flext_oracle.streams import ROWSCN, OracleStream

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from singer_sdk.helpers.types import Context, Record

    from flext_oracle.chunks import Window
    from flext_oracle.discovery import FoundTable
    from flext_oracle.tap import TapOracle


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

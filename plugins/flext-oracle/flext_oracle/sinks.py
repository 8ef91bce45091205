"""The sink of one stream: from raw records to rows of its table."""

from __future__ import annotations

import datetime as dt
import functools
import time
from typing import TYPE_CHECKING, Any

import msgspec
from flext_singer import FlextSink

from flext_oracle import sql, tables
from flext_oracle.column_choice import INSTANT, MAX_VARCHAR, WHOLE
from flext_oracle.errors import OracleError
from flext_oracle.loading import Destination, Staging, insert_rows
from flext_oracle.row_writing import RowMaker, bind_type
from flext_oracle.sql import Column, Table
from flext_oracle.type_mapping import TEXT_TYPES, ColumnType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flext_singer import RawRecords

    from flext_oracle.target import TargetOracle

#: Stands for the record itself among its properties; no JSON source has this name.
WHOLE_RECORD = "\0record"
VERSION, DELETED_AT = "_sdc_table_version", "_sdc_deleted_at"
METADATA: dict[str, ColumnType] = {
    "_sdc_extracted_at": INSTANT,
    "_sdc_received_at": INSTANT,
    "_sdc_batched_at": INSTANT,
    DELETED_AT: INSTANT,
    "_sdc_sequence": WHOLE,
    VERSION: WHOLE,
    "_sdc_sync_started_at": WHOLE,
}
MOST_STAGED_ROWS = 100_000  # before they are merged, commit or not


class OracleSink(FlextSink):
    """Loads one stream into one table."""

    destination: Destination
    staging: Staging | None = None

    @property
    def oracle(self) -> TargetOracle:
        """The target, with its one session."""
        return self._target  # type: ignore[return-value]

    @functools.cached_property
    def method(self) -> str:
        """append-only, upsert or overwrite; no keys means append-only."""
        wanted = str(self.config.get("load_method") or "upsert")
        if wanted == "upsert" and not self.key_properties:
            self.logger.warning(
                "'%s' has no key: its records are appended", self.stream_name
            )
            return "append-only"
        return wanted

    @functools.cached_property
    def table(self) -> Table:
        """Where the stream goes."""
        config = self.config
        mapped = (config.get("table_name_mappings") or {}).get(self.stream_name)
        name = self.stream_name.rpartition("-")[2]
        before, behind = config.get("table_prefix"), config.get("table_suffix")
        name = f"{before or ''}{name}{behind or ''}"
        longest = self.oracle.max_identifier_bytes
        owner = config.get("default_target_schema") or self.oracle.connections.user
        return Table(
            _schema_name(str(owner)),
            sql.fitting(mapped, longest) if mapped else sql.column_name(name, longest),
        )

    @property
    def _keeps_whole(self) -> bool:
        """Whether a column takes each record as it came."""
        return self.config.get("storage_mode") in {"json", "hybrid"}

    def _column_name(self, name: str) -> str:
        if name == WHOLE_RECORD:
            name = str(self.config.get("json_column_name") or "DATA")
            return sql.fitting(name, self.oracle.max_identifier_bytes)
        mappings = self.config.get("column_mappings") or {}
        mapped = mappings.get(f"{self.stream_name}.{name}") or mappings.get(name)
        longest = self.oracle.max_identifier_bytes
        return (
            sql.fitting(mapped, longest) if mapped else sql.column_name(name, longest)
        )

    def _wanted(self) -> list[tuple[str, Mapping[str, Any], Column]]:
        """Property, schema and column of all that is to be written."""
        choice, keys = self.oracle.choice, set(self.key_properties)
        ignored = set(self.config.get("ignored_columns") or ())
        out: list[tuple[str, Mapping[str, Any], Column]] = []
        taken: dict[str, str] = {}
        mode = self.config.get("storage_mode")
        properties = {
            name: schema
            for name, schema in self.schema.get("properties", {}).items()
            if name not in ignored
            and name not in METADATA
            and (mode != "json" or name in keys)
        }
        if self._keeps_whole:
            properties[WHOLE_RECORD] = {"type": "object"}
        for name, schema in properties.items():
            kind = choice.column_type(
                self.stream_name, name, schema, is_key=name in keys
            )
            column = self._column_name(name)
            if column in taken:
                raise OracleError(
                    f"{taken[column]!r} and {name!r} would share column {column}",
                    f"stream {self.stream_name!r}",
                    "give one of them another name with column_mappings",
                )
            taken[column] = name
            out.append((name, schema, Column(column, kind, name not in keys)))
        return out

    def _metadata(self) -> dict[str, ColumnType]:
        """Metadata columns: all, none, or what deletions cannot do without."""
        if self.config.get("add_record_metadata"):
            return METADATA
        return {name: METADATA[name] for name in self._forced_metadata}

    _forced_metadata: Sequence[str] = ()

    # Set-up: the only place with DDL

    def setup(self) -> None:
        """Create or grow the table, and the staging table where one is needed."""
        self.oracle.claim(self.table, self.stream_name)
        self._prepare()

    def _prepare(self) -> None:
        connection = self.oracle.session
        wanted = self._wanted()
        wanted += [
            (name, {}, Column(self._column_name(name), kind))
            for name, kind in self._metadata().items()
        ]
        names = {name: column.name for name, _, column in wanted}
        keys = [names[key] for key in self.key_properties if key in names]
        # An append-only table may hold a key many times.
        primary = keys if self.method != "append-only" else []
        columns = tables.prepare(
            connection,
            self.table,
            [column for _, _, column in wanted],
            primary,
            evolve=self.config.get("schema_evolution") != "fail",
        )
        self._names = [name for name, _, _ in wanted]
        parts = [
            (name, schema, column.kind)
            for (name, schema, _), column in zip(wanted, columns, strict=True)
        ]
        self._maker = RowMaker(parts)
        self.destination = Destination(self.table, columns, primary)
        self._texts = [
            position
            for position, column in enumerate(columns)
            if column.kind.name in TEXT_TYPES
        ]
        self._insert = sql.insert(self.table, columns)
        self._types = [bind_type(column.kind) for column in columns]
        if self.method == "append-only":
            return
        place = tables.prepare_staging(connection, self.table, columns)
        before, self.staging = (
            self.staging,
            Staging(connection, place, self.destination),
        )
        if self.method == "overwrite":
            self.oracle.hand_over(self.table, self.staging, before)

    def _add_metadata(self, names: Sequence[str]) -> None:
        """Add columns that a later message needs; commits what waits first."""
        self.oracle.commit()
        self._forced_metadata = (*self._forced_metadata, *names)
        self._prepare()

    # Loading

    def load(self, records: RawRecords) -> None:
        """Convert the records and hand them to the database."""
        if self._lacks_versions and any(v is not None for v in records.versions):
            self._add_metadata([VERSION, DELETED_AT])
        rows, raws = self._rows(records)
        self._make_room(rows)
        if self.staging is None:
            insert_rows(
                self.oracle.session,
                self._insert,
                self._types,
                rows,
                lambda index, code, text: self._refuse(raws[index], code, text),
            )
            return
        first = self.staging.next_ordinal
        if self.method == "upsert":
            self._staged.update(enumerate(raws, first))
        self.staging.add(
            rows, lambda index, code, text: self._refuse(raws[index], code, text)
        )
        if self.method == "upsert" and self.staging.rows >= MOST_STAGED_ROWS:
            self.flush()

    @property
    def _lacks_versions(self) -> bool:
        return self.method != "overwrite" and VERSION not in self._names

    @functools.cached_property
    def _staged(self) -> dict[int, bytes]:
        """Raw records by ordinal, until they are merged."""
        return {}

    def _rows(self, records: RawRecords) -> tuple[list[list[Any]], list[bytes]]:
        rows, raws = [], []
        now = dt.datetime.now(dt.UTC).isoformat()
        stamps = {
            "_sdc_received_at": now,
            "_sdc_batched_at": now,
            "_sdc_sequence": int(time.time() * 1000),
            "_sdc_sync_started_at": self.oracle.started_ms,
        }
        stamped = [name for name in stamps if name in self._names]
        versioned = VERSION in self._names
        extracted = "_sdc_extracted_at" in self._names
        whole = self._keeps_whole
        plain = not (stamped or versioned or extracted or whole)
        make = self._maker.row
        for raw, record, extracted_at, version in zip(
            records.raw,
            records.dicts(),
            records.extracted_at,
            records.versions,
            strict=True,
        ):
            if not plain:
                if whole:  # before anything is added to it
                    record[WHOLE_RECORD] = self._whole(raw, record)
                for name in stamped:
                    record[name] = stamps[name]
                if versioned:
                    record[VERSION] = version
                if extracted:
                    record["_sdc_extracted_at"] = extracted_at or now
            try:
                rows.append(make(record))
            except ValueError as error:
                self._refuse(raw, "", str(error))
            else:
                raws.append(raw)
        return rows, raws

    def _whole(self, raw: bytes, record: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
        """The record as it came, less what is not to be loaded."""
        ignored = self.config.get("ignored_columns")
        if not ignored:
            return msgspec.Raw(raw)
        return {name: value for name, value in record.items() if name not in ignored}

    def _make_room(self, rows: Sequence[Sequence[Any]]) -> None:
        """Grow text columns that a value of these rows does not fit.

        Raises:
            OracleError: `schema_evolution` is fail; nothing was written.
        """
        columns = self.destination.columns
        grown = {}
        for position in self._texts:
            kind = columns[position].kind
            longest = max(
                (_size(row[position], kind) for row in rows if row[position]), default=0
            )
            if longest > kind.length:
                room = ColumnType("VARCHAR2", min(2 * longest, MAX_VARCHAR))
                big = longest > MAX_VARCHAR or _bytes(rows, position) > MAX_VARCHAR
                grown[columns[position].name] = ColumnType("CLOB") if big else room
        if not grown or self.config.get("schema_evolution") == "fail":
            return  # without evolution the database refuses the rows, one by one
        self.oracle.commit()
        for column in columns:
            wider = grown.get(column.name)
            if wider is None or (
                wider.name == "CLOB" and column.name in self.destination.keys
            ):
                continue
            tables.grow(
                self.oracle.session,
                self.table,
                column,
                Column(column.name, wider),
            )
        self._prepare()

    def _refuse(self, raw: bytes | None, code: str, text: str) -> None:
        reason = text if not code or code in text else f"{code}: {text}"
        self.reject(self._place(raw), reason, raw)

    def _place(self, raw: bytes | None) -> str:
        """The record's key, for the rejects file."""
        if raw is None or not self.key_properties:
            return f"table {self.table}"
        from flext_singer.messages import decode_plain  # noqa: PLC0415 - rejects only

        record = decode_plain(raw)
        return ", ".join(f"{key}={record.get(key)}" for key in self.key_properties)

    def flush(self) -> None:
        """Merge what waits in staging; part of the transaction."""
        if self.method != "upsert" or self.staging is None or not self.staging.rows:
            return
        staged = self._staged
        self.staging.merge(
            lambda ordinal, code, text: self._refuse(staged.get(ordinal), code, text)
        )
        staged.clear()
        if self.config.get("hard_delete") and DELETED_AT in self._names:
            column = sql.quoted(self._column_name(DELETED_AT))
            self._run(sql.delete_where(self.table, f"{column} IS NOT NULL"))

    def replace(self) -> None:
        """Put the rows of an overwrite in place of the old ones."""
        if self.method == "overwrite" and self.staging is not None:
            self.staging.replace(
                lambda ordinal, code, text: self._refuse(
                    None, code, f"{text} (record {ordinal})"
                )
            )

    def activate(self, version: int) -> None:
        """Drop or mark what has an older version; swap an overwrite."""
        if self.method == "overwrite":
            self.oracle.finish(self)
            return
        if self._lacks_versions:
            # No record came: whatever has an older version is gone all the same.
            self._add_metadata([VERSION, DELETED_AT])
        old = sql.quoted(self._column_name(VERSION))
        condition = f"({old} IS NULL OR {old} < :version)"
        if self.config.get("hard_delete"):
            self._run(sql.delete_where(self.table, condition), version=version)
            return
        marked = sql.mark_deleted(self.table, self._column_name(DELETED_AT), condition)
        self._run(marked, version=version)

    def _run(self, statement: str, **binds: Any) -> None:  # noqa: ANN401 - bind values
        with self.oracle.session.cursor() as cursor:
            cursor.execute(statement, binds)
            self.logger.info("%d rows: %s", cursor.rowcount, statement[:60])


def _schema_name(name: str) -> str:
    if len(name) > 1 and name[0] == name[-1] == '"':
        return name[1:-1]
    return name.upper()


def _size(value: str, kind: ColumnType) -> int:
    if kind.in_bytes and not value.isascii():
        return len(value.encode())
    return len(value)


def _bytes(rows: Sequence[Sequence[Any]], position: int) -> int:
    return max((len(r[position].encode()) for r in rows if r[position]), default=0)

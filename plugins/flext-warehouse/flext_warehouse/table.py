"""What loading a stream into a table is, for either warehouse.

`Table` turns raw records or Arrow batches into columns, adds the `_sdc_` columns,
sees that each value fits and asks for wider columns where one does not.
`duckdb.py` and `postgres.py` say how types are spelled, how rows get in, and how
they are merged. A table is filled by one process; rows become visible when its
warehouse commits.
"""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from flext_singer.arrow_types import json_lines
from flext_singer.earlier_state import refuse_if_lost
from flext_singer.errors import FlextError

from flext_warehouse.columns import (
    INTEGER,
    TIMESTAMP,
    Column,
    ColumnType,
    JsonSchema,
    column_type,
)
from flext_warehouse.decode import CHUNK_RECORDS, INSTANT, RecordDecoder
from flext_warehouse.evolution import Evolution, Widening, plan_evolution
from flext_warehouse.files import adopt
from flext_warehouse.identifiers import NameRules, column_names
from flext_warehouse.loading import Counts, LoadMethod, LoadOptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

VERSION, DELETED_AT = "_sdc_table_version", "_sdc_deleted_at"
_METADATA: dict[str, ColumnType] = {
    "_sdc_extracted_at": TIMESTAMP,
    "_sdc_received_at": TIMESTAMP,
    "_sdc_batched_at": TIMESTAMP,
    DELETED_AT: TIMESTAMP,
    "_sdc_sequence": INTEGER,
    VERSION: INTEGER,
    "_sdc_sync_started_at": INTEGER,
}


class Table(ABC):
    """The table of one stream.

    Args:
        stream: the stream's name; the table's name comes from it.
        schema: JSON Schema of the records.
        keys: key properties; they must have values.
        options: see `LoadOptions`.
        rules: the database's rules for names.
    """

    refuse_nul = False
    native_lists = True

    def __init__(
        self,
        stream: str,
        schema: JsonSchema,
        keys: Sequence[str],
        options: LoadOptions,
        rules: NameRules,
    ) -> None:
        self.stream = stream
        self.options = options
        self.counts = Counts()
        self._rules = rules
        self._versioned = options.add_metadata
        self.accept(schema, keys)

    def accept(self, schema: JsonSchema, keys: Sequence[str]) -> None:
        """Take a SCHEMA message: the first, or a changed one. Touches nothing."""
        properties = dict(schema.get("properties") or {})
        missing = [key for key in keys if key not in properties]
        if missing:
            raise FlextError(
                f'key property "{missing[0]}" is not among the properties',
                where=f'SCHEMA of stream "{self.stream}"',
                fix="correct key_properties in the tap's catalog",
            )
        self._properties: dict[str, JsonSchema] = properties
        self.key_sources = list(keys)
        self._keyed = frozenset(keys)
        self.method = self.options.method
        if self.method is LoadMethod.UPSERT and not keys:
            self.method = LoadMethod.APPEND

    def prepare(self) -> None:
        """Create the table, or make it fit the schema."""
        existing = self._existing()
        wanted = self._wanted(existing or {})
        if existing is None:
            refuse_if_lost(
                self.stream, f"the table of {self.options.schema}.{self.stream}"
            )
            self.columns = [replace(c, type=self._canonical(c.type)) for c in wanted]
            self._create()
        else:
            plan = plan_evolution(existing, wanted, self._rules.fold)
            self._refuse_unless_evolving(plan.describe())
            self.columns = plan.columns
            self._evolve(plan)
        self._ready()
        self._make_decoder()

    def load(
        self,
        raw: Sequence[bytes],
        extracted_at: Sequence[str | None] = (),
        versions: Sequence[int | None] = (),
    ) -> list[tuple[int, str]]:
        """Load records.

        Args:
            raw: one JSON object each.
            extracted_at: `time_extracted` of each record, or nothing.
            versions: `version` of each record, or nothing.

        Returns:
            Position and reason of each record that was not loaded.
        """
        self._expect_versions(versions)
        rejected: list[tuple[int, str]] = []
        parts: list[list[pa.Array]] = []
        rows = 0
        for start in range(0, len(raw), CHUNK_RECORDS):
            decoded = self._decoder.decode(raw[start : start + CHUNK_RECORDS])
            rejected += [(start + i, reason) for i, reason in decoded.rejected]
            count = decoded.batch.num_rows
            if not count:
                continue
            picked = decoded.kept if decoded.kept is not None else range(count)
            positions = [start + i for i in picked]
            parts.append(
                decoded.batch.columns
                + self._metadata(count, positions, extracted_at, versions)
            )
            rows += count
        if rows:
            self._load_columns(list(map(list, zip(*parts, strict=True))))
        self.counts.loaded += rows
        return rejected

    def load_batch(
        self,
        batch: pa.RecordBatch,
        version: int | None = None,
        extracted_at: str | None = None,
    ) -> tuple[int, list[tuple[bytes, str]]]:
        """Load an Arrow batch whose columns bear the properties' names.

        Args:
            batch: the rows.
            version: of the full table they belong to.
            extracted_at: when the tap read them, ISO 8601.

        Returns:
            Rows of the batch, and each rejected one as JSON with the reason.
        """
        rows = batch.num_rows
        if not rows:
            return 0, []
        versions = [version] * rows if version is not None else []
        moments = [extracted_at] * rows if extracted_at else []
        self._expect_versions(versions)
        try:
            arrays = adopt(batch, self._data_columns)
        except (pa.ArrowException, ValueError):
            arrays = []
        keys = [i for i, c in enumerate(self._data_columns) if c.source in self._keyed]
        is_whole = bool(arrays) and not any(arrays[i].null_count for i in keys)
        if not is_whole or (self.refuse_nul and _holds_nul(arrays)):
            # As records, one by one, to find which ones cannot be loaded.
            lines = list(json_lines(batch))
            rejected = self.load(lines, moments, versions)
            return rows, [(lines[i], reason) for i, reason in rejected]
        arrays += self._metadata(rows, range(rows), moments, versions)
        self._load_columns([[array] for array in arrays])
        self.counts.loaded += rows
        return rows, []

    def _expect_versions(self, versions: Sequence[int | None]) -> None:
        if not self._versioned and any(v is not None for v in versions):
            self._settle()
            self._versioned = True
            self.prepare()

    def _wanted(self, existing: Iterable[str]) -> list[Column]:
        metadata = dict(_METADATA) if self.options.add_metadata else {}
        if self._versioned:
            metadata[VERSION] = INTEGER
            metadata[DELETED_AT] = TIMESTAMP
        if DELETED_AT in self._properties:
            metadata.pop(DELETED_AT, None)
        sources = [name for name in self._properties if name not in metadata]
        names = column_names([*sources, *metadata], self._rules, existing)
        lists = self.native_lists and self.options.native_lists
        data = [
            Column(
                source,
                names[source],
                TIMESTAMP
                if source == DELETED_AT
                else column_type(self._properties[source], native_lists=lists),
            )
            for source in sources
        ]
        added = [Column(name, names[name], kind) for name, kind in metadata.items()]
        self._data_count = len(data)
        return data + added

    @property
    def _data_columns(self) -> list[Column]:
        return self.columns[: self._data_count]

    @property
    def keys(self) -> list[str]:
        """Column names of the keys."""
        names = {column.source: column.name for column in self._data_columns}
        return [names[source] for source in self.key_sources]

    def _make_decoder(self) -> None:
        self._decoder = RecordDecoder(
            self._data_columns,
            required=self.key_sources,
            refuse_nul=self.refuse_nul,
            replace_invalid=self.options.replace_invalid,
        )

    def _metadata(
        self,
        count: int,
        positions: Sequence[int],
        extracted_at: Sequence[str | None],
        versions: Sequence[int | None],
    ) -> list[pa.Array]:
        """Give the `_sdc_` columns of some rows, in the columns' order."""
        now = dt.datetime.now(dt.UTC)
        constants: dict[str, Any] = {
            "_sdc_extracted_at": now,
            "_sdc_received_at": now,
            "_sdc_batched_at": now,
            "_sdc_sequence": int(now.timestamp() * 1000),
            "_sdc_sync_started_at": self.options.sync_started_ms,
        }
        arrays = []
        for column in self.columns[self._data_count :]:
            arrow = INSTANT if column.type == TIMESTAMP else pa.int64()
            if column.source == VERSION and versions:
                arrays.append(pa.array([versions[i] for i in positions], type=arrow))
            elif column.source == "_sdc_extracted_at" and extracted_at:
                arrays.append(_instants([extracted_at[i] for i in positions], now))
            else:
                scalar = pa.scalar(constants.get(column.source), type=arrow)
                arrays.append(pa.repeat(scalar, count))
        return arrays

    def _load_columns(self, parts: list[list[pa.Array]]) -> None:
        """Make every value fit, widening columns if need be, then write."""
        fitted = []
        for index, arrays in enumerate(parts):
            fitted.append(self._fit_column(index, arrays))
        names = [column.name for column in self.columns]
        self._write(pa.table([pa.chunked_array(a) for a in fitted], names=names))

    def _fit_column(self, index: int, arrays: list[pa.Array]) -> list[pa.Array]:
        # A column widens twice at most: to a decimal, then to text.
        for _ in range(3):
            column = self.columns[index]
            fitted = [self._fit(column.type, array) for array in arrays]
            if all(array is not None for array in fitted):
                return fitted
            wide = self._wider(column, arrays)
            widening = Widening(column.name, column.type, wide)
            self._refuse_unless_evolving([str(widening)])
            self._widen(widening)
            self.columns[index] = replace(column, type=wide)
            self._make_decoder()
        raise FlextError(
            f'column "{column.name}" holds values that no type can take',
            where=f'stream "{self.stream}"',
            fix="reject the records with max_errors, or mend the source",
        )

    def _refuse_unless_evolving(self, changes: list[str]) -> None:
        if changes and not self.options.evolve:
            raise FlextError(
                f"the table does not fit the records: {'; '.join(changes)}",
                where=f'stream "{self.stream}", table "{self.options.schema}"',
                fix="change the table, or set schema_evolution to evolve",
            )

    def _canonical(self, column: ColumnType) -> ColumnType:
        """Give the type under which this database creates a column."""
        return column

    @abstractmethod
    def _settle(self) -> None:
        """Commit what was handed over, so that the table may change."""

    @abstractmethod
    def _existing(self) -> dict[str, ColumnType] | None:
        """Read the table's column types; None if there is no such table."""

    @abstractmethod
    def _create(self) -> None:
        """Create the table with `self.columns`."""

    @abstractmethod
    def _evolve(self, plan: Evolution) -> None:
        """Add and widen columns."""

    @abstractmethod
    def _ready(self) -> None:
        """Create what rows go into: a stage, a side table or nothing."""

    @abstractmethod
    def _fit(self, column: ColumnType, array: pa.Array) -> pa.Array | None:
        """Give the array in the column's own type, or None if it does not fit."""

    @abstractmethod
    def _wider(self, column: Column, arrays: list[pa.Array]) -> ColumnType:
        """Choose the type that takes what is there and what is coming."""

    @abstractmethod
    def _widen(self, widening: Widening) -> None:
        """Widen one column, wherever rows of this table are."""

    @abstractmethod
    def _write(self, rows: pa.Table) -> None:
        """Hand rows to the database."""


def missing_type(name: str, sql_type: str, table: str) -> FlextError:
    """Make the error for a column that we cannot write."""
    return FlextError(
        f'column "{name}" has type {sql_type}, which this target does not write',
        where=f"table {table}",
        fix="change the column to a text, number, date, time or JSON type",
    )


def _instants(texts: list[str | None], now: dt.datetime) -> pa.Array:
    try:
        array = pa.array(texts, type=pa.string()).cast(INSTANT)
    except pa.ArrowInvalid:
        array = pa.array([_instant(text) for text in texts], type=INSTANT)
    return array.fill_null(pa.scalar(now, type=INSTANT)) if array.null_count else array


def _instant(text: str | None) -> dt.datetime | None:
    if not text:
        return None
    moment = dt.datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _holds_nul(arrays: list[pa.Array]) -> bool:
    texts = (array for array in arrays if pa.types.is_string(array.type))
    return any(
        pc.any(pc.match_substring_regex(array, r"\x00|\\u0000")).as_py()
        for array in texts
    )

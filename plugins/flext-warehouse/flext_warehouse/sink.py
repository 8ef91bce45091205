"""The sink of one stream: records to its table, rejects to their place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from flext_singer.sink import FlextSink

from flext_warehouse.files import is_arrow_file, read_batches
from flext_warehouse.loading import LoadMethod

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from flext_singer.records import RawRecords
    from singer_sdk import Target

    from flext_warehouse.duckdb_table import DuckDBTable
    from flext_warehouse.postgres_table import PostgresTable
    from flext_warehouse.target import TargetWarehouse

_SHOWN = 200


class WarehouseSink(FlextSink):
    """Loads one stream into one table."""

    _table: DuckDBTable | PostgresTable

    def __init__(
        self,
        target: Target,
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        super().__init__(target, stream_name, schema, key_properties)
        # The decoder sees what is missing anyway: no second look per record.
        self._has_keys = None

    @property
    def _warehouse_target(self) -> TargetWarehouse:
        return self._target  # type: ignore[return-value]

    def setup(self) -> None:
        """Create the table or make it fit."""
        warehouse = self._warehouse_target.warehouse
        self._table = warehouse.table(
            self.stream_name, self.original_schema, list(self.key_properties)
        )
        if (
            warehouse.options.method is LoadMethod.UPSERT
            and self._table.method is LoadMethod.APPEND
        ):
            self.logger.info(
                "Stream '%s' has no keys: its rows are appended", self.stream_name
            )

    def load(self, records: RawRecords) -> None:
        """Hand records to the table; what it cannot hold is rejected."""
        rejected = self._table.load(records.raw, records.extracted_at, records.versions)
        for index, reason in rejected:
            self.reject_raw(records.raw[index], reason)

    def load_file(self, path: Path, encoding: str) -> int:
        """Load a Parquet or Arrow file."""
        if not is_arrow_file(encoding):
            return super().load_file(path, encoding)
        total = 0
        for batch in read_batches(str(path), encoding):
            rows, rejected = self._table.load_batch(
                batch, self.batch_version, self.batch_extracted_at
            )
            total += rows
            for raw, reason in rejected:
                self.reject_raw(raw, reason)
        return total

    def activate(self, version: int) -> None:
        """Delete or mark rows of older versions."""
        self._warehouse_target.warehouse.activate(self._table, version)  # type: ignore[arg-type]

    def reject_raw(self, raw: bytes, reason: str) -> None:
        """Set a record aside under its key.

        Raises:
            MissingKeyPropertiesError: it has no key, and no rejects are allowed.
        """
        if not self.config.get("max_errors") and lacks_key(raw, self.key_properties):
            self._missing_key(raw)
        self.reject(self._key_of(raw), reason, raw)

    def _key_of(self, raw: bytes) -> str:
        """Name a record by its keys, or by its beginning."""
        try:
            given = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
            keys = [f"{k}={bytes(given[k]).decode()}" for k in self.key_properties]
        except (ValueError, KeyError):
            keys = []
        return ", ".join(keys) or raw[:_SHOWN].decode("utf-8", "replace")


def lacks_key(raw: bytes, keys: Sequence[str]) -> bool:
    """Tell whether a record has none of some key at all, not even null."""
    try:
        given = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except ValueError:
        return False
    return any(key not in given for key in keys)

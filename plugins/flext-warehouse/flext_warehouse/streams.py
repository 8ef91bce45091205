"""The stream of one relation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flext_singer.stream import FlextStream

from flext_warehouse.reading import arrow_batch, records

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pyarrow as pa
    from singer_sdk.helpers.types import Context

    from flext_warehouse.reading import Field, Relation
    from flext_warehouse.tap import TapWarehouse


class WarehouseStream(FlextStream):
    """Reads one table, view or query.

    Args:
        tap: the tap.
        relation: what is read.
    """

    def __init__(self, tap: TapWarehouse, relation: Relation) -> None:
        self._relation = relation
        self._warehouse_tap = tap
        properties = {f.name: f.schema for f in relation.fields}
        super().__init__(
            tap,
            {"type": "object", "properties": properties},
            relation.wish.stream,
        )
        self.primary_keys = relation.key_properties
        if relation.wish.replication_key is not None:
            self.replication_key = relation.wish.replication_key

    @property
    def is_sorted(self) -> bool:
        """Incremental streams are read in the order of their replication key."""
        return self.replication_method == "INCREMENTAL"

    def get_records(self, context: Context | None) -> Iterable[dict[str, Any]]:
        """Yield the rows as records."""
        fields = self._wanted_fields()
        as_raw = context is None and self._is_plain
        for batch in self._batches(context, fields):
            yield from records(batch, fields, as_raw=as_raw)

    def get_arrow_batches(self, context: Context | None) -> Iterator[pa.RecordBatch]:
        """Yield the rows as Arrow batches."""
        fields = self._wanted_fields()
        for batch in self._batches(context, fields):
            yield arrow_batch(batch, fields)

    def _wanted_fields(self) -> list[Field]:
        known = self.schema.get("properties", {})
        return [
            f
            for f in self._relation.fields
            if f.name in known
            and (self.mask["properties", f.name] or f.name == self.replication_key)
        ]

    def _batches(
        self, context: Context | None, fields: list[Field]
    ) -> Iterator[pa.RecordBatch]:
        key = self.replication_key if self.is_sorted else None
        bookmark = self.get_starting_replication_key_value(context) if key else None
        query = self._relation.select([f.name for f in fields], key, bookmark)
        return self._warehouse_tap.reader.read(query, fields)

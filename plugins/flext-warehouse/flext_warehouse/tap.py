"""`flext-tap-warehouse`: reads tables, dbt models and queries back out.

Its streams feed the targets of the systems: names and fields can be mapped, JSON
columns come out as nested objects, and all streams of a run see the warehouse at
one moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flext_singer.command_line import entry_point
from flext_singer.tap import FlextTap
from singer_sdk import typing as th

from flext_warehouse.location import duckdb_path, is_postgres
from flext_warehouse.selection import read_wishes
from flext_warehouse.settings import (
    PLACE,
    check_place,
    lock_seconds,
    schema_name,
    server,
)
from flext_warehouse.streams import WarehouseStream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_sdk import Stream

    from flext_warehouse.reading import Reader


class TapWarehouse(FlextTap):
    """Singer tap for DuckDB and Postgres."""

    name = "flext-tap-warehouse"
    package_name = "flext-warehouse"

    config_jsonschema = th.PropertiesList(
        *PLACE,
        th.Property(
            "tables",
            th.ArrayType(
                th.CustomType(
                    {
                        "anyOf": [
                            {"type": "string"},
                            {"type": "object", "additionalProperties": True},
                        ]
                    }
                )
            ),
            title="Tables",
            description=(
                "Tables and views to read: names, patterns such as ldap__*, or "
                "mappings of table or query, schema, stream, fields (column to "
                "field), key_properties and replication_key. Unset: all of the schema."
            ),
        ),
        th.Property(
            "query",
            th.StringType,
            title="Query",
            description="SQL to read, as one stream.",
        ),
        th.Property(
            "stream",
            th.StringType,
            title="Stream",
            description="Name of the stream that query gives.",
        ),
    ).to_dict()

    _reader: Reader | None = None

    def check_settings(self) -> list[str]:
        """Check URL and tables before anything is opened."""
        check_place(self._config)
        read_wishes(self._config, schema_name(self._config))
        return []

    @property
    def reader(self) -> Reader:
        """The open warehouse."""
        if self._reader is None:
            url = str(self.config["url"])
            # Each driver takes its time to load, and a run needs one of them.
            if is_postgres(url):
                from flext_warehouse.postgres_reader import (  # noqa: PLC0415
                    PostgresReader,
                )

                self._reader = PostgresReader(server(self.config))
            else:
                from flext_warehouse.duckdb_reader import (  # noqa: PLC0415
                    DuckDBReader,
                )

                self._reader = DuckDBReader(
                    duckdb_path(url), lock_seconds=lock_seconds(self.config)
                )
        return self._reader

    def discover_streams(self) -> Sequence[Stream]:
        """Give a stream for each table, view or query that is wanted."""
        wanted = self.wanted_streams()
        if self.input_catalog is not None:
            named = {entry.tap_stream_id for entry in self.input_catalog.streams}
        else:
            named = None
        streams: dict[str, Stream] = {}
        for wish in read_wishes(self.config, schema_name(self.config)):
            if not wish.is_pattern and not wanted.matches(wish.stream):
                continue
            for relation in self.reader.find(wish):
                name = relation.wish.stream
                if named is not None and name not in named:
                    continue
                if wanted.matches(name) and name not in streams:
                    streams[name] = WarehouseStream(self, relation)
        return list(streams.values())


main = entry_point(TapWarehouse)

if __name__ == "__main__":
    main()

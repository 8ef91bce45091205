"""`flext-target-warehouse`: loads Singer streams into DuckDB or Postgres.

Each stream becomes a table of the stream's name in one schema. The sinks hand
records to the warehouse; the target commits them, and only then does
flext-singer let a STATE out.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from flext_singer.command_line import entry_point
from flext_singer.messages import Line, RecordLine, decode
from flext_singer.target import MAX_UNCOMMITTED_SECONDS, FlextTarget
from singer_sdk import typing as th

from flext_warehouse.conform import find_unstorable, replace_unstorable
from flext_warehouse.loading import LoadMethod, LoadOptions
from flext_warehouse.location import (
    DEFAULT_MEMORY,
    duckdb_path,
    is_postgres,
    shown,
)
from flext_warehouse.settings import (
    PLACE,
    check_place,
    lock_seconds,
    schema_name,
    server,
)
from flext_warehouse.sink import WarehouseSink

if TYPE_CHECKING:
    from flext_singer.errors import BrokenLineError

    from flext_warehouse.duckdb import DuckDBWarehouse
    from flext_warehouse.postgres import PostgresWarehouse

    Warehouse = DuckDBWarehouse | PostgresWarehouse

_COMMIT_SPACING = 9


class TargetWarehouse(FlextTarget):
    """Singer target for DuckDB and Postgres."""

    name = "flext-target-warehouse"
    package_name = "flext-warehouse"
    default_sink_class = WarehouseSink

    config_jsonschema = th.PropertiesList(
        *PLACE,
        th.Property(
            "default_target_schema",
            th.StringType,
            title="Default Target Schema",
            description="The SDK's name for schema.",
        ),
        th.Property(
            "load_method",
            th.StringType,
            default="upsert",
            allowed_values=[method.value for method in LoadMethod],
            title="Load Method",
            description=(
                "append-only adds rows; upsert replaces rows of the same key, and "
                "appends streams without keys; overwrite replaces tables when the "
                "run has ended well."
            ),
        ),
        th.Property(
            "add_record_metadata",
            th.BooleanType,
            default=False,
            title="Add Record Metadata",
            description="Add the _sdc_ columns.",
        ),
        th.Property(
            "hard_delete",
            th.BooleanType,
            default=False,
            title="Hard Delete",
            description=(
                "Delete rows that the source no longer has, instead of setting "
                "_sdc_deleted_at."
            ),
        ),
        th.Property(
            "schema_evolution",
            th.StringType,
            default="evolve",
            allowed_values=["evolve", "fail"],
            title="Schema Evolution",
            description=(
                "evolve adds and widens columns of existing tables; fail ends the "
                "run and says what is missing."
            ),
        ),
        th.Property(
            "array_columns",
            th.StringType,
            allowed_values=["native", "json"],
            title="Array Columns",
            description=(
                "Arrays of text, integers or booleans as native lists or as JSON. "
                "Unset: native in DuckDB, json in Postgres."
            ),
        ),
        th.Property(
            "invalid_characters",
            th.StringType,
            default="reject",
            allowed_values=["reject", "replace"],
            title="Invalid Characters",
            description=(
                "Records with half surrogates, bytes outside UTF-8 or, in Postgres, "
                "NUL: reject them, or replace the characters by U+FFFD."
            ),
        ),
        th.Property(
            "duckdb_memory_limit",
            th.StringType,
            default=DEFAULT_MEMORY,
            title="DuckDB Memory Limit",
            description="DuckDB's memory_limit, such as 160MB or 2GB.",
        ),
    ).to_dict()

    _warehouse: Warehouse | None = None
    _is_ending = False
    _commit_seconds = 0.0

    def check_settings(self) -> list[str]:
        """Say what is wrong with the URL before anything is read."""
        check_place(self._config)
        return []

    @property
    def warehouse(self) -> Warehouse:
        """The open warehouse; opened when the first stream needs it."""
        if self._warehouse is None:
            self._warehouse = self._open()
        return self._warehouse

    def _open(self) -> Warehouse:
        config = self.config
        url = str(config["url"])
        postgres = is_postgres(url)
        lists = config.get("array_columns") or ("json" if postgres else "native")
        options = LoadOptions(
            schema=schema_name(config),
            method=LoadMethod(config.get("load_method") or "upsert"),
            add_metadata=bool(config.get("add_record_metadata")),
            hard_delete=bool(config.get("hard_delete")),
            evolve=config.get("schema_evolution") != "fail",
            native_lists=lists == "native",
            replace_invalid=config.get("invalid_characters") == "replace",
        )
        wait = lock_seconds(config)
        self.logger.info("Loading into %s, schema %s", shown(url), options.schema)
        # Each driver takes its time to load, and a run needs one of them.
        if postgres:
            from flext_warehouse.postgres import PostgresWarehouse  # noqa: PLC0415

            return PostgresWarehouse(server(config), options, lock_seconds=wait)
        from flext_warehouse.duckdb import DuckDBWarehouse  # noqa: PLC0415

        return DuckDBWarehouse(
            duckdb_path(url),
            options,
            lock_seconds=wait,
            memory_limit=config.get("duckdb_memory_limit") or DEFAULT_MEMORY,
        )

    def mend(self, line: bytes, error: BrokenLineError) -> Line | None:
        """Reject or repair a record with characters that are none.

        Half surrogates and foreign bytes make the whole line no JSON; with them
        replaced, the stream and the key of the record can be named.
        """
        reason = find_unstorable(line, refuse_nul=False)
        if reason is None:
            raise error
        message = decode(replace_unstorable(line, refuse_nul=False), self._line_number)
        if self.config.get("invalid_characters") == "replace":
            return message
        if not isinstance(message, RecordLine):
            raise error
        sink = self._sinks_active.get(message.stream)
        if not isinstance(sink, WarehouseSink):
            raise error
        sink.reject_raw(bytes(message.record), f"the record holds {reason}")
        return None

    def commit(self) -> None:
        """Make all loaded rows durable; at the end let overwritten tables swap."""
        began = monotonic()
        if self._is_ending:
            self.warehouse.finish()
        elif self._warehouse is not None:
            self._warehouse.commit()
        self._commit_seconds = monotonic() - began

    def close(self, *, failed: bool) -> None:
        """Close the warehouse."""
        if self._warehouse is None:
            return
        if not failed:
            for line in self._warehouse.report():
                self.logger.info("%s", line)
        self._warehouse.close()

    def process_endofpipe(self) -> None:
        """Commit for the last time; overwritten tables appear with it."""
        self._is_ending = True
        # Overwrite swaps tables even when no row came: the source is empty.
        self._is_dirty = self._is_dirty or self._warehouse is not None
        super().process_endofpipe()

    def _is_due(self) -> bool:
        """Space commits out so that they take a tenth of the time, 30 s at most.

        An upsert into a large table costs the same for 10,000 rows as for 100,000.
        """
        if not super()._is_due():
            return False
        waited = monotonic() - self._committed_at
        return waited >= min(
            MAX_UNCOMMITTED_SECONDS, _COMMIT_SPACING * self._commit_seconds
        )

    def _write_state(self) -> None:
        # Until overwritten tables have changed places nothing can be seen of the
        # run: a STATE before that would let the next run skip what is lost.
        overwriting = self.config.get("load_method") == LoadMethod.OVERWRITE
        if self._is_ending or not overwriting:
            super()._write_state()


main = entry_point(TargetWarehouse)

if __name__ == "__main__":
    main()

"""The command ``flext-target-oracle``."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING

import oracledb
from flext_singer import FlextTarget, entry_point
from singer_sdk import typing as th

from flext_oracle.column_choice import Choice
from flext_oracle.connection import Connections, connect_arguments
from flext_oracle.errors import OracleError, explain
from flext_oracle.settings import CONNECTION_PROPERTIES, canonical
from flext_oracle.sinks import OracleSink
from flext_oracle.type_mapping import from_declaration

if TYPE_CHECKING:
    from flext_oracle.loading import Staging
    from flext_oracle.sql import Table

LOAD_METHODS = {
    "append-only": ("append", "append_only", "insert", "bulk_insert", "copy"),
    "upsert": ("merge", "bulk_merge", "update"),
    "overwrite": ("replace", "truncate", "truncate_insert", "full_refresh"),
}
STORAGE_MODES = {"flatten": "flattened", "flat": "flattened"}
MOST_FLATTENED = 3  # levels, as other tools have it
ALIASES = {
    "oracle_schema": "default_target_schema",
    "schema": "default_target_schema",
    "add_metadata_columns": "add_record_metadata",
    "type_mappings": "column_type_overrides",
    "json_column_type": "nested_type",
    "varchar_max_length": "default_string_length",
    "on_schema_mismatch": "schema_evolution",
}


class TargetOracle(FlextTarget):
    """Loads tables of an Oracle Database."""

    name = "flext-target-oracle"
    package_name = "flext-oracle"
    default_sink_class = OracleSink

    config_jsonschema = th.PropertiesList(
        *CONNECTION_PROPERTIES,
        th.Property(
            "default_target_schema",
            th.StringType,
            description="Schema of the tables; by default the user's own.",
        ),
        th.Property(
            "load_method",
            th.StringType,
            default="upsert",
            allowed_values=list(LOAD_METHODS),
            description=(
                "append-only adds rows; upsert merges them by key; overwrite puts them"
                " in place of all others when the run has ended well. Other tools'"
                " words (insert, merge, bulk_insert, bulk_merge, …) are understood."
            ),
        ),
        th.Property(
            "add_record_metadata",
            th.BooleanType,
            default=False,
            description="Add the _SDC_ columns.",
        ),
        th.Property(
            "hard_delete",
            th.BooleanType,
            default=False,
            description=(
                "Delete rows that the source no longer has, instead of setting"
                " _SDC_DELETED_AT."
            ),
        ),
        th.Property(
            "schema_evolution",
            th.StringType,
            default="evolve",
            allowed_values=["evolve", "fail"],
            description=(
                "evolve adds columns and widens texts; fail stops where a table would"
                " have to change."
            ),
        ),
        th.Property(
            "table_name_mappings",
            th.ObjectType(additional_properties=th.StringType),
            description="Table by stream, as it is to be spelled.",
        ),
        th.Property(
            "table_prefix", th.StringType, description="Set before table names."
        ),
        th.Property(
            "table_suffix", th.StringType, description="Set behind table names."
        ),
        th.Property(
            "column_mappings",
            th.ObjectType(additional_properties=th.StringType),
            description="Column by property or stream.property.",
        ),
        th.Property(
            "column_type_overrides",
            th.ObjectType(additional_properties=th.StringType),
            description="Oracle type by property or stream.property.",
        ),
        th.Property(
            "ignored_columns",
            th.ArrayType(th.StringType),
            description="Properties that are not loaded.",
        ),
        th.Property(
            "default_string_length",
            th.IntegerType,
            default=4000,
            description="Characters of a text without a declared length.",
        ),
        th.Property(
            "nested_type",
            th.StringType,
            default="clob",
            allowed_values=["clob", "json", "varchar2"],
            description=(
                "Column of objects and arrays: clob or varchar2 with JSON text, or"
                " json (Oracle 21c on). flattening_enabled makes columns of them."
            ),
        ),
        th.Property(
            "storage_mode",
            th.StringType,
            allowed_values=["flattened", "json", "hybrid"],
            description=(
                "flattened makes columns of nested values too; json keeps the key and"
                " the whole record in one column; hybrid has all columns and that one."
                " Unset: a column per property."
            ),
        ),
        th.Property(
            "json_column_name",
            th.StringType,
            default="DATA",
            description="Column of the whole record, for storage_mode json and hybrid.",
        ),
    ).to_dict()

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        config = canonical(self._config, ALIASES)
        word = str(config.get("load_method") or "").lower()
        for method, words in LOAD_METHODS.items():
            if word in words:
                config["load_method"] = method
        if "load_method" in config and word in LOAD_METHODS:
            config["load_method"] = word
        if config.pop("truncate_before_load", None):
            config["load_method"] = "overwrite"
        if config.pop("allow_alter_table", None) is False:
            config["schema_evolution"] = "fail"
        depth = config.pop("max_flattening_depth", MOST_FLATTENED)
        if isinstance(mode := config.get("storage_mode"), str):
            config["storage_mode"] = STORAGE_MODES.get(mode.lower(), mode.lower())
        if config.get("storage_mode") == "flattened":
            config.setdefault("flattening_enabled", True)
            config.setdefault("flattening_max_depth", depth)
        if isinstance(config.get("nested_type"), str):
            config["nested_type"] = config["nested_type"].lower()
        self._config = config
        return super()._validate_config(raise_errors=raise_errors)

    def check_settings(self) -> list[str]:
        """What is wrong beyond the schema."""
        problems = []
        try:
            connect_arguments(self.config)
        except OracleError as error:
            problems.append(f"{error.what} ({error.where}): {error.fix}")
        for name, text in (self.config.get("column_type_overrides") or {}).items():
            if from_declaration(text) is None:
                problems.append(
                    f'setting "column_type_overrides.{name}": {text!r} is no type'
                    " that can be written"
                )
        return problems

    @functools.cached_property
    def connections(self) -> Connections:
        """Where the session comes from."""
        return Connections(self.config, self.name)

    @functools.cached_property
    def session(self) -> oracledb.Connection:
        """The one session, and so the one transaction, of this process."""
        return self.connections.acquire()

    @functools.cached_property
    def max_identifier_bytes(self) -> int:
        """30 before Oracle 12.2, 128 since."""
        return int(self.session.max_identifier_length or 128)

    @functools.cached_property
    def choice(self) -> Choice:
        """How new columns get their types."""
        return Choice(
            text_length=int(self.config.get("default_string_length") or 4000),
            nested=str(self.config.get("nested_type") or "clob"),
            overrides=self.config.get("column_type_overrides") or {},
            server=int(self.session.version.split(".")[0]),
        )

    @functools.cached_property
    def started_ms(self) -> int:
        """When this process began, in milliseconds."""
        return int(time.time() * 1000)

    # Which stream owns which table

    _is_ending = False

    @functools.cached_property
    def _claims(self) -> dict[Table, str]:
        return {}

    @functools.cached_property
    def _overwrites(self) -> dict[Table, Staging]:
        """What has been staged to replace a table, and has not yet."""
        return {}

    def claim(self, table: Table, stream: str) -> None:
        """Note that a stream fills a table.

        Raises:
            OracleError: Another stream does.
        """
        owner = self._claims.setdefault(table, stream)
        if owner != stream:
            raise OracleError(
                f"streams {owner!r} and {stream!r} would both fill {table}",
                f"stream {stream!r}",
                "give one of them another table with table_name_mappings",
            )

    def hand_over(self, table: Table, new: Staging, before: Staging | None) -> None:
        """Keep the rows staged for an overwrite when its columns change."""
        old = self._overwrites.get(table) or before
        if old is not None and old.rows:
            new.take_over(old)
        elif old is None:
            new.clear()  # a session out of the pool may have used it
        self._overwrites[table] = new

    def finish(self, sink: OracleSink) -> None:
        """Replace a table's rows by those staged, once."""
        if self._overwrites.pop(sink.table, None) is not None:
            sink.replace()

    # The target's own part of the record path

    def commit(self) -> None:
        """Merge what is staged, swap what has ended, and commit."""
        try:
            for sink in self._sinks_active.values():
                if isinstance(sink, OracleSink):
                    sink.flush()
                    if self._is_ending:
                        self.finish(sink)
            self.session.commit()
        except oracledb.Error as error:
            raise explain(error, self.connections.where) from error

    def process_endofpipe(self) -> None:
        """The end of the input: swaps happen in the last commit, before its STATE."""
        self._is_ending = True
        if self._overwrites:
            self._is_dirty = True
        super().process_endofpipe()

    def _write_state(self) -> None:
        # While an overwrite waits for its swap, the table has none of its rows: a
        # STATE that speaks of them would lose them to a crash.
        if self._is_ending or not self._overwrites:
            super()._write_state()

    def close(self, *, failed: bool) -> None:
        """Release the session; what is not committed is gone."""
        if "session" in self.__dict__:
            try:
                if failed:
                    self.session.rollback()
            except oracledb.Error as error:
                self.logger.debug("rollback: %s", error)
            self.connections.close()


main = entry_point(TargetOracle)

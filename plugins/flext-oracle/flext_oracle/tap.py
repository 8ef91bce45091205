"""The command ``flext-tap-oracle``."""

from __future__ import annotations

import functools
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from flext_singer import FlextTap, entry_point
from singer_sdk import typing as th

from flext_oracle import chunks, missing, snapshot
from flext_oracle.connection import Connections, connect_arguments
from flext_oracle.discovery import Filters, FoundTable, discover, spelled
from flext_oracle.errors import OracleError
from flext_oracle.queries import describe, names_of, queries_of
from flext_oracle.settings import CONNECTION_PROPERTIES, canonical
from flext_oracle.sql import Column, Table, as_named, property_name
from flext_oracle.streams import QueryStream
from flext_oracle.table_stream import TableStream
from flext_oracle.type_mapping import ColumnType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from singer_sdk import Stream

ALIASES = {
    "filter_schemas": "schemas_filter",
    "filter_tables": "tables_filter",
    "tables": "tables_filter",
    "schema": "schemas_filter",
    "oracle_schema": "schemas_filter",
    "cursor_array_size": "fetch_size",
    "batch_size": "fetch_size",
    "max_parallel_streams": "parallel_jobs",
    "incremental_column": "replication_key",
    "custom_queries": "queries",
    "lookback_seconds": "lookback",
    "use_flashback": "snapshot",
}
LISTS = ("schemas_filter", "tables_filter", "exclude_tables")
LIST_OF_NAMES = th.CustomType(
    {"type": ["array", "string"], "items": {"type": "string"}}
)


class TapOracle(FlextTap):
    """Reads tables, views and queries of an Oracle Database."""

    name = "flext-tap-oracle"
    package_name = "flext-oracle"

    config_jsonschema = th.PropertiesList(
        *CONNECTION_PROPERTIES,
        th.Property(
            "schemas_filter",
            LIST_OF_NAMES,
            description=(
                "Schemas to read, with * and ? as wildcards; by default the user's own."
            ),
        ),
        th.Property(
            "tables_filter",
            LIST_OF_NAMES,
            description="Tables and views to read: names or schema.name, wildcards.",
        ),
        th.Property(
            "exclude_tables",
            LIST_OF_NAMES,
            description="Tables and views to leave out, written the same way.",
        ),
        th.Property(
            "stream_prefix",
            th.StringType,
            description=(
                "Name streams <prefix>_<table> instead of <schema>-<table>; an empty"
                " text names them like the table."
            ),
        ),
        th.Property(
            "queries",
            th.CustomType({"type": ["array", "object"]}),
            description=(
                "Streams by query: name, sql, key_properties, replication_key, binds;"
                " a ? in the text is the bookmark."
            ),
        ),
        th.Property(
            "query", th.StringType, description="One query, as a stream of its own."
        ),
        th.Property(
            "query_name",
            th.StringType,
            default="query",
            description="Name of the stream of `query`.",
        ),
        th.Property(
            "key_properties",
            th.ArrayType(th.StringType),
            description="Key of the records of `query`.",
        ),
        th.Property(
            "replication_key",
            th.StringType,
            description=(
                "Column by which every table that has it, and `query`, is read"
                " incrementally."
            ),
        ),
        th.Property(
            "start_date",
            th.DateTimeType,
            description="Where incremental streams by time begin the first time.",
        ),
        th.Property(
            "lookback",
            th.NumberType,
            default=0,
            description=(
                "How far before the bookmark to begin, because rows are not committed"
                " in the order of their time: seconds, or units of a number."
            ),
        ),
        th.Property(
            "use_ora_rowscn",
            th.BooleanType,
            default=False,
            description=(
                "Add ORA_ROWSCN to tables, for a replication key where no column"
                " serves; it sends neighbours of changed rows again."
            ),
        ),
        th.Property(
            "snapshot",
            th.CustomType({"type": ["string", "boolean"]}),
            default="none",
            description=(
                "scn (or true): read everything as of one system change number, in"
                " chunks that a rerun resumes; read_only: in read-only transactions."
            ),
        ),
        th.Property(
            "snapshot_scn",
            th.IntegerType,
            description="The SCN to read as of, for several processes of one snapshot.",
        ),
        th.Property(
            "snapshot_fallback",
            th.StringType,
            default="fail",
            allowed_values=list(snapshot.FALLBACKS),
            description=(
                "What to do when flashback is not granted or undo is gone (ORA-01555):"
                " fail, read_only or current."
            ),
        ),
        th.Property(
            "parallel_jobs",
            th.IntegerType,
            default=1,
            description="Sessions that read one table side by side.",
        ),
        th.Property(
            "partition",
            th.CustomType({"type": ["string", "object"]}),
            description=(
                "i/n: read the i-th of n shares of every stream, e.g. 2/4; or {index,"
                " count, column} with index from 0, shared out by the column's hash."
            ),
        ),
        th.Property(
            "chunk_blocks",
            th.IntegerType,
            default=4096,
            allowed_values=list(chunks.DIGITS),
            description="Blocks of one chunk of a table.",
        ),
        th.Property(
            "special_doubles",
            th.StringType,
            default="text",
            allowed_values=["text", "null"],
            description=(
                "NaN and the infinities of BINARY_DOUBLE, which JSON has no numbers"
                " for: text keeps them (NaN, Infinity), null loses them but makes the"
                " property a plain number."
            ),
        ),
        th.Property(
            "fetch_size",
            th.IntegerType,
            default=1000,
            description="Rows per round trip.",
        ),
    ).to_dict()

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        config = canonical(self._config, ALIASES)
        for name in LISTS:
            if isinstance(config.get(name), str):
                config[name] = [part for part in config[name].split(",") if part]
        self._config = config
        return super()._validate_config(raise_errors=raise_errors)

    def check_settings(self) -> list[str]:
        """What is wrong beyond the schema: how settings fit together."""
        checks = (
            lambda: connect_arguments(self.config),
            lambda: chunks.share_of(self.config.get("partition")),
            lambda: queries_of(self.config),
        )
        problems = []
        for check in checks:
            try:
                check()
            except OracleError as error:
                problems.append(f"{error.what} ({error.where}): {error.fix}")
        mode = snapshot.mode_of(self.config.get("snapshot"))
        if mode not in snapshot.MODES:
            problems.append(
                f'setting "snapshot" is {mode!r}: {", ".join(snapshot.MODES)}'
            )
        return problems

    @functools.cached_property
    def connections(self) -> Connections:
        """Where sessions come from."""
        return Connections(self.config, self.name)

    @functools.cached_property
    def snapshot(self) -> snapshot.Snapshot:
        """The point in time of this sync."""
        return snapshot.Snapshot(self.config, self.connections)

    def ask(self, statement: str, binds: Mapping[str, Any] | None = None) -> list[Any]:
        """All rows of a small query, with patience."""

        def run() -> list[Any]:
            with self.connections.session() as connection, connection.cursor() as c:
                c.arraysize = 1000
                return list(c.execute(statement, dict(binds or {})).fetchall())

        return self.connections.retrying(run, "ask")

    @property
    def null_doubles(self) -> bool:
        """Whether NaN and the infinities become null."""
        return self.config.get("special_doubles") == "null"

    # Discovery

    def discover_streams(self) -> Sequence[Stream]:
        """Tables that the filters and the selection let through, and all queries."""
        queries = queries_of(self.config)
        found: list[FoundTable] = []
        # Queries alone need no dictionary; a filter beside them asks for tables too.
        if not queries or any(self.config.get(name) for name in LISTS[:2]):
            found = self._found_tables(names_of(queries))
        streams: list[Stream] = [
            TableStream(self, table, self.stream_name(table.table)) for table in found
        ]
        for query in queries:
            columns = self.connections.retrying(
                functools.partial(self._describe, query), f"stream {query.name!r}"
            )
            streams.append(QueryStream(self, query, columns))
        self._check_replication_key(streams)
        return streams

    def _check_replication_key(self, streams: Sequence[Stream]) -> None:
        """A key that no stream has would read everything, again and again."""
        key = self.config.get("replication_key")
        is_all = self.input_catalog is None and self.wanted_streams().names is None
        if key and is_all and not any(stream.replication_key for stream in streams):
            raise OracleError(
                f"no stream has a column {key!r}",
                "setting 'replication_key'",
                "set use_ora_rowscn too"
                if key.lower() == "ora_rowscn"
                else "name a column of one of the tables, or leave it out",
            )

    def _describe(self, query: Any) -> list[Column]:  # noqa: ANN401 - a Query
        with self.connections.session() as connection:
            return describe(connection, query)

    def stream_name(self, table: Table) -> str:
        """The stream of a table."""
        prefix = self.config.get("stream_prefix")
        name = property_name(table.name)
        if prefix is None:
            return f"{property_name(table.schema)}-{name}"
        return f"{prefix}_{name}" if prefix else name

    def _found_tables(self, query_names: frozenset[str]) -> list[FoundTable]:
        exact = self._exact_tables(query_names)
        config = self.config
        filters = Filters(
            config.get("schemas_filter") or (),
            config.get("tables_filter") or (),
            config.get("exclude_tables") or (),
            exact or (),
        )
        if exact is not None and not exact:
            return []

        def compute() -> list[dict[str, Any]]:
            def run() -> list[FoundTable]:
                with self.connections.session() as connection:
                    return discover(connection, filters, self.connections.user)

            return [
                asdict(table) for table in self.connections.retrying(run, "discover")
            ]

        if self.input_catalog is not None:
            found = [from_cache(entry) for entry in compute()]
            there = {entry.table for entry in found}
            for table in exact or ():
                if table not in there:
                    stream = self.stream_name(table)
                    raise missing.gone(table, stream, self.connections.user)
            return found
        wanted = self.wanted_streams()
        found = [from_cache(entry) for entry in self.cached_discovery(compute)]
        streams = [self.stream_name(entry.table) for entry in found]
        missing.refuse_unknown((wanted.names or frozenset()) - query_names, streams)
        if exact is None:
            missing.refuse_unmatched(filters, found, self.connections.user)
        return [t for t in found if wanted.matches(self.stream_name(t.table))]

    def _exact_tables(self, query_names: frozenset[str]) -> list[Table] | None:
        """The tables that this run names, or None when it names none exactly."""
        if self.input_catalog is not None:
            selected = [
                entry
                for entry in self.input_catalog.streams
                if entry.metadata.root.selected is not False
                and entry.tap_stream_id not in query_names
            ]
            return [
                self._table_of(e.tap_stream_id, e.metadata.root.schema_name)
                for e in selected
            ]
        names = self.wanted_streams().names
        if names is None or self.config.get("stream_prefix") is not None:
            return None
        return [
            self._table_of(n, None) for n in sorted(names - query_names) if "-" in n
        ]

    def _table_of(self, stream: str, schema: str | None) -> Table:
        """The table of a stream's name: the way back of `stream_name`."""
        prefix = self.config.get("stream_prefix")
        if prefix is not None:
            name = stream.removeprefix(f"{prefix}_") if prefix else stream
            return Table(schema or self.connections.user, _cased(name))
        if schema:
            name = stream.removeprefix(f"{property_name(schema)}-")
            return Table(schema, _cased(name))
        owner, _, name = stream.partition("-")
        return Table(_cased(owner), _cased(name))

    def replication_key_of(self, properties: Mapping[str, Any]) -> str | None:
        """The replication key of a table with these properties."""
        wanted = self.config.get("replication_key")
        if not wanted:
            return None
        for text in (wanted, spelled(wanted)):
            name = as_named(text, properties)
            if name in properties:
                return name
        return None


def _cased(name: str) -> str:
    return name.upper() if name == name.lower() else name


def from_cache(entry: Mapping[str, Any]) -> FoundTable:
    """A table as ``asdict`` and JSON left it."""
    columns = [
        Column(c["name"], ColumnType(**c["kind"]), c["nullable"])
        for c in entry["columns"]
    ]
    return FoundTable(**{**entry, "table": Table(**entry["table"]), "columns": columns})


main = entry_point(TapOracle)

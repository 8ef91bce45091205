"""The command `flext-target-oracle-oic`."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from flext_singer import FlextSink, FlextTarget, RawRecords, entry_point
from flext_singer.errors import TooManyErrorsError
from singer_sdk import typing as th

from flext_oracle_oic.artefacts import (
    ConnectionWriter,
    ErrorWriter,
    IntegrationWriter,
    Sender,
)
from flext_oracle_oic.client import Client
from flext_oracle_oic.dry_run import DryRunFile
from flext_oracle_oic.errors import OicError, RecordError
from flext_oracle_oic.lookups import (
    CREATE,
    CREATE_OR_UPDATE,
    UPDATE,
    LookupRows,
    LookupWriter,
    row_of,
    whole_lookup,
)
from flext_oracle_oic.settings import ALIASES, CONNECTION, canonical, problems

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

KINDS = ("lookups", "lookup_rows", "connections", "integrations", "errors")
_MODES = {"create_only": CREATE, "update_only": UPDATE, "upsert": CREATE_OR_UPDATE}
RESUBMITS_PER_REQUEST = 50


class OicSink(FlextSink):
    """One stream's way into the service; what it holds is decided by its kind."""

    def setup(self) -> None:
        """Settles what the stream's records are."""
        named = self.config.get("object_types") or {}
        if isinstance(named, str):
            named = {"*": named}
        kind = named.get(self.stream_name) or named.get("*") or self.stream_name
        if kind not in KINDS:
            raise OicError(
                f"the stream is no kind of object that can be written: {kind!r}",
                where=f"stream {self.stream_name!r}",
                fix=f"set object_types, such as {{{self.stream_name}: lookup_rows}};"
                f" there are {', '.join(KINDS)}",
            )
        self.kind = kind
        self._refusals: list[tuple[str, str, bytes | None]] = []
        if kind == "lookup_rows":
            is_upsert = self.config.get("load_method") == "upsert"
            earlier = self.oic.collected.get(self.stream_name)
            self.rows = earlier[0] if earlier else LookupRows(is_upsert=is_upsert)
            self.oic.collected[self.stream_name] = (self.rows, self)

    @property
    def oic(self) -> TargetOracleOic:
        """The target."""
        return self._target  # type: ignore[return-value]

    def load(self, records: RawRecords) -> None:
        """Write records; rows of lookups wait for the end."""
        self._refusals = []
        if self.kind == "errors":
            self._resubmit(records)
        else:
            for raw, record in zip(records.raw, records.dicts(), strict=True):
                try:
                    self._write(record, raw)
                except RecordError as error:
                    self._refusals.append((place(record), error.what, raw))
        self._report()

    def _write(self, record: Mapping[str, Any], raw: bytes) -> None:
        if self.kind == "lookup_rows":
            default = self.config.get("lookup_name")
            if default is None and self.stream_name != "lookup_rows":
                default = self.stream_name
            name, values = row_of(record, default)
            self.rows.add(name, values, raw)
        elif self.kind == "lookups":
            lookup = whole_lookup(record)
            writer = self.oic.lookup_writer
            writer.write(lookup, writer.there(lookup.name))
        elif self.kind == "connections":
            self.oic.connection_writer.write(record)
        else:
            self.oic.integration_writer.write(record)

    def _resubmit(self, records: RawRecords) -> None:
        waiting: dict[str, bytes] = {}
        for raw, record in zip(records.raw, records.dicts(), strict=True):
            key = record.get("id")
            if key in (None, ""):
                self._refusals.append((place(record), "it has no id", raw))
                continue
            waiting[str(key)] = raw
            if len(waiting) == RESUBMITS_PER_REQUEST:
                self._resubmit_some(waiting)
                waiting = {}
        if waiting:
            self._resubmit_some(waiting)

    def _resubmit_some(self, waiting: dict[str, bytes]) -> None:
        refused = ErrorWriter(self.oic.sender).write(list(waiting))
        for key, reason in refused.items():
            self._refusals.append((f"id={key}", reason, waiting[key]))

    def finish(self) -> None:
        """Write the lookups whose rows have all come."""
        self._refusals = []
        writer = self.oic.lookup_writer
        for name in self.rows.names:
            there = writer.there(name)
            try:
                writer.write(self.rows.lookup(name, there), there)
            except RecordError as error:
                for raw in self.rows.sources[name]:
                    self._refusals.append((f"lookup {name}", error.what, raw))
        self._report()

    def _report(self) -> None:
        """Reject what was not accepted, every one of it.

        Raises:
            TooManyErrorsError: More than `max_errors`; all rejects are written first.
        """
        first: TooManyErrorsError | None = None
        for where, reason, source in self._refusals:
            try:
                self.reject(where, reason, source)
            except TooManyErrorsError as error:
                self.logger.error("%s: %s: %s", self.stream_name, where, reason)  # noqa: TRY400 - one line for each
                first = first or error
        self._refusals = []
        if first is not None:
            raise first


def place(record: Mapping[str, Any]) -> str:
    """Which record, for messages."""
    names = ("id", "name", "lookupName", "lookup_name")
    shown = [f"{name}={record[name]}" for name in names if record.get(name)]
    return ", ".join(shown) or "no key"


class TargetOracleOic(FlextTarget):
    """Writes into one service instance of Oracle Integration Cloud."""

    name = "flext-target-oracle-oic"
    package_name = "flext-oracle-oic"
    default_sink_class = OicSink
    commits_at_end = True
    config_jsonschema = th.PropertiesList(
        *CONNECTION,
        th.Property(
            "object_types",
            th.CustomType({"type": ["object", "string", "null"]}),
            title="Kinds of objects",
            description=(
                "{stream or *: kind}: lookups, lookup_rows, connections, integrations"
                " or errors; default the stream's name."
            ),
        ),
        th.Property(
            "lookup_name",
            th.StringType,
            title="Lookup",
            description="Lookup of rows that name none; default the stream's name.",
        ),
        th.Property(
            "import_mode",
            th.StringType,
            default=CREATE_OR_UPDATE,
            allowed_values=[CREATE, UPDATE, CREATE_OR_UPDATE],
            title="Import mode",
            description="What is done with what exists, and with what does not.",
        ),
        th.Property(
            "lookup_import",
            th.StringType,
            default="json",
            allowed_values=["json", "csv"],
            title="Lookup import",
            description="Send lookups as JSON, or upload them as CSV.",
        ),
        th.Property(
            "test_connections",
            th.BooleanType,
            default=False,
            title="Test connections",
            description="Have each connection tested after it was changed.",
        ),
        th.Property(
            "replace_active",
            th.BooleanType,
            default=False,
            title="Replace active integrations",
            description="Deactivate an active integration, replace it, activate it.",
        ),
        th.Property(
            "activation_timeout_seconds",
            th.NumberType(exclusive_minimum=0),
            default=300,
            title="Activation timeout (seconds)",
            description="How long an activation may take.",
        ),
        th.Property(
            "dry_run_path",
            th.StringType,
            title="Dry run file",
            description="Write the requests there instead of sending them; no STATE.",
        ),
    ).to_dict()

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        config = canonical(self._config, ALIASES)
        mode = str(config.get("import_mode") or CREATE_OR_UPDATE)
        config["import_mode"] = _MODES.get(mode, mode)
        self._config = config
        return super()._validate_config(raise_errors=raise_errors)

    @functools.cached_property
    def collected(self) -> dict[str, tuple[LookupRows, OicSink]]:
        """Rows of lookups by stream, with the sink that speaks for them.

        A stream whose schema changes gets a new sink, and keeps its rows.
        """
        return {}

    def check_settings(self) -> list[str]:
        """Sentences about settings that do not go together."""
        return problems(self.config)

    @functools.cached_property
    def client(self) -> Client:
        """The connection; made when it is first needed."""
        return Client(self.config, user_agent=f"{self.name}/{self.plugin_version}")

    @functools.cached_property
    def dry_run(self) -> DryRunFile | None:
        """The file of a dry run, if this is one."""
        path = self.config.get("dry_run_path")
        return DryRunFile(path) if path else None

    @functools.cached_property
    def sender(self) -> Sender:
        """Where single requests go."""
        return Sender(self.client, self.dry_run)

    @functools.cached_property
    def lookup_writer(self) -> LookupWriter:
        """What writes lookups."""
        return LookupWriter(
            self.client,
            str(self.config["import_mode"]),
            self.dry_run,
            as_csv=self.config.get("lookup_import") == "csv",
        )

    @functools.cached_property
    def connection_writer(self) -> ConnectionWriter:
        """What writes connections."""
        tests = bool(self.config.get("test_connections"))
        return ConnectionWriter(self.sender, tests=tests)

    @functools.cached_property
    def integration_writer(self) -> IntegrationWriter:
        """What writes integrations."""
        return IntegrationWriter(
            self.sender,
            str(self.config["import_mode"]),
            replaces_active=bool(self.config.get("replace_active")),
            timeout_seconds=float(self.config.get("activation_timeout_seconds") or 300),
        )

    def commit(self) -> None:
        """Write the lookups whose rows were collected; all else is done."""
        for _, sink in self.collected.values():
            sink.finish()
        self.collected.clear()

    def close(self, *, failed: bool) -> None:
        """Closes connections; puts a dry run's file in its place."""
        if self.config.get("dry_run_path") and (
            not failed or "dry_run" in self.__dict__
        ):
            file = self.dry_run
            if file is not None:
                file.finish(failed=failed)
                self.logger.info("Dry run: %d requests planned", file.requests)
        if "client" in self.__dict__:
            self.client.close()

    def _write_state(self) -> None:
        """Keeps STATE back in a dry run: nothing has been moved."""
        if self.config.get("dry_run_path"):
            self._waiting_state = None
            return
        super()._write_state()


main = entry_point(TargetOracleOic)

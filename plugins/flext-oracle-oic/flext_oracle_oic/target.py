"""The command `flext-target-oracle-oic`."""

from __future__ import annotations

import contextlib
import functools
import json
from typing import TYPE_CHECKING, NoReturn

from flext_singer import FlextSink, FlextTarget, RawRecords, entry_point
from flext_singer.errors import TooManyErrorsError
from singer_sdk import typing as th

from flext_oracle_oic.artefacts import ConnectionWriter, ErrorWriter, Sender
from flext_oracle_oic.client import Client
from flext_oracle_oic.dry_run import DryRunFile
from flext_oracle_oic.errors import OicError, RecordError
from flext_oracle_oic.integrations import IntegrationWriter
from flext_oracle_oic.keys import redacted
from flext_oracle_oic.lookup_writing import LookupWriter
from flext_oracle_oic.lookups import (
    CREATE,
    CREATE_OR_UPDATE,
    UPDATE,
    LookupRows,
    row_of,
    whole_lookup,
)
from flext_oracle_oic.packages import PackageWriter
from flext_oracle_oic.schedules import ScheduleWriter
from flext_oracle_oic.settings import ALIASES, CONNECTION, canonical, problems

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

KINDS = (
    "lookups",
    "lookup_rows",
    "connections",
    "integrations",
    "integration_schedules",
    "packages",
    "projects",
    "errors",
)
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
            for done, (raw, record) in enumerate(
                zip(records.raw, records.dicts(), strict=True)
            ):
                try:
                    self._write(record, raw)
                except RecordError as error:
                    self._refuse(record, error.what, raw)
                except OicError as error:
                    self._stop(error, place(record), done)
        self._report(len(records))

    def _refuse(self, record: Mapping[str, Any], reason: str, raw: bytes) -> None:
        if self.kind == "connections":
            # The file of rejects is no place for passwords.
            raw = json.dumps(redacted(record), default=str).encode()
        self._refusals.append((place(record), reason, raw))

    def _stop(self, error: OicError, where: str, done: int) -> NoReturn:
        """End the run at a record, and say how far it came."""
        accepted = max(0, done - len(self._refusals))
        with contextlib.suppress(TooManyErrorsError):
            self._report()
        self.record_counter_metric.increment(accepted)
        self.logger.error(
            "%s: %d records accepted, then stopped at %s",
            self.stream_name,
            accepted,
            where,
        )
        raise error

    def _write(self, record: Mapping[str, Any], raw: bytes) -> None:
        if self.kind == "lookup_rows":
            default = self.config.get("lookup_name")
            if default is None and self.stream_name != "lookup_rows":
                default = self.stream_name
            name, values = row_of(record, default)
            self.rows.add(name, values, raw)
        elif self.kind == "lookups":
            lookup = whole_lookup(record)
            self.oic.lookup_writer.write(lookup.name, lambda _: lookup)
        elif self.kind == "connections":
            self.oic.connection_writer.write(record)
        elif self.kind == "integration_schedules":
            self.oic.schedule_writer.write(record)
        elif self.kind in {"packages", "projects"}:
            self.oic.package_writer.write(self.kind, record)
        else:
            self.oic.integration_writer.write(record)

    def _resubmit(self, records: RawRecords) -> None:
        waiting: dict[str, bytes] = {}
        for done, (raw, record) in enumerate(
            zip(records.raw, records.dicts(), strict=True)
        ):
            key = record.get("id")
            if key in (None, ""):
                self._refuse(record, "it has no id", raw)
                continue
            waiting[str(key)] = raw
            if len(waiting) == RESUBMITS_PER_REQUEST:
                self._resubmit_some(waiting, done + 1)
                waiting = {}
        if waiting:
            self._resubmit_some(waiting, len(records))

    def _resubmit_some(self, waiting: dict[str, bytes], done: int) -> None:
        try:
            refused = ErrorWriter(self.oic.sender).write(list(waiting))
        except OicError as error:
            first, last = next(iter(waiting)), list(waiting)[-1]
            self._stop(error, f"id={first} to id={last}", done - len(waiting))
        for key, reason in refused.items():
            self._refusals.append((f"id={key}", reason, waiting[key]))

    def finish(self) -> None:
        """Write the lookups whose rows have all come."""
        self._refusals = []
        done = 0
        for name in self.rows.names:
            try:
                self.oic.lookup_writer.write(
                    name, functools.partial(self.rows.lookup, name)
                )
            except RecordError as error:
                for raw in self.rows.sources[name]:
                    self._refusals.append((f"lookup {name}", error.what, raw))
            except OicError as error:
                self._stop(error, f"lookup {name}", done)
            done += len(self.rows.sources[name])
        self._report(done)

    def _report(self, count: int = 0) -> None:
        """Reject what was not accepted, every one of it.

        Args:
            count: Records that this is about.

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
        accepted = count - len(self._refusals)
        self._refusals = []
        if first is None:
            return
        if count and self.kind != "lookup_rows":
            self.record_counter_metric.increment(accepted)
            self.logger.error(
                "%s: %d of %d records accepted", self.stream_name, accepted, count
            )
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
                "{stream or *: kind}: lookups, lookup_rows, connections, integrations,"
                " integration_schedules, packages, projects or errors; default the"
                " stream's name."
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

    @functools.cached_property
    def schedule_writer(self) -> ScheduleWriter:
        """What starts and stops schedules."""
        return ScheduleWriter(self.sender)

    @functools.cached_property
    def package_writer(self) -> PackageWriter:
        """What imports packages and projects."""
        return PackageWriter(self.sender, str(self.config["import_mode"]))

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

"""Sinks: a stream is an entity, written through its interface or the REST API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from flext_singer import FlextSink, RawRecords
from flext_singer.errors import TooManyErrorsError

from flext_oracle_wms.documents import Header, Prepared, prepare, split
from flext_oracle_wms.errors import RecordError, RequestRefusedError, WmsError
from flext_oracle_wms.interfaces import Interface, interface_of
from flext_oracle_wms.operations import Columns, Operation
from flext_oracle_wms.reconciling import Baseline
from flext_oracle_wms.rest_writes import (
    ADDITIVE,
    METHOD_NOT_ALLOWED,
    RestWriter,
    body_of,
)
from flext_oracle_wms.stage_statuses import Policy
from flext_oracle_wms.staging import Options, Stager

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flext_oracle_wms.target import TargetOracleWms

ACTIONS = {
    "create": "CREATE",
    "update": "UPDATE",
    "delete": "DELETE",
    "upsert": "UPSERT",
}


class WmsSink(FlextSink):
    """One stream's way into WMS.

    `load` returns when the service has said of every record what became of it, so
    nothing is left for the commit.
    """

    def setup(self) -> None:
        """Settles entity, columns and way of writing."""
        config = self.wms.config
        named = config.get("entity")
        if isinstance(named, dict):
            named = named.get(self.stream_name) or named.get("*")
        self.entity = str(named or self.stream_name)
        is_rest = self.entity.startswith("lgfapi/")
        self.entity = self.entity.removeprefix("lgfapi/")
        self.interface = None if is_rest else interface_of(self.entity)
        names = config.get("field_mapping") or {}
        own = {**(names.get("*") or {}), **(names.get(self.stream_name) or {})}
        self.columns = Columns(
            str(config.get("operation_mode") or "upsert"),
            own,
            self.key_properties,
            str(config.get("company_code") or ""),
            str(config.get("facility_code") or ""),
        )
        self.keys = [own.get(key, key) or key for key in self.key_properties]
        self._stager: Stager | None = None
        self._refusals: list[tuple[str, str, bytes | Mapping[str, Any] | None]] = []
        if self.entity in ADDITIVE and not self.keys:
            raise WmsError(
                f"each record of {self.entity} adds stock, so a rerun must know which"
                " ones are there already",
                where=f"stream {self.stream_name!r}",
                fix="give the stream key_properties that name one movement for ever",
            )

    @property
    def wms(self) -> TargetOracleWms:
        """The target."""
        return self._target  # type: ignore[return-value]

    def load(self, records: RawRecords) -> None:
        """Writes records and waits for what becomes of them."""
        self._refusals = []
        if self.wms.dry_run is not None:
            self.plan(records)
        elif self.interface is not None:
            self.load_interface(self.interface, records)
        else:
            self.load_rest(records)
        self.report(len(records))

    def report(self, count: int) -> None:
        """Counts what was accepted and rejects the rest, every one of it.

        Raises:
            TooManyErrorsError: More than `max_errors`; all rejects are written first.
        """
        first: TooManyErrorsError | None = None
        became = "accepted" if self.wms.dry_run is None else "planned, none sent"
        for where, reason, source in self._refusals:
            try:
                self.reject(where, reason, source)
            except TooManyErrorsError as error:
                self.logger.error("%s: %s: %s", self.stream_name, where, reason)  # noqa: TRY400 - one line for each
                first = first or error
        if first is None:
            accepted = count - len(self._refusals)
            self.logger.info("%s: %d records %s", self.stream_name, accepted, became)
            return
        accepted = count - len(self._refusals)
        self.record_counter_metric.increment(accepted)
        self.logger.error(
            "%s: %d of %d records %s", self.stream_name, accepted, count, became
        )
        raise first

    def refuse(
        self, where: str, reason: str, source: bytes | Mapping[str, Any] | None
    ) -> None:
        """Notes a record that was not accepted."""
        self._refusals.append((where, reason, source))

    def operations(self, records: RawRecords) -> Iterator[Operation]:
        """Yields what to do with each record; what says nothing sound is refused."""
        for raw, record in zip(records.raw, records.dicts(), strict=True):
            try:
                yield self.columns.operation(record, raw)
            except RecordError as error:
                self.refuse(self.named(record), error.what, raw)

    def named(self, fields: Mapping[str, Any]) -> str:
        """A record's key, for messages."""
        own = [self.interface.key] if self.interface else ["id"]
        keys = [*self.key_properties, *self.keys] or own
        pairs = {key: fields[key] for key in keys if key in fields}
        return ", ".join(f"{key}={value}" for key, value in pairs.items()) or "no key"

    def name_of(self, operation: Operation) -> str:
        """A record's key, also where its column is not one of the fields."""
        return self.named(operation.keys or operation.fields)

    # -- interfaces ------------------------------------------------------------------
    def load_interface(self, interface: Interface, records: RawRecords) -> None:
        """Stages the records and reconciles them."""
        if self._stager is None:
            self._stager = Stager(
                self.wms.client,
                interface,
                self.wms.stage_options,
                self.wms.stage_policy,
            )
        self._stager.write(self.prepared(interface, records), self.refuse_prepared)

    def refuse_prepared(self, record: Prepared, reason: str) -> None:
        """Notes a staged record that was not accepted."""
        where = f"{self.interface.key if self.interface else 'key'}={record.key}"
        for word, code in (("company", record.company), ("facility", record.facility)):
            where += f", {word}_code={code}" if code else ""
        self.refuse(where, reason, record.source)

    def prepared(self, interface: Interface, records: RawRecords) -> list[Prepared]:
        """The records' elements; what cannot be one is refused."""
        out = []
        for operation in self.operations(records):
            fields = self.columns.with_codes(operation.fields, interface.key)
            if interface.key != "id":
                fields.pop("id", None)
            try:
                out.append(
                    prepare(
                        interface, fields, ACTIONS[operation.mode], operation.source
                    )
                )
            except RecordError as error:
                self.refuse(
                    self.name_of(operation),
                    error.what,
                    operation.source,
                )
        return out

    # -- REST ------------------------------------------------------------------------
    def load_rest(self, records: RawRecords) -> None:
        """Writes the records one by one, in their order."""
        self.wms.check_entity(self.entity, self.stream_name)
        writer = RestWriter(
            self.wms.client,
            self.entity,
            stream=self.stream_name,
            keys=self.keys,
            related=self.wms.related,
            journal=self.wms.journal,
            company=self.columns.company,
            reason_code=str(self.wms.config.get("inventory_reason_code") or ""),
        )
        for done, operation in enumerate(self.operations(records)):
            try:
                writer.write(operation)
            except WmsError as error:
                if is_fatal(error):
                    self.stop(error, operation, done)
                self.refuse(
                    self.name_of(operation),
                    error.what,
                    operation.source,
                )

    def stop(self, error: WmsError, operation: Operation, done: int) -> NoReturn:
        """Ends the run at a record, and says how far it came."""
        accepted = max(0, done - len(self._refusals))
        self.record_counter_metric.increment(accepted)
        self.logger.error(
            "%s: %d records accepted, then stopped at %s",
            self.stream_name,
            accepted,
            self.name_of(operation),
        )
        raise error

    # -- dry run ---------------------------------------------------------------------
    def plan(self, records: RawRecords) -> None:
        """Writes what would be sent; keys stay keys, nothing is looked up."""
        file = self.wms.dry_run
        if file is None:
            return
        client = self.wms.client
        if self.interface is not None:
            options = self.wms.stage_options
            stager = Stager(client, self.interface, options, Policy())
            nothing = Baseline([], {})
            prepared = [
                stager.decided(record, nothing)
                for record in self.prepared(self.interface, records)
            ]
            for group in split(prepared, options.records_per_document):
                form = stager.form(group)
                file.add({"method": "POST", "path": stager.path, "form": form})
            return
        for operation in self.operations(records):
            if operation.mode == "delete":
                reason = f"the REST API has no delete of {self.entity}"
                self.refuse(self.name_of(operation), reason, operation.source)
                continue
            fields = dict(operation.fields)
            number = fields.pop("id", None)
            is_post = operation.mode == "create" or self.entity in ADDITIVE
            parts = (self.entity,) if number is None else (self.entity, number)
            file.add(
                {
                    "operation": operation.mode,
                    "method": "POST" if is_post else "PATCH",
                    "path": client.entity_path(*((self.entity,) if is_post else parts)),
                    "body": body_of(fields, operation.options),
                }
            )


def is_fatal(error: WmsError) -> bool:
    """Whether an error would meet every other record, too, or leaves doubt."""
    if isinstance(error, RequestRefusedError):
        return error.status == METHOD_NOT_ALLOWED
    return not isinstance(error, RecordError)


def header_of(config: Mapping[str, Any]) -> Header:
    """What stands at the head of every document."""
    company = str(config.get("company_code") or "")
    return Header(
        str(config.get("origin_system") or "Host"),
        str(config.get("client_environment") or ""),
        "" if company == "*" else company,
    )


def options_of(config: Mapping[str, Any]) -> Options:
    """How documents are sent."""
    return Options(
        header=header_of(config),
        records_per_document=int(config.get("batch_size") or 200),
        parallel_submits=int(config.get("max_parallel_requests") or 4),
        is_async=bool(config.get("stage_async", True)),
        is_validated=bool(config.get("validate_xml", True)),
        upsert_action=str(config.get("upsert_action_code") or "auto"),
    )


def policy_of(config: Mapping[str, Any]) -> Policy:
    """How long to wait for staged records, and what their statuses mean."""
    return Policy(
        float(config.get("stage_timeout_seconds") or 1200),
        frozenset(config.get("stage_rejected_statuses") or (99, 101)),
        frozenset(config.get("stage_processed_statuses") or (90,)),
    )

"""The streams of entries: planned before the first record, then read.

A stream plans its read (see `read_plan`) before its first record, then turns
entries into records. What happens to state and version is in `EntryStream`;
how an entry becomes a record is in `entries`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE, REPLICATION_LOG_BASED

from flext_ldap import filters, ranges
from flext_ldap.directory_stream import DirectoryStream, explain, printable
from flext_ldap.entries import (
    ENTRY_SCHEMA,
    ColumnShape,
    EntryError,
    EntryShape,
    entry_uuid,
    history_request,
)
from flext_ldap.errors import DirectoryError
from flext_ldap.read_plan import NONE, ReadPlan, UsnChanged, server_identity
from flext_ldap.results import LdapError
from flext_ldap.server_kind import ServerKind
from flext_ldap.server_schema import read_schema
from flext_ldap.strategies import id_filter, strategy_for
from flext_ldap.stream_search import GROUPS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flext_singer import FlextTap

    from flext_ldap.entries import Shape
    from flext_ldap.messages import Attributes
    from flext_ldap.read_plan import Search, Strategy
    from flext_ldap.session import Session
    from flext_ldap.stream_search import StreamSearch
    from flext_ldap.subschema import Subschema

_IDS_PER_SEARCH = 200


class EntryStream(DirectoryStream):
    """Entries of one search as records, whole or what changed.

    Its state holds the strategy's bookmark under the stream's name, with the
    strategy, the server's identity and the search it belongs to; it is set
    when everything has been read, never before.
    """

    primary_keys: ClassVar[list[str]] = ["entry_uuid"]

    def __init__(
        self,
        tap: FlextTap,
        search: StreamSearch,
        schema: dict[str, Any] | None = None,
        columns: list[str] | None = None,
    ) -> None:
        super().__init__(tap, search.name, schema or ENTRY_SCHEMA, search)
        self._columns = columns
        self._plan: ReadPlan | None = None
        self._strategy: Strategy | None = None
        incremental = self.config.get("incremental") or NONE
        always_full = self.config.get("full_read_streams")
        if always_full is None:
            always_full = [GROUPS]
        self._incremental = NONE if search.name in always_full else incremental
        if self._incremental != NONE:
            self.forced_replication_method = REPLICATION_LOG_BASED
        else:
            self.forced_replication_method = REPLICATION_FULL_TABLE

    # ------------------------------------------------------------ planning

    def _planned(self) -> ReadPlan:
        """Return this run's plan; made once, on the connection that reads."""
        if self._plan is None:
            self._plan = self._make_plan(self._open())
        return self._plan

    def _make_plan(self, session: Session) -> ReadPlan:
        if self.replication_method == REPLICATION_FULL_TABLE:
            return ReadPlan()
        search = self._search(session)
        self._strategy = strategy_for(self._incremental, session.server.kind)
        expected = self._tags(session, search)
        state = self.get_context_state(None)
        kept = {key: state.get(key) for key in expected}
        old = dict(state) if kept == expected else None
        try:
            plan = self._strategy.plan(session, search, old)
        except LdapError as error:
            raise explain(error, session, search.base) from error
        if state.get("strategy") and old is None:
            plan.reason = "strategy, server or search differ from the bookmark's"
        if plan.is_full and plan.reason:
            self.logger.info("Reading all of '%s': %s", self.name, plan.reason)
        return plan

    def _tags(self, session: Session, search: Search) -> dict[str, str]:
        strategy = self._strategy
        return {
            "strategy": strategy.name if strategy else NONE,
            "server": server_identity(session, search.base),
            "search": search.digest,
        }

    def _set_version(self) -> None:
        """Give a full read a version of its own, an incremental one the last."""
        super()._set_version()
        if not self.config.get("emit_activate_version_messages") or not self.selected:
            return
        if self._incremental != NONE and self._stream_version is None:
            version = self.get_context_state(None).get("version")
            if self._planned().is_full or version is None:
                version = self._initialized_at
            self._stream_version = version

    # ------------------------------------------------------------- reading

    def get_records(
        self, context: Mapping[str, Any] | None
    ) -> Iterator[dict[str, Any]]:
        """Yield the records of the plan, then move the bookmark."""
        del context
        session = self._open()
        try:
            plan = self._planned()
            yield from self._deletes(plan)
            schema = read_schema(session)
            shape = self._shape(session, schema)
            yield from self._records(session, plan, shape)
            self._move_bookmark(session, plan)
        finally:
            self._plan = None
            self._close()

    def _deletes(self, plan: ReadPlan) -> Iterator[dict[str, Any]]:
        now = datetime.now(UTC)
        for uuid in plan.deleted:
            yield {"entry_uuid": uuid, "_sdc_deleted_at": now}

    def _shape(self, session: Session, schema: Subschema) -> Shape:
        with_passwords = bool(self.config.get("include_passwords"))
        if self._columns is not None:
            return ColumnShape(
                session.server, schema, self._columns, with_passwords=with_passwords
            )
        return EntryShape(
            session.server,
            schema,
            with_passwords=with_passwords,
            with_operational=bool(self.config.get("operational_attributes")),
        )

    def _attributes(self, session: Session) -> list[str]:
        if self._place.attributes is not None:
            wanted = [*self._place.attributes, "objectClass"]
        else:
            wanted = ["*", "memberOf"]
        if self.config.get("operational_attributes"):
            wanted.append("+")
        return [*wanted, *history_request(session.server)]

    def _records(
        self, session: Session, plan: ReadPlan, shape: Shape
    ) -> Iterator[dict[str, Any]]:
        search = self._search(session)
        attributes = self._attributes(session)
        is_directory_of_pieces = session.server.kind is ServerKind.ACTIVE_DIRECTORY
        began_at = session.where
        accepts = plan.accepts if self._strategy else None
        for narrowed in _narrowed(search, plan):
            for dn, wire_entry in self._entries(session, narrowed, attributes):
                self._check_same_controller(session, began_at)
                entry: Attributes | None = wire_entry
                try:
                    if is_directory_of_pieces:
                        entry = self._whole(session, dn, wire_entry)
                    if entry is None:
                        continue  # deleted while we read
                    record = shape.record(dn, entry)
                except (EntryError, ranges.RangeError) as error:
                    self.reject(printable(dn), str(error))
                    continue
                if accepts is None or accepts(record["entry_uuid"], entry):
                    yield record
        yield from self._changed(session, plan, shape, attributes)

    def _changed(
        self,
        session: Session,
        plan: ReadPlan,
        shape: Shape,
        attributes: list[str],
    ) -> Iterator[dict[str, Any]]:
        """Read entries by id; those that left the search are reported deleted."""
        search = self._search(session)
        kind = session.server.kind
        waiting = iter(plan.changed)
        while batch := list(islice(waiting, _IDS_PER_SEARCH)):
            missing = dict.fromkeys(batch)
            by_id = filters.any_of(id_filter(kind, uuid) for uuid in batch)
            narrowed = type(search)(
                search.base, search.scope, filters.all_of([search.wire_filter, by_id])
            )
            for dn, wire_entry in self._entries(session, narrowed, attributes):
                try:
                    entry = self._whole(session, dn, wire_entry)
                    if entry is None:
                        continue
                    record = shape.record(dn, entry)
                except (EntryError, ranges.RangeError) as error:
                    self.reject(printable(dn), str(error))
                    missing.pop(_uuid_in(session, wire_entry), None)
                    continue
                missing.pop(record["entry_uuid"], None)
                yield record
            now = datetime.now(UTC)
            for uuid in missing:
                yield {"entry_uuid": uuid, "_sdc_deleted_at": now}

    def _check_same_controller(self, session: Session, began_at: str) -> None:
        """USNs are one controller's own: another one's would skip changes."""
        if session.where != began_at and isinstance(self._strategy, UsnChanged):
            raise DirectoryError(
                f"{began_at} was lost in the middle of a read by uSNChanged",
                where=session.where,
                fix="run again: the read starts anew on the controller that answers",
            )

    def _move_bookmark(self, session: Session, plan: ReadPlan) -> None:
        bookmark = plan.finished()
        if self._strategy is None or bookmark is None:
            return
        state = self.get_context_state(None)
        version = self._stream_version or state.get("version")
        state.clear()
        state.update(self._tags(session, self._search(session)))
        state.update(bookmark)
        if version is not None:
            state["version"] = version
        # For people and tools that look for the SDK's own key.
        state["replication_key"] = self._strategy.name
        state["replication_key_value"] = str(bookmark["value"])


def _narrowed(search: Search, plan: ReadPlan) -> Iterator[Search]:
    if plan.filters is None:
        yield search
        return
    for extra in plan.filters:
        both = filters.all_of([search.wire_filter, extra])
        yield type(search)(search.base, search.scope, both)


def _uuid_in(session: Session, entry: Attributes) -> str:
    wanted = session.server.id_attribute.lower()
    for name, values in entry.items():
        if name.lower() == wanted and values:
            return entry_uuid(name, values[0])
    return ""

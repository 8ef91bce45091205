"""The streams of the tap: entries, memberships and the server's schema.

A stream plans its read before the first record (see `read_plan`), then reads
and turns entries into records. What happens to state and version is in
`EntryStream`; how an entry becomes a record is in `entries`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from flext_singer import FlextStream
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE, REPLICATION_LOG_BASED

from flext_ldap import dn as names
from flext_ldap import filters, ranges, results
from flext_ldap.connection_settings import read_settings
from flext_ldap.dirsync import DirSync
from flext_ldap.entries import (
    ENTRY_SCHEMA,
    ColumnShape,
    EntryError,
    EntryShape,
    entry_uuid,
    history_request,
)
from flext_ldap.errors import DirectoryError
from flext_ldap.read_plan import (
    ENTRY_CSN,
    MODIFY_TIMESTAMP,
    NONE,
    SYNCREPL,
    EntryCsn,
    ModifyTimestamp,
    ReadPlan,
    UsnChanged,
    server_identity,
)
from flext_ldap.results import ConnectionLostError, LdapError
from flext_ldap.server_kind import ServerKind
from flext_ldap.server_schema import read_schema
from flext_ldap.session import Session
from flext_ldap.stream_search import GROUPS
from flext_ldap.syncrepl import Syncrepl

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from flext_singer import FlextTap

    from flext_ldap.connection import Entry
    from flext_ldap.entries import Shape
    from flext_ldap.messages import Attributes
    from flext_ldap.read_plan import Search, Strategy
    from flext_ldap.stream_search import StreamSearch
    from flext_ldap.subschema import Subschema

_IDS_PER_SEARCH = 200
_MEMBER_ATTRIBUTES = {
    "member": True,
    "uniquemember": True,
    "roleoccupant": True,
    "memberuid": False,
}

_STRATEGIES: dict[str, type[Strategy]] = {
    MODIFY_TIMESTAMP: ModifyTimestamp,
    ENTRY_CSN: EntryCsn,
    SYNCREPL: Syncrepl,
}
#: What the same wish means to a domain controller.
_ACTIVE_DIRECTORY_STRATEGIES: dict[str, type[Strategy]] = {
    MODIFY_TIMESTAMP: UsnChanged,
    ENTRY_CSN: UsnChanged,
    SYNCREPL: DirSync,
}


def strategy_for(incremental: str, kind: ServerKind) -> Strategy:
    """Return how this kind of server is asked for changes."""
    if kind is ServerKind.ACTIVE_DIRECTORY:
        return _ACTIVE_DIRECTORY_STRATEGIES[incremental]()
    return _STRATEGIES[incremental]()


def id_filter(kind: ServerKind, uuid: str) -> bytes:
    """Return the filter that finds one entry by its id."""
    digits = uuid.replace("-", "")
    if kind is ServerKind.ACTIVE_DIRECTORY:
        raw = bytes.fromhex(digits)
        little = raw[3::-1] + raw[5:3:-1] + raw[7:5:-1] + raw[8:]
        return filters.equality("objectGUID", little)
    if kind is ServerKind.DS389:
        parts = (digits[at : at + 8] for at in range(0, 32, 8))
        return filters.equality("nsUniqueId", "-".join(parts))
    if kind is ServerKind.OID:
        return filters.equality("orclGUID", digits.upper())
    return filters.equality("entryUUID", uuid)


def explain(error: LdapError, session: Session, base: str) -> Exception:
    """Return a failed search as an error with its remedy."""
    said = results.describe(error.code, error.diagnostic)
    if error.code == results.NO_SUCH_OBJECT:
        return DirectoryError(
            f"the base {base!r} does not exist, or may not be seen: {said}",
            where=session.where,
            fix="check base_dn (or the stream's base) and the rights of bind_dn",
        )
    if error.code == results.SIZE_LIMIT_EXCEEDED:
        return DirectoryError(
            f"a limit of the server ended the search before its end: {said}",
            where=f"{session.where}, base {base!r}",
            fix="lower page_size, or have the limits of bind_dn raised on the server",
        )
    return DirectoryError(
        f"search refused: {said}",
        where=f"{session.where}, base {base!r}",
        fix="check filter and base, and the rights of bind_dn",
    )


class DirectoryStream(FlextStream):
    """A stream that reads one search, again where a connection is lost."""

    def __init__(
        self,
        tap: FlextTap,
        name: str,
        schema: dict[str, Any],
        search: StreamSearch,
    ) -> None:
        super().__init__(tap, schema, name)
        self._place = search
        self._session: Session | None = None

    def _open(self) -> Session:
        if self._session is None:
            self._session = Session(read_settings(self.config))
        return self._session

    def _close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _search(self, session: Session) -> Search:
        return self._place.search(session.settings.base_dn, session.server.kind)

    def _entries(
        self, session: Session, search: Search, attributes: Iterable[str]
    ) -> Iterator[Entry]:
        """Yield a search's entries; a lost one begins again from its start.

        A page's cookie dies with its connection, so entries already seen come
        again: keyed targets take them as the same.
        """
        attempt = 0
        while True:
            try:
                yield from session.search(
                    search.base, search.scope, search.wire_filter, attributes
                )
            except (ConnectionLostError, LdapError) as error:
                if isinstance(error, LdapError) and error.code not in results.TRANSIENT:
                    raise explain(error, session, search.base) from error
                if attempt >= session.settings.max_retries:
                    raise DirectoryError(
                        f"the search failed {attempt + 1} times: {error}",
                        where=session.where,
                        fix="see the server's log; raise max_retries or "
                        "request_timeout_seconds if it is only slow",
                    ) from error
                self.logger.warning("%s; reading again from the start", error)
                session.pause(attempt)
                attempt += 1
            else:
                return


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
                    if is_directory_of_pieces and ranges.has_ranges(wire_entry):
                        entry = self._complete(session, dn, wire_entry)
                    if entry is None:
                        continue  # deleted while we read
                    record = shape.record(dn, entry)
                except (EntryError, ranges.RangeError) as error:
                    self.reject(_printable(dn), str(error))
                    continue
                if accepts is None or accepts(record["entry_uuid"], entry):
                    yield record
        yield from self._changed(session, plan, shape, attributes)

    def _complete(
        self, session: Session, dn: str, entry: Attributes
    ) -> Attributes | None:
        # One connection carries one search, and ours is in the middle of one.
        with session.sibling() as other:
            return ranges.complete(other, dn, entry)

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
                entry: Attributes | None = wire_entry
                try:
                    if ranges.has_ranges(wire_entry):
                        entry = self._complete(session, dn, wire_entry)
                    if entry is None:
                        continue
                    record = shape.record(dn, entry)
                except (EntryError, ranges.RangeError) as error:
                    self.reject(_printable(dn), str(error))
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


def _printable(dn: str) -> str:
    return dn.encode("utf-8", "backslashreplace").decode("utf-8")


class MembershipStream(DirectoryStream):
    """One record per group and member, read whole on every run.

    Overlays change `member` without touching entryCSN or modifyTimestamp
    (measured with refint and memberof on OpenLDAP 2.5), so no increment of a
    group can be trusted to show its members.
    """

    primary_keys: ClassVar[list[str]] = ["group_entry_uuid", "attribute", "member_key"]
    forced_replication_method = REPLICATION_FULL_TABLE
    schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "properties": {
            "group_entry_uuid": {"type": "string"},
            "group_dn": {"type": "string"},
            "group_dn_normalised": {"type": "string"},
            "attribute": {"type": "string"},
            "member_key": {"type": "string"},
            "member": {"type": "string"},
            "member_dn_normalised": {"type": ["string", "null"]},
        },
    }

    def __init__(self, tap: FlextTap, name: str, search: StreamSearch) -> None:
        super().__init__(tap, name, type(self).schema, search)

    def get_records(
        self, context: Mapping[str, Any] | None
    ) -> Iterator[dict[str, Any]]:
        """Yield group, attribute and member; `member_key` is the member folded."""
        del context
        session = self._open()
        try:
            search = self._search(session)
            schema = read_schema(session)
            shape = EntryShape(session.server, schema)
            wanted = [*_MEMBER_ATTRIBUTES, session.server.id_attribute, "objectClass"]
            for dn, wire_entry in self._entries(session, search, wanted):
                try:
                    entry: Attributes | None = wire_entry
                    if ranges.has_ranges(wire_entry):
                        with session.sibling() as other:
                            entry = ranges.complete(other, dn, wire_entry)
                    if entry is None:
                        continue
                    group = shape.record(dn, entry)
                except (EntryError, ranges.RangeError) as error:
                    self.reject(_printable(dn), str(error))
                    continue
                yield from _memberships(group)
        finally:
            self._close()


def _memberships(group: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for attribute, members in group["attributes"].items():
        is_dn = _MEMBER_ATTRIBUTES.get(attribute.lower())
        if is_dn is None:
            continue
        seen: set[str] = set()
        for member in members:
            normalised = _normalised_or_none(member) if is_dn else None
            key = normalised or member
            if key in seen:
                continue
            seen.add(key)
            yield {
                "group_entry_uuid": group["entry_uuid"],
                "group_dn": group["dn"],
                "group_dn_normalised": group["dn_normalised"],
                "attribute": attribute,
                "member_key": key,
                "member": member,
                "member_dn_normalised": normalised,
            }


def _normalised_or_none(member: str) -> str | None:
    try:
        return names.normalise(member)
    except names.DnError:
        return None


class SchemaStream(DirectoryStream):
    """The attribute types and object classes the server knows."""

    primary_keys: ClassVar[list[str]] = ["kind", "oid"]
    forced_replication_method = REPLICATION_FULL_TABLE
    schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "properties": {
            "kind": {"type": "string"},
            "oid": {"type": "string"},
            "name": {"type": "string"},
            "names": {"type": "array", "items": {"type": "string"}},
            "description": {"type": ["string", "null"]},
            "superiors": {"type": "array", "items": {"type": "string"}},
            "syntax": {"type": ["string", "null"]},
            "equality": {"type": ["string", "null"]},
            "is_single_valued": {"type": ["boolean", "null"]},
            "is_operational": {"type": ["boolean", "null"]},
            "class_kind": {"type": ["string", "null"]},
            "must": {"type": "array", "items": {"type": "string"}},
            "may": {"type": "array", "items": {"type": "string"}},
            "definition": {"type": "string"},
        },
    }

    def __init__(self, tap: FlextTap, name: str, search: StreamSearch) -> None:
        super().__init__(tap, name, type(self).schema, search)

    def get_records(
        self, context: Mapping[str, Any] | None
    ) -> Iterator[dict[str, Any]]:
        """Yield one record per definition."""
        del context
        session = self._open()
        try:
            schema = read_schema(session)
        finally:
            self._close()
        empty = dict.fromkeys(self.schema["properties"])
        for one in schema.attribute_types:
            yield {
                **empty,
                "kind": "attribute_type",
                "oid": one.oid,
                "name": one.name,
                "names": list(one.names),
                "description": one.description or None,
                "superiors": [one.superior] if one.superior else [],
                "syntax": one.syntax or None,
                "equality": one.equality or None,
                "is_single_valued": one.is_single_valued,
                "is_operational": one.is_operational,
                "must": [],
                "may": [],
                "definition": one.definition,
            }
        for object_class in schema.object_classes:
            yield {
                **empty,
                "kind": "object_class",
                "oid": object_class.oid,
                "name": object_class.name,
                "names": list(object_class.names),
                "description": object_class.description or None,
                "superiors": list(object_class.superiors),
                "class_kind": object_class.kind,
                "must": list(object_class.must),
                "may": list(object_class.may),
                "definition": object_class.definition,
            }

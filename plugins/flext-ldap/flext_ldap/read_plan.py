"""What one run reads of one stream, and the bookmark it leaves behind.

A stream asks its strategy for a `ReadPlan` before it reads: everything, or a
filter for what changed, or the ids that changed and those that are gone. The
bookmark is fixed from what was known when the plan was made, never from what
happened to be read last, so a change during the run is read by the next one.
A bookmark of another strategy, server or search means a full read.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from flext_ldap import filters, generalized_time
from flext_ldap.entries import entry_uuid
from flext_ldap.errors import DirectoryError
from flext_ldap.messages import Control
from flext_ldap.server_kind import SHOW_DELETED, ServerKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flext_ldap.messages import Attributes
    from flext_ldap.session import Session

Bookmark: TypeAlias = dict[str, Any]

NONE = "none"
MODIFY_TIMESTAMP = "modify_timestamp"
ENTRY_CSN = "entry_csn"
USN_CHANGED = "usn_changed"
SYNCREPL = "syncrepl"
DIRSYNC = "dirsync"

#: How far a timestamp bookmark reaches back: clocks differ, replicas lag.
OVERLAP = timedelta(seconds=300)
#: More ids than this are not remembered for the overlap; repeats are harmless.
MAX_REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class Search:
    """Where a stream looks."""

    base: str
    scope: str
    wire_filter: bytes

    @property
    def digest(self) -> str:
        """Short name of this search: another one needs a full read."""
        parts = (self.base.lower().encode(), self.scope.encode(), self.wire_filter)
        return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


@dataclass
class ReadPlan:
    """What to read now.

    `filters` narrow the stream's search, one search each; None reads all of it.
    """

    bookmark: Bookmark | None = None
    filters: list[bytes] | None = None
    deleted: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    reason: str = ""

    @property
    def is_full(self) -> bool:
        """Whether everything is read, so that what is missing is gone."""
        return self.filters is None

    def accepts(self, entry_uuid: str, entry: Attributes) -> bool:  # noqa: ARG002 (for those who override it)
        """Whether an entry is new; called for each one that is read."""
        return True

    def finished(self) -> Bookmark | None:
        """Return the bookmark, when everything was read."""
        return self.bookmark


class Strategy(Protocol):
    """A way to find what changed."""

    name: str

    def plan(self, session: Session, search: Search, old: Bookmark | None) -> ReadPlan:
        """Return what to read, given a bookmark of this very search or None."""
        ...


def full_read(bookmark: Bookmark | None, reason: str) -> ReadPlan:
    """Return a plan that reads everything."""
    return ReadPlan(bookmark=bookmark, reason=reason)


def server_identity(session: Session, base: str) -> str:
    """Return a name for the data behind a server that its replicas share.

    It is the id of the naming context's own entry: a restored or another
    directory has another one.
    """
    server = session.server
    context = server.naming_context(base)
    entry = session.read(context, [server.id_attribute]) or {}
    ids = [entry_uuid(name, v[0]) for name, v in entry.items() if v]
    return f"{server.kind}:{ids[0] if ids else context.lower()}"


def first_value(entry: Mapping[str, list[bytes]], attribute: str) -> str:
    """Return the first value of an attribute in whatever case it came."""
    wanted = attribute.lower()
    for name, values in entry.items():
        if name.lower() == wanted and values:
            return values[0].decode("utf-8", "replace")
    return ""


# ------------------------------------------------------------ modifyTimestamp


class _TimestampPlan(ReadPlan):
    """Skips what the last run read already inside the overlap.

    Skipping compares contents, not times: a second change within the same
    second leaves modifyTimestamp as it was.
    """

    def __init__(self, old: Bookmark | None, started: datetime, attribute: str) -> None:
        super().__init__()
        self._known: dict[str, str] = dict((old or {}).get("seen") or {})
        self._started = started
        self._attribute = attribute
        self._latest = _time_or_none((old or {}).get("value"))
        self._seen: dict[str, tuple[datetime, str]] | None = {}

    def accepts(self, entry_uuid: str, entry: Attributes) -> bool:
        when = _time_or_none(first_value(entry, self._attribute))
        digest = _digest(entry)
        if when is not None:
            if self._latest is None or when > self._latest:
                self._latest = when
            self._remember(entry_uuid, when, digest)
        return self._known.get(entry_uuid) != digest

    def _remember(self, entry_uuid: str, when: datetime, digest: str) -> None:
        if self._seen is None:
            return
        self._seen[entry_uuid] = (when, digest)
        if len(self._seen) > 2 * MAX_REMEMBERED:
            self._prune()
            if len(self._seen) > MAX_REMEMBERED:
                self._seen = None

    def _prune(self) -> None:
        floor = self._value() - OVERLAP
        self._seen = {k: v for k, v in (self._seen or {}).items() if v[0] >= floor}

    def _value(self) -> datetime:
        """The newest change, but nothing that happened after we began."""
        return min(self._latest or self._started, self._started)

    def finished(self) -> Bookmark:
        self._prune()
        seen = {k: v[1] for k, v in (self._seen or {}).items()}
        return {
            "value": generalized_time.render(self._value()),
            "seen": seen if len(seen) <= MAX_REMEMBERED else {},
        }


def _time_or_none(text: str | None) -> datetime | None:
    try:
        return generalized_time.parse(text) if text else None
    except ValueError:
        return None


def _digest(entry: Attributes) -> str:
    digest = hashlib.sha256()
    for name in sorted(entry):
        digest.update(name.lower().encode() + b"\0")
        for value in sorted(entry[name]):
            digest.update(len(value).to_bytes(4, "big") + value)
    return digest.hexdigest()[:16]


class ModifyTimestamp:
    """By modifyTimestamp: every server has it; deletes are not seen."""

    name = MODIFY_TIMESTAMP

    def plan(self, session: Session, search: Search, old: Bookmark | None) -> ReadPlan:  # noqa: ARG002 (Strategy)
        """Read from the bookmark less the overlap."""
        attribute = "modifyTimestamp"
        plan = _TimestampPlan(old, datetime.now(UTC), attribute)
        since = _time_or_none((old or {}).get("value"))
        if since is not None:
            text = generalized_time.render(since - OVERLAP)
            plan.filters = [filters.at_least(attribute, text)]
        return plan


# ------------------------------------------------------------------- entryCSN


def context_csns(session: Session, search: Search) -> list[str]:
    """Return the newest change of each writer (contextCSN, OpenLDAP)."""
    context = session.server.naming_context(search.base)
    entry = session.read(context, ["contextCSN"]) or {}
    return sorted(v.decode("ascii") for values in entry.values() for v in values)


def writer_of(csn: str) -> str:
    """Return the server id inside a CSN `time#count#sid#mod`."""
    parts = csn.split("#")
    return parts[2] if len(parts) == 4 else ""  # noqa: PLR2004 (a CSN's parts)


class _CsnPlan(ReadPlan):
    """Skips what each writer had done already at the last run."""

    def __init__(self, old: Mapping[str, str], new: Mapping[str, str]) -> None:
        super().__init__()
        self._old = old
        self._new = dict(new)
        self._started = generalized_time.render(datetime.now(UTC) - OVERLAP)
        self._is_fixed = bool(new)
        if old:
            # A writer that was unknown at the last run has no mark of its own.
            self.filters = [filters.at_least("entryCSN", min(old.values()))]

    def accepts(self, entry_uuid: str, entry: Attributes) -> bool:  # noqa: ARG002 (ReadPlan)
        csn = first_value(entry, "entryCSN")
        writer = writer_of(csn)
        # Without contextCSN the marks come from what is read, and only from
        # what was there before we began.
        if not self._is_fixed and csn and csn[:14] < self._started[:14]:
            self._new[writer] = max(csn, self._new.get(writer, ""))
        return not csn or csn > self._old.get(writer, "")

    def finished(self) -> Bookmark:
        return {"value": {**self._old, **self._new}}


class EntryCsn:
    """By entryCSN: exact on OpenLDAP, several writers included; no deletes."""

    name = ENTRY_CSN

    def plan(self, session: Session, search: Search, old: Bookmark | None) -> ReadPlan:
        """Read from the oldest writer's mark, skip by each writer's own."""
        if session.server.kind is not ServerKind.OPENLDAP:
            raise DirectoryError(
                f"this server ({session.server.vendor or session.server.kind}) keeps "
                "no entryCSN",
                where="setting incremental",
                fix="use syncrepl or modify_timestamp",
            )
        new = {writer_of(csn): csn for csn in context_csns(session, search)}
        marks = (old or {}).get("value")
        return _CsnPlan(marks if isinstance(marks, dict) else {}, new)


# ----------------------------------------------------------------- uSNChanged


class UsnChanged:
    """By uSNChanged: Active Directory; deletes come from the tombstones."""

    name = USN_CHANGED

    def plan(self, session: Session, search: Search, old: Bookmark | None) -> ReadPlan:  # noqa: ARG002 (Strategy)
        """Read what the domain controller numbered after the bookmark.

        The numbers are each controller's own, and start anew in a controller
        restored from a backup: both make the bookmark's `controller` differ
        ("Polling for Changes Using USNChanged", learn.microsoft.com).
        """
        root = session.read("", ["dsServiceName", "highestCommittedUSN"]) or {}
        service = first_value(root, "dsServiceName")
        highest = first_value(root, "highestCommittedUSN")
        if not service or not highest.isdigit():
            raise DirectoryError(
                "the server tells no highestCommittedUSN",
                where=session.where,
                fix="usn_changed needs a domain controller of Active Directory",
            )
        entry = session.read(service, ["invocationId"]) or {}
        invocation = next((v[0].hex() for v in entry.values() if v), "")
        bookmark = {"value": int(highest), "controller": f"{service}:{invocation}"}
        if old is None or old.get("controller") != bookmark["controller"]:
            return full_read(bookmark, "another domain controller, or a restored one")
        since = filters.at_least("uSNChanged", str(int(old["value"]) + 1))
        return ReadPlan(
            bookmark=bookmark, filters=[since], deleted=self._tombstones(session, since)
        )

    def _tombstones(self, session: Session, since: bytes) -> list[str]:
        gone = filters.all_of([filters.equality("isDeleted", "TRUE"), since])
        show = [Control(SHOW_DELETED, critical=True)]
        context = session.server.first("defaultNamingContext")
        found = session.search(context, "sub", gone, ["objectGUID"], show)
        return [
            entry_uuid("objectGUID", values[0])
            for _, entry in found
            for values in entry.values()
            if values
        ]

"""Content synchronisation (RFC 4533, refreshOnly) as a source of changes.

The cookie is Singer state. A refresh is asked for ids only; the changed
entries are then read as any others are, so records of every strategy look the
same. When the server falls back to its present phase (its session log is gone
or too short) deletes can only be found by reading everything, so that is what
the plan says.

389-DS speaks the protocol with two faults of its own, met here: its ids are
nsUniqueId, and its last message says refreshDeletes = false after a list of
deletes, which taken at its word would mean "delete all the rest".
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flext_ldap import ber, messages, results
from flext_ldap.errors import DirectoryError
from flext_ldap.messages import Control
from flext_ldap.read_plan import SYNCREPL, ReadPlan, context_csns, full_read
from flext_ldap.results import LdapError
from flext_ldap.server_kind import SYNC_REQUEST, ServerKind

if TYPE_CHECKING:
    from flext_ldap.messages import Response
    from flext_ldap.read_plan import Bookmark, Search
    from flext_ldap.session import Session

_SYNC_STATE = "1.3.6.1.4.1.4203.1.9.1.2"
_SYNC_DONE = "1.3.6.1.4.1.4203.1.9.1.3"
_SYNC_INFO = "1.3.6.1.4.1.4203.1.9.1.4"
_REFRESH_ONLY = 1
_STATE_PRESENT, _STATE_DELETE = 0, 3
_NEW_COOKIE, _REFRESH_DELETE, _REFRESH_PRESENT, _ID_SET = 0x80, 0xA1, 0xA2, 0xA3

_CSN = r"\d{14}\.\d{6}Z#[0-9a-f]{6}#[0-9a-f]{3}#[0-9a-f]{6}"
#: OpenLDAP takes any text for a cookie and hands it back; so we look ourselves.
_OPENLDAP_COOKIE = re.compile(
    rf"(?:rid=\d+,)?(?:sid=[0-9a-f]+,)?csn={_CSN}(?:;{_CSN})*"
)
_DS389_COOKIE = re.compile(r"[^#\s]+:\d+#.*#\d+", re.DOTALL)


@dataclass
class Refresh:
    """What one refresh said: ids by what became of them."""

    changed: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    cookie: str = ""
    is_present_phase: bool = False
    must_reload: bool = False


def is_cookie(cookie: object, kind: ServerKind) -> bool:
    """Whether a cookie has the form this kind of server writes."""
    pattern = _DS389_COOKIE if kind is ServerKind.DS389 else _OPENLDAP_COOKIE
    return isinstance(cookie, str) and pattern.fullmatch(cookie) is not None


def refresh(session: Session, search: Search, cookie: str | None) -> Refresh:
    """Run one refresh and return which entries changed and which are gone.

    Raises:
        LdapError: The server refused, but for "you must reload", which is told.
    """
    value = ber.sequence(
        ber.enumerated(_REFRESH_ONLY), ber.octets(cookie) if cookie else b""
    )
    request = messages.search(search.base, search.scope, search.wire_filter, ["1.1"])
    found = Refresh(cookie=cookie or "")
    control = Control(SYNC_REQUEST, critical=True, value=value)
    for response, entry in session.connection.exchange(request, [control]):
        if entry is not None:
            _note_entry(response, found)
        elif response.tag == messages.INTERMEDIATE_RESPONSE:
            if response.name == _SYNC_INFO and response.value:
                _note_info(response.value, found)
        elif response.tag == messages.SEARCH_DONE:
            _note_done(response, found, session.server.kind, is_first=not cookie)
    return found


def _uuid(raw: bytes) -> str:
    try:
        return str(uuid.UUID(bytes=raw))
    except ValueError as error:
        raise ber.BerError("sync id that is no UUID") from error


def _note_entry(response: Response, found: Refresh) -> None:
    value = response.control(_SYNC_STATE)
    if value is None:
        raise ber.BerError("sync entry without its state")
    parts = ber.read_sequence(value)
    state, entry_id = ber.read_integer(parts[0][1]), _uuid(parts[1][1])
    if len(parts) > 2:  # noqa: PLR2004 (state, id, cookie)
        found.cookie = parts[2][1].decode("utf-8", "replace")
    if state == _STATE_DELETE:
        found.deleted.append(entry_id)
    elif state == _STATE_PRESENT:
        found.is_present_phase = True
    else:
        found.changed.append(entry_id)


def _note_info(value: bytes, found: Refresh) -> None:
    tag, start, end = ber.read_tlv(value, 0, len(value))
    if tag == _NEW_COOKIE:
        found.cookie = value[start:end].decode("utf-8", "replace")
        return
    deletes, ids = False, []
    for kind, a, z in ber.read_items(value, start, end):
        if kind == ber.OCTET_STRING:
            found.cookie = value[a:z].decode("utf-8", "replace")
        elif kind == ber.BOOLEAN and tag == _ID_SET:
            deletes = value[a:z] != b"\0"
        elif kind == ber.SET:
            ids = [_uuid(value[x:y]) for _, x, y in ber.read_items(value, a, z)]
    if tag == _ID_SET and deletes:
        found.deleted.extend(ids)
    elif tag == _REFRESH_PRESENT or (tag == _ID_SET and ids):
        found.is_present_phase = True


def _note_done(
    response: Response, found: Refresh, kind: ServerKind, *, is_first: bool
) -> None:
    if response.code == results.SYNC_REFRESH_REQUIRED:
        found.must_reload = True
        return
    if response.code:
        raise LdapError("syncrepl", response.code, response.diagnostic)
    value = response.control(_SYNC_DONE)
    deletes = False
    for tag, content in ber.read_sequence(value) if value else []:
        if tag == ber.OCTET_STRING:
            found.cookie = content.decode("utf-8", "replace")
        elif tag == ber.BOOLEAN:
            deletes = content != b"\0"
    if kind is ServerKind.DS389:
        found.is_present_phase = False
    elif not deletes and not is_first and (found.changed or found.deleted):
        # "What I did not mention is gone", and nothing was mentioned as present.
        found.is_present_phase = True


class Syncrepl:
    """By syncrepl: changes and deletes, on OpenLDAP and 389-DS."""

    name = SYNCREPL

    def plan(self, session: Session, search: Search, old: Bookmark | None) -> ReadPlan:
        """Ask for the changes since the cookie; read all where there is none."""
        server = session.server
        if SYNC_REQUEST not in server.controls:
            raise DirectoryError(
                "the server does not offer syncrepl (RFC 4533)",
                where=session.where,
                fix="enable the syncprov overlay (OpenLDAP) or the Content "
                "Synchronization plugin (389-DS), or set incremental: "
                "modify_timestamp",
            )
        cookie = (old or {}).get("value")
        if cookie is None:
            return full_read(self._first_bookmark(session, search), "first run")
        if not is_cookie(cookie, server.kind):
            return full_read(
                self._first_bookmark(session, search), "the cookie is damaged"
            )
        try:
            found = refresh(session, search, cookie)
        except ber.BerError as error:
            raise DirectoryError(
                f"the server's syncrepl answer cannot be read: {error}",
                where=session.where,
                fix="set incremental: modify_timestamp",
            ) from error
        if found.must_reload or found.is_present_phase:
            return full_read(
                self._first_bookmark(session, search),
                "the server no longer knows what was deleted since the cookie",
            )
        if not is_cookie(found.cookie, server.kind):
            return full_read(
                self._first_bookmark(session, search), "the new cookie is damaged"
            )
        return ReadPlan(
            bookmark={"value": found.cookie},
            filters=[],
            deleted=found.deleted,
            changed=found.changed,
        )

    def _first_bookmark(self, session: Session, search: Search) -> Bookmark:
        """Return a cookie of now, taken before the full read begins.

        OpenLDAP's is made from contextCSN, which saves a whole refresh.
        """
        if session.server.kind is ServerKind.DS389:
            return {"value": refresh(session, search, None).cookie}
        csns = context_csns(session, search)
        if not csns:
            raise DirectoryError(
                "the database has no contextCSN, so syncrepl is not set up for it",
                where=f"{session.where}, base {search.base}",
                fix="add the syncprov overlay to this database and grant read "
                "access to contextCSN, or set incremental: modify_timestamp",
            )
        return {"value": "rid=000,csn=" + ";".join(csns)}

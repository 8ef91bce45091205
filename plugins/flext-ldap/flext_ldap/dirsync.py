"""DirSync of Active Directory as a source of changes ([MS-ADTS] 3.1.1.3.4.1.3).

DirSync answers with parts of objects. Only their ids are used here; the
objects are then read whole, or a part would overwrite the rest at the target.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import TYPE_CHECKING

from flext_ldap import ber, messages, results
from flext_ldap.entries import entry_uuid
from flext_ldap.errors import DirectoryError
from flext_ldap.messages import Control
from flext_ldap.read_plan import DIRSYNC, ReadPlan, first_value, full_read
from flext_ldap.results import LdapError
from flext_ldap.server_kind import DIR_SYNC, SHOW_DELETED

if TYPE_CHECKING:
    from flext_ldap.read_plan import Bookmark, Search
    from flext_ldap.session import Session

_MAX_BYTES = 1 << 20


class DirSync:
    """By DirSync: changes and deletes of a whole naming context."""

    name = DIRSYNC

    def plan(self, session: Session, search: Search, old: Bookmark | None) -> ReadPlan:
        """Ask for the changes since the cookie; read all where there is none."""
        if DIR_SYNC not in session.server.controls:
            raise DirectoryError(
                "the server does not offer DirSync",
                where=session.where,
                fix="set incremental: syncrepl or modify_timestamp",
            )
        cookie = _decode((old or {}).get("value"))
        changed, deleted, cookie_now = self._walk(session, search, cookie)
        bookmark = {"value": b64encode(cookie_now).decode("ascii")}
        if not cookie:
            return full_read(bookmark, "first run")
        return ReadPlan(bookmark=bookmark, filters=[], changed=changed, deleted=deleted)

    def _walk(
        self, session: Session, search: Search, cookie: bytes
    ) -> tuple[list[str], list[str], bytes]:
        """Return changed ids, deleted ids and the new cookie."""
        base = session.server.naming_context(search.base)
        # Naming attributes here would hide changes to all others.
        request = messages.search(base, "sub", search.wire_filter, ["*"])
        changed: dict[str, None] = {}
        deleted: dict[str, None] = {}
        while True:
            value = ber.sequence(
                ber.integer(0), ber.integer(_MAX_BYTES), ber.octets(cookie)
            )
            controls = [
                Control(DIR_SYNC, critical=True, value=value),
                Control(SHOW_DELETED, critical=True),
            ]
            has_more = False
            for response, entry in session.connection.exchange(request, controls):
                if entry is not None:
                    guid = entry[1].get("objectGUID")
                    if guid:
                        is_gone = first_value(entry[1], "isDeleted") == "TRUE"
                        ids = deleted if is_gone else changed
                        ids[entry_uuid("objectGUID", guid[0])] = None
                elif response.tag == messages.SEARCH_DONE:
                    if response.code:
                        raise _refused(session, response.code, response.diagnostic)
                    parts = ber.read_sequence(response.control(DIR_SYNC) or b"")
                    has_more = ber.read_integer(parts[0][1]) != 0
                    cookie = parts[2][1]
            if not has_more:
                return [i for i in changed if i not in deleted], list(deleted), cookie


def _decode(text: object) -> bytes:
    try:
        return b64decode(text, validate=True) if isinstance(text, str) else b""
    except ValueError:
        return b""


def _refused(session: Session, code: int, diagnostic: str) -> Exception:
    if code != results.INSUFFICIENT_ACCESS_RIGHTS:
        return LdapError("DirSync", code, diagnostic)
    return DirectoryError(
        f"the server refused DirSync: {results.describe(code, diagnostic)}",
        where=session.where,
        fix='grant the account "Replicating Directory Changes", or set '
        "incremental: usn_changed",
    )

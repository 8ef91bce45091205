"""What every stream of the tap has: a session, and a search that is seen through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flext_singer import FlextStream

from flext_ldap import ranges, results
from flext_ldap.connection_settings import read_settings
from flext_ldap.errors import DirectoryError
from flext_ldap.results import ConnectionLostError, LdapError
from flext_ldap.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flext_singer import FlextTap

    from flext_ldap.connection import Entry
    from flext_ldap.messages import Attributes
    from flext_ldap.read_plan import Search
    from flext_ldap.stream_search import StreamSearch


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


def printable(dn: str) -> str:
    """Return a DN as text that JSON takes, whatever bytes it holds."""
    return dn.encode("utf-8", "backslashreplace").decode("utf-8")


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

    def _whole(self, session: Session, dn: str, entry: Attributes) -> Attributes | None:
        """Return an entry with its ranged attributes whole; None if it vanished.

        On a connection of its own: one carries one search, and ours is in the
        middle of one.
        """
        if not ranges.has_ranges(entry):
            return entry
        with session.sibling() as other:
            return ranges.complete(other, dn, entry)

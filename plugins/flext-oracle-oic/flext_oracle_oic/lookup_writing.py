"""Bringing a lookup about, while others may be editing it.

The service replaces a lookup as a whole and knows no ETags, so an edit that falls
between our reading and our writing would be overwritten unseen. What can be done:
what was read is compared with the lookup again right before each sending, also before
one that is repeated after a wait, and once more afterwards. An edit that is found is
merged in by starting over; a lookup that will not stand still is refused by name.
What remains is the time that one PUT is on its way; an edit in it is lost, and no
client can know.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from flext_oracle_oic.errors import NotFoundError, RecordError, RequestRefusedError
from flext_oracle_oic.lookups import CREATE, UPDATE, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flext_oracle_oic.client import Client
    from flext_oracle_oic.dry_run import DryRunFile
    from flext_oracle_oic.lookups import Lookup

logger = logging.getLogger("flext-oracle-oic")

MAX_ROUNDS = 5
CONFLICT = 409


class EditedError(Exception):
    """The lookup is not what it was when it was read, or not what was written."""


class ArrivedError(Exception):
    """The lookup is what was to be sent: an earlier sending came through."""


class LookupWriter:
    """Creates or replaces lookups.

    Args:
        client: The connection.
        mode: create, update or create_or_update.
        as_csv: Upload as CSV instead of sending JSON.
        dry_run: The file that takes requests instead of the service.
    """

    def __init__(
        self, client: Client, mode: str, dry_run: DryRunFile | None, *, as_csv: bool
    ) -> None:
        self._client = client
        self._mode = mode
        self._as_csv = as_csv
        self._dry_run = dry_run

    def there(self, name: str) -> dict[str, Any] | None:
        """The lookup as the service holds it; None if it has none."""
        try:
            found = self._client.get("lookups", name)
        except NotFoundError:
            return None
        return found if isinstance(found, dict) else None

    def write(
        self, name: str, make: Callable[[Mapping[str, Any] | None], Lookup]
    ) -> None:
        """Bring a lookup about.

        Args:
            name: Its name.
            make: Gives what it is to be, from what the service holds.

        Raises:
            RecordError: `import_mode` forbids it, the service refuses, or others
                change the lookup all the time.
        """
        reason = ""
        for _ in range(MAX_ROUNDS):
            there = self.there(name)
            lookup = make(there)
            if there is not None and lookup.is_like(there):
                return  # also in the mode create: an earlier run of ours made it
            if there is not None and self._mode == CREATE:
                raise RecordError(
                    "it exists already with other contents, and import_mode is create"
                )
            if there is None and self._mode == UPDATE:
                raise RecordError("it does not exist, and import_mode is update")
            try:
                self._send(lookup, there)
            except ArrivedError:
                return
            except EditedError as error:
                reason = str(error)
                logger.warning("lookup %s: %s; reading it again", name, reason)
            else:
                return
        raise RecordError(
            f"{reason}, {MAX_ROUNDS} times in a row: it may hold an edit of someone"
            " else instead of these rows; run again when nobody edits it"
        )

    def _send(self, lookup: Lookup, there: Mapping[str, Any] | None) -> None:
        method = "POST" if there is None else "PUT"
        request: dict[str, Any] = {"body": lookup.body()}
        parts = ("lookups",) if there is None else ("lookups", lookup.name)
        if self._as_csv:
            parts = ("lookups", "archive")
            request = {"file": (f"{lookup.name}.csv", lookup.csv())}
        if self._dry_run is not None:
            self._dry_run.add({"method": method, "path": "/".join(parts), **request})
            return

        def look() -> None:
            now = self.there(lookup.name)
            if now is not None and lookup.is_like(now):
                raise ArrivedError
            if _content(now) != _content(there):
                raise EditedError("someone changed it before it was written")

        look()
        try:
            self._client.send(method, parts, before_repeat=look, **request)
        except NotFoundError:
            raise EditedError("someone deleted it before it was written") from None
        except RequestRefusedError as error:
            if self._is_refused(lookup, there, error):
                raise RecordError(f"{error.what}: {error.fix}") from error
            return
        if not lookup.is_held_by(self.there(lookup.name)):
            raise EditedError("after it was written it holds something else")

    def _is_refused(
        self,
        lookup: Lookup,
        there: Mapping[str, Any] | None,
        error: RequestRefusedError,
    ) -> bool:
        """Whether a refusal stands; a first sending may have come through."""
        now = self.there(lookup.name)
        if now is not None and lookup.is_like(now):
            return False
        is_new = there is None and now is not None
        if error.status == CONFLICT and is_new and self._mode != CREATE:
            raise EditedError("someone created it before it was written") from None
        return True


def _content(there: Mapping[str, Any] | None) -> object:
    """What tells two states of a lookup apart."""
    if there is None:
        return None
    plain = (there.get("columns"), there.get("description"), there.get("lastUpdated"))
    return (*plain, rows_of(there))

"""Packages (.par) and projects (.car): imported as archives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flext_oracle_oic.archives import archive_of
from flext_oracle_oic.artefacts import Sender, needed
from flext_oracle_oic.errors import NotFoundError, RecordError
from flext_oracle_oic.lookups import CREATE, UPDATE

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFLICT = 409
_KEYS = {"packages": ("name", "par"), "projects": ("id", "car")}


class PackageWriter:
    """Imports packages and projects.

    Args:
        sender: Where requests go.
        mode: create, update or create_or_update.
    """

    def __init__(self, sender: Sender, mode: str) -> None:
        self._sender = sender
        self._mode = mode

    def write(self, kind: str, record: Mapping[str, Any]) -> None:
        """Import the archive of a record.

        Packages that are there are replaced; for projects no such call is documented.

        Args:
            kind: packages or projects.
            record: `name` of a package or `id` of a project; `archive_path` or
                `archive`.

        Raises:
            RecordError: `import_mode` forbids it, or the service refuses.
        """
        column, ending = _KEYS[kind]
        key = needed(record, column)
        archive = archive_of(record, f"{key}.{ending}")
        if archive is None:
            raise RecordError("it has neither archive_path nor archive")
        is_there = self._is_there(kind, key)
        if is_there and self._mode == CREATE:
            raise RecordError("it exists already, and import_mode is create")
        if not is_there and self._mode == UPDATE:
            raise RecordError("it does not exist, and import_mode is update")
        if is_there and kind == "projects":
            raise RecordError(
                "it exists already, and no call that replaces a project is documented:"
                " delete it in the console first"
            )
        try:
            self._sender.send(
                "PUT" if is_there else "POST", kind, "archive", file=archive
            )
        except RecordError as error:
            is_conflict = getattr(error.__cause__, "status", 0) == CONFLICT
            if is_there or not is_conflict:
                raise
            if kind == "packages" and self._mode != CREATE:
                self._sender.send("PUT", kind, "archive", file=archive)
                return
            raise RecordError(
                f"{error.what}. It was not there when this record began: the answer to"
                " a first upload was lost, or someone else imported it; look into the"
                " console"
            ) from error

    def _is_there(self, kind: str, key: str) -> bool:
        try:
            self._sender.client.get(kind, key)
        except NotFoundError:
            return False
        return True

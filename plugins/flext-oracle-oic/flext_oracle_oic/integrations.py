"""Integrations: archives imported, versions activated and deactivated."""

from __future__ import annotations

import logging
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flext_oracle_oic.archives import archive_of, is_same
from flext_oracle_oic.artefacts import Sender, needed
from flext_oracle_oic.errors import (
    NotFoundError,
    PermissionDeniedError,
    RecordError,
    RequestRefusedError,
    TransientError,
)
from flext_oracle_oic.lookups import CREATE, UPDATE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

logger = logging.getLogger("flext-oracle-oic")

ACTIVATED, CONFIGURED = "ACTIVATED", "CONFIGURED"
UNDER_WAY = "ACTIVATION_INPROGRESS"
CONFLICT = 409
FIRST_POLL_SECONDS = 0.5
LONGEST_POLL_SECONDS = 10.0


class IntegrationWriter:
    """Imports archives, activates and deactivates integrations.

    Args:
        sender: Where requests go.
        mode: create, update or create_or_update.
        replaces_active: Deactivate an active integration to replace it.
        timeout_seconds: How long an activation may take.
        sleep: How waiting is done.
    """

    def __init__(
        self,
        sender: Sender,
        mode: str,
        *,
        replaces_active: bool,
        timeout_seconds: float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._sender = sender
        self._mode = mode
        self._replaces_active = replaces_active
        self._timeout_seconds = timeout_seconds
        self._sleep = sleep
        self._activated: dict[tuple[str, str], str] = {}

    def write(self, record: Mapping[str, Any]) -> None:
        """Import the record's archive, if it has one, then bring its status about.

        Raises:
            RecordError: It says nothing to do, or the service refuses.
        """
        key = needed(record, "id")
        wanted = record.get("status")
        if wanted not in (None, ACTIVATED, CONFIGURED):
            raise RecordError(
                f"status {wanted!r} cannot be asked for: ACTIVATED or CONFIGURED can"
            )
        archive = archive_of(record, f"{key.replace('|', '_')}.iar")
        if archive is None and wanted is None:
            raise RecordError("it has neither archive_path nor status: nothing to do")
        if wanted is not None:
            self._claim(key, wanted)
        there = self._status(key)
        if archive is not None:
            there = self._import(key, archive, there)
        elif there is None:
            raise RecordError("there is no such integration")
        if wanted is not None and there != wanted:
            self._set_status(key, wanted, record)

    def _claim(self, key: str, wanted: str) -> None:
        """Notes what is to be active: the service keeps one version of a major active.

        Raises:
            RecordError: Another one that this run has activated would be switched off.
        """
        code, _, version = key.partition("|")
        line = (code, version.partition(".")[0])
        other = self._activated.get(line)
        if wanted == ACTIVATED and other not in (None, key):
            raise RecordError(
                f"activating it would switch off {other}, which this run has activated:"
                " of one major version only one can be active"
            )
        if wanted == ACTIVATED:
            self._activated[line] = key
        elif other == key:
            del self._activated[line]

    def _status(self, key: str) -> str | None:
        """The integration's status; None if there is none."""
        try:
            found = self._sender.client.get("integrations", key)
        except NotFoundError:
            return None
        return str(found.get("status")) if isinstance(found, dict) else None

    def _import(self, key: str, archive: tuple[str, bytes], there: str | None) -> str:
        if there is None and self._mode == UPDATE:
            raise RecordError("it does not exist, and import_mode is update")
        if there is not None and self._holds(key, archive[1]):
            return there  # an earlier run of ours brought it
        if there is not None and self._mode == CREATE:
            raise RecordError(
                "it exists already, and import_mode is create; what the service exports"
                " of it is not the archive that was to be sent"
            )
        if there == ACTIVATED:
            if not self._replaces_active:
                raise RecordError(
                    "it is active, and an active integration cannot be replaced: set"
                    " replace_active to true to have it deactivated and activated again"
                )
            self._set_status(key, CONFIGURED, {})
        self._upload(key, "POST" if there is None else "PUT", archive)
        if there == ACTIVATED:
            self._set_status(key, ACTIVATED, {})
            return ACTIVATED
        return CONFIGURED

    def _holds(self, key: str, archive: bytes) -> bool:
        """Whether the service exports just this archive; unsure is no."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "exported"
            try:
                self._sender.client.download("integrations", key, "archive", into=path)
            except (NotFoundError, RequestRefusedError, PermissionDeniedError):
                return False
            except TransientError as error:
                logger.warning("%s cannot be compared: %s", key, error.what)
                return False
            return is_same(archive, path)

    def _upload(self, key: str, method: str, archive: tuple[str, bytes]) -> None:
        """Send an archive; a second upload puts the same integration there."""
        try:
            self._sender.send(method, "integrations", "archive", file=archive)
        except RecordError as error:
            if method != "POST" or getattr(error.__cause__, "status", 0) != CONFLICT:
                raise
            # It was not there before: the answer to our first upload was lost, or
            # someone else was faster.
            if self._holds(key, archive[1]):
                return
            if self._mode == CREATE:
                raise RecordError(
                    f"{error.what}. It was not there when this record began: either the"
                    " answer to a first upload was lost and the service exports it in"
                    " another form, or someone else imported it; compare it in the"
                    " console, or set import_mode to create_or_update"
                ) from error
            self._upload(key, "PUT", archive)

    def _set_status(self, key: str, wanted: str, record: Mapping[str, Any]) -> None:
        body: dict[str, Any] = {"status": wanted}
        for name in (
            "payloadTracingEnabledFlag",
            "tracingEnabledFlag",
            "recordEnabledFlag",
        ):
            if isinstance(record.get(name), bool):
                body[name] = record[name]
        try:
            answer = self._sender.send(
                "POST", "integrations", key, body=body, is_patch=True
            )
        except RecordError:
            # A repeat after a lost answer is refused as already done, or under way.
            found = self._status(key)
            if found == wanted:
                return
            if found != UNDER_WAY or wanted != ACTIVATED:
                raise
            answer = None
        if self._sender.dry_run is not None:
            return
        status = str((answer or {}).get("status") or "")
        if status != wanted:
            self._wait(key, wanted)

    def _wait(self, key: str, wanted: str) -> None:
        """Ask until an activation has ended."""
        deadline = time.monotonic() + self._timeout_seconds
        pause = FIRST_POLL_SECONDS
        while True:
            found = self._sender.client.get("integrations", key, "activationStatus")
            status = str((found or {}).get("activationStatus") or "")
            if status == wanted:
                return
            if status.startswith("FAILED"):
                raise RecordError(f"its activation ended as {status}")
            if time.monotonic() >= deadline:
                raise RecordError(
                    f"after {self._timeout_seconds:g} s its activation is still"
                    f" {status or 'without a status'}; it may go on"
                )
            self._sleep(pause)
            pause = min(pause * 1.5, LONGEST_POLL_SECONDS)

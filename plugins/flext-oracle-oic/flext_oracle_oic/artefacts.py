"""Writing connections, integrations and resubmits: one object per record."""

from __future__ import annotations

import base64
import binascii
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flext_oracle_oic.errors import NotFoundError, RecordError, RequestRefusedError
from flext_oracle_oic.lookups import CREATE, UPDATE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flext_oracle_oic.client import Client
    from flext_oracle_oic.dry_run import DryRunFile

ACTIVATED, CONFIGURED = "ACTIVATED", "CONFIGURED"
UNDER_WAY = "ACTIVATION_INPROGRESS"
RESUBMITTED = "RESUBMITTED"
CONFLICT = 409
FIRST_POLL_SECONDS = 0.5
LONGEST_POLL_SECONDS = 10.0


class Sender:
    """Sends writes, or notes them in a dry run.

    Args:
        client: The connection.
        dry_run: The file that takes requests instead of the service.
    """

    def __init__(self, client: Client, dry_run: DryRunFile | None) -> None:
        self.client = client
        self.dry_run = dry_run

    def send(self, method: str, *parts: str, **request: Any) -> Any:  # noqa: ANN401 - JSON
        """Send one request; in a dry run there is no answer.

        Raises:
            RecordError: The service refuses it, with its reason.
        """
        if self.dry_run is not None:
            shown = {k: v for k, v in request.items() if k != "file"}
            if "file" in request:
                name, content = request["file"]
                shown["file"] = {"name": name, "bytes": len(content)}
            self.dry_run.add({"method": method, "path": "/".join(parts), **shown})
            return None
        try:
            return self.client.send(method, parts, **request)
        except NotFoundError as error:
            raise RecordError(error.what) from error
        except RequestRefusedError as error:
            raise RecordError(f"{error.what}: {error.fix}") from error


class ConnectionWriter:
    """Updates properties of connections; they can only be created in archives.

    Args:
        sender: Where requests go.
        tests: Ask the service to test each connection afterwards.
    """

    def __init__(self, sender: Sender, *, tests: bool) -> None:
        self._sender = sender
        self._tests = tests

    def write(self, record: Mapping[str, Any]) -> None:
        """Update one connection.

        `connectionProperties` and `securityProperties` are lists as the service has
        them, or objects of name and value.

        Raises:
            RecordError: It says nothing to change, or the service refuses.
        """
        key = _needed(record, "id")
        body: dict[str, Any] = {}
        for group, default in (
            ("connectionProperties", "CONNECTION_PROPS"),
            ("securityProperties", "CREDENTIALS"),
        ):
            if properties := _properties(record.get(group), default):
                body[group] = properties
        if record.get("securityPolicy"):
            body["securityPolicy"] = record["securityPolicy"]
        if not body:
            raise RecordError("it has no properties to change")
        self._sender.send("POST", "connections", key, body=body, is_patch=True)
        if not self._tests:
            return
        answer = self._sender.send("POST", "connections", key, "test")
        status = answer.get("status") if isinstance(answer, dict) else "SUCCESS"
        if status != "SUCCESS":
            said = str((answer or {}).get("details") or "").strip()
            raise RecordError(
                f"it was updated, but its test says {status}"
                + (f": {said[:300]}" if said else "")
            )


def _properties(given: Any, group: str) -> list[dict[str, Any]]:  # noqa: ANN401 - JSON
    if isinstance(given, dict):
        given = [
            {"propertyGroup": group, "propertyName": name, "propertyValue": value}
            for name, value in given.items()
        ]
    found = []
    for item in given or []:
        if not isinstance(item, dict) or not item.get("propertyName"):
            raise RecordError("a property has no propertyName")
        if item.get("propertyValue") == "***":
            continue  # what our tap shows instead of a secret is none
        if "propertyValue" in item:
            found.append({"propertyGroup": group, **item})
    return found


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

    def write(self, record: Mapping[str, Any]) -> None:
        """Import the record's archive, if it has one, then bring its status about.

        Raises:
            RecordError: It says nothing to do, or the service refuses.
        """
        key = _needed(record, "id")
        wanted = record.get("status")
        if wanted not in (None, ACTIVATED, CONFIGURED):
            raise RecordError(
                f"status {wanted!r} cannot be asked for: ACTIVATED or CONFIGURED can"
            )
        archive = _archive(record)
        if archive is None and wanted is None:
            raise RecordError("it has neither archive_path nor status: nothing to do")
        there = self._status(key)
        if archive is not None:
            there = self._import(key, archive, there)
        elif there is None:
            raise RecordError("there is no such integration")
        if wanted is not None and there != wanted:
            self._set_status(key, wanted, record)

    def _status(self, key: str) -> str | None:
        """The integration's status; None if there is none."""
        try:
            found = self._sender.client.get("integrations", key)
        except NotFoundError:
            return None
        return str(found.get("status")) if isinstance(found, dict) else None

    def _import(self, key: str, archive: tuple[str, bytes], there: str | None) -> str:
        if there is not None and self._mode == CREATE:
            raise RecordError("it exists already, and import_mode is create")
        if there is None and self._mode == UPDATE:
            raise RecordError("it does not exist, and import_mode is update")
        if there == ACTIVATED:
            if not self._replaces_active:
                raise RecordError(
                    "it is active, and an active integration cannot be replaced: set"
                    " replace_active to true to have it deactivated and activated again"
                )
            self._set_status(key, CONFIGURED, {})
        self._upload("POST" if there is None else "PUT", archive)
        if there == ACTIVATED:
            self._set_status(key, ACTIVATED, {})
            return ACTIVATED
        return CONFIGURED

    def _upload(self, method: str, archive: tuple[str, bytes]) -> None:
        """Send an archive; a second upload puts the same integration there."""
        try:
            self._sender.send(method, "integrations", "archive", file=archive)
        except RecordError as error:
            if method != "POST" or getattr(error.__cause__, "status", 0) != CONFLICT:
                raise
            if self._mode == CREATE:
                raise
            # It was not there before: the answer to our first upload was lost.
            self._upload("PUT", archive)

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


def _archive(record: Mapping[str, Any]) -> tuple[str, bytes] | None:
    """Name and content of a record's archive, from a path or from base64."""
    if path := record.get("archive_path"):
        try:
            content = Path(str(path)).read_bytes()
        except OSError as error:
            raise RecordError(f"{path} cannot be read: {error.strerror}") from error
        return Path(str(path)).name, content
    if encoded := record.get("archive"):
        try:
            content = base64.b64decode(str(encoded), validate=True)
        except binascii.Error as error:
            raise RecordError("archive is not base64") from error
        code, _, version = str(record.get("id")).partition("|")
        return f"{code}_{version}.iar", content
    return None


class ErrorWriter:
    """Resubmits failed instances, some at a time; never sent again blindly.

    Args:
        sender: Where requests go.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def write(self, ids: Sequence[str]) -> dict[str, str]:
        """Resubmit; give the reason for each id that was not accepted.

        What a run that was killed has resubmitted already is left alone.
        """
        ids = [key for key in ids if not self._is_resubmitted(key)]
        if not ids:
            return {}
        try:
            answer = self._sender.send(
                "POST",
                "monitoring",
                "errors",
                "resubmit",
                body={"ids": list(ids)},
                params={"return": "sync"},
                is_repeatable=False,
            )
        except RecordError as error:
            return dict.fromkeys(ids, error.what)
        if self._sender.dry_run is not None:
            return {}
        if not isinstance(answer, dict):
            return {}  # 202 without a body: accepted, the service says no more
        refused: dict[str, str] = {}
        for name, reason in (
            ("invalidIds", "there is no such error"),
            ("nonRecoverableIds", "it is not recoverable"),
        ):
            refused |= {str(key): reason for key in answer.get(name) or []}
        for row in answer.get("resubmittedFailedInstances") or []:
            key = row.get("id") if isinstance(row, dict) else row
            refused[str(key)] = "its resubmission failed"
        if "acceptedIds" in answer:
            accepted = {str(key) for key in answer["acceptedIds"]}
            for key in ids:
                if key not in accepted:
                    refused.setdefault(key, "the service does not say it was accepted")
        return {key: reason for key, reason in refused.items() if key in set(ids)}

    def _is_resubmitted(self, key: str) -> bool:
        try:
            found = self._sender.client.get("monitoring", "instances", key)
        except (NotFoundError, RequestRefusedError):
            return False  # the service says so itself when it is asked to resubmit
        return isinstance(found, dict) and found.get("status") == RESUBMITTED


def _needed(record: Mapping[str, Any], name: str) -> str:
    value = record.get(name)
    if not isinstance(value, str) or not value:
        raise RecordError(f"it has no {name}")
    return value

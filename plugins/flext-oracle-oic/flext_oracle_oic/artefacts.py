"""Writing connections and resubmits: what is sent, and what the answer means."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from flext_oracle_oic.errors import NotFoundError, RecordError, RequestRefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flext_oracle_oic.client import Client
    from flext_oracle_oic.dry_run import DryRunFile

logger = logging.getLogger("flext-oracle-oic")

RESUBMITTED = "RESUBMITTED"
# Shorter values would blank out ordinary words.
_SHORTEST_SECRET = 4


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
        key = needed(record, "id")
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
        try:
            answer = self._sender.send(
                "POST", "connections", key, body=body, is_patch=True
            )
        except RecordError as error:
            # The service may repeat what it refuses.
            raise RecordError(_without_secrets(error.what, body)) from None
        # Active integrations that use it keep the old values until they are activated.
        if warning := isinstance(answer, dict) and answer.get("warning"):
            logger.warning(
                "connection %s: %s", key, _without_secrets(str(warning), body)
            )
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


def _without_secrets(said: str, body: Mapping[str, Any]) -> str:
    for item in body.get("securityProperties") or []:
        value = str(item.get("propertyValue") or "")
        if len(value) >= _SHORTEST_SECRET:
            said = said.replace(value, "***")
    return said


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
            return self._unsaid(ids)
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

    def _unsaid(self, ids: Sequence[str]) -> dict[str, str]:
        """After a 202 without a body: what each error itself says of its chances."""
        refused = {}
        for key in ids:
            try:
                found = self._sender.client.get("monitoring", "errors", key)
            except (NotFoundError, RequestRefusedError):
                if not self._is_resubmitted(key):
                    refused[key] = "there is no such error"
                continue
            flag = found.get("recoverable") if isinstance(found, dict) else None
            if str(flag).lower() == "false" and not self._is_resubmitted(key):
                refused[key] = "it is not recoverable"
        logger.info(
            "the service accepted %d resubmits without saying which",
            len(ids) - len(refused),
        )
        return refused

    def _is_resubmitted(self, key: str) -> bool:
        try:
            found = self._sender.client.get("monitoring", "instances", key)
        except (NotFoundError, RequestRefusedError):
            return False  # the service says so itself when it is asked to resubmit
        return isinstance(found, dict) and found.get("status") == RESUBMITTED


def needed(record: Mapping[str, Any], name: str) -> str:
    """A value that a record cannot do without.

    Raises:
        RecordError: It is not there, or no text.
    """
    value = record.get(name)
    if not isinstance(value, str) or not value:
        raise RecordError(f"it has no {name}")
    return value

"""Tells other systems of an event: webhook and audit log.

Each handler is a function of a destination and an event. It returns when the event
is delivered, and raises `AwayError`, `RefusedError` or `DestinationError` when not.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import time
from typing import TYPE_CHECKING, Any

from flexcore_gen.events.destinations import timeout_of
from flexcore_gen.events.http_post import AwayError, post

if TYPE_CHECKING:
    from pathlib import Path

    from flexcore_gen.events.destinations import Destination
    from flexcore_gen.events.run_event import StoredEvent
    from flexcore_gen.events.sending import Surroundings


def webhook(destination: Destination, stored: StoredEvent, around: Surroundings) -> str:
    """POST the event as CloudEvents JSON, signed when there is a secret.

    The signature is HMAC-SHA256 over `<timestamp>.<body>`, so that neither the body
    nor its age can be changed: `FlexCore-Signature: t=<unix seconds>,v1=<hex>`.
    """
    del around
    body = json.dumps(cloud_event(stored), ensure_ascii=False).encode()
    headers = {
        "Content-Type": "application/cloudevents+json; charset=utf-8",
        "User-Agent": "flexcore",
        "FlexCore-Event": stored.event.name,
    }
    if "secret" in destination.settings:
        secret = destination.text("secret")
        headers["FlexCore-Signature"] = signature(secret, body, int(time.time()))
    status = post(
        destination.text("url"),
        body,
        headers,
        timeout_of(destination),
        allow_plain=bool(destination.settings.get("insecure_plain_text")),
    )
    return f"answered {status}"


def signature(secret: str, body: bytes, timestamp: int) -> str:
    """Return what `FlexCore-Signature` says of a body sent at that time."""
    signed = f"{timestamp}.".encode() + body
    found = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={found}"


def cloud_event(stored: StoredEvent) -> dict[str, Any]:
    """Return the envelope with CloudEvents extension names: no underscores."""
    return {
        name.replace("_", ""): value
        for name, value in stored.envelope().items()
        if value is not None
    }


def audit_log(
    destination: Destination, stored: StoredEvent, around: Surroundings
) -> str:
    """Add the envelope as one line to a file (0600), or to syslog."""
    line = json.dumps(stored.envelope(), sort_keys=True, ensure_ascii=False)
    if destination.settings.get("syslog"):
        import syslog  # noqa: PLC0415 - rarely, and not everywhere

        syslog.openlog("flexcore", syslog.LOG_PID, syslog.LOG_AUTH)
        syslog.syslog(syslog.LOG_INFO, line)
        return "syslog"
    path = around.root / destination.text("path", ".flexcore/audit.jsonl")
    append_line(path, line)
    return str(path)


def append_line(path: Path, line: str) -> None:
    """Add a line durably to a file that is for its owner only.

    Raises:
        AwayError: The file cannot be written now.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, flags, 0o600)
        try:
            content = (line + "\n").encode("utf-8", "replace")
            # A crash may have left half a line: it ends here.
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                content = b"\n" + content
            while content:
                content = content[os.write(descriptor, content) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise AwayError(f"{path}: {error.strerror}") from None

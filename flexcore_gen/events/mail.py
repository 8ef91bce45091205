"""Tells people of an event by e-mail."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from typing import TYPE_CHECKING

from flexcore_gen.events.destinations import DestinationError, timeout_of
from flexcore_gen.events.http_post import AwayError, RefusedError, is_local

if TYPE_CHECKING:
    from flexcore_gen.events.destinations import Destination
    from flexcore_gen.events.run_event import StoredEvent
    from flexcore_gen.events.sending import Surroundings

_TEMPORARY = range(400, 500)
_PORTS = {"starttls": 587, "tls": 465, "none": 25}


def email(destination: Destination, stored: StoredEvent, around: Surroundings) -> str:
    """Send one message by SMTP: STARTTLS unless `security` says otherwise."""
    del around
    host = destination.text("host")
    security = destination.text("security", "starttls")
    if security not in _PORTS:
        raise DestinationError(f"{destination.name}: security is {security}")
    if security == "none" and not (
        is_local(host) or destination.settings.get("insecure_plain_text")
    ):
        raise DestinationError(
            f"{destination.name}: security none sends in clear; use starttls"
        )
    receivers = destination.settings.get("to") or []
    receivers = [receivers] if isinstance(receivers, str) else list(receivers)
    if not receivers:
        raise DestinationError(f"{destination.name}: to is not set")
    message = _message(destination, stored, receivers)
    port = int(destination.text("port", str(_PORTS[security])))
    try:
        _send(destination, message, host, port, security)
    except (smtplib.SMTPNotSupportedError, ssl.SSLCertVerificationError) as error:
        raise RefusedError(f"{host}:{port}: {error}") from None
    except smtplib.SMTPResponseException as error:
        raise _judged(f"{host}:{port}", [error.smtp_code]) from None
    except smtplib.SMTPRecipientsRefused as error:
        codes = sorted({code for code, _ in error.recipients.values()})
        raise _judged(f"{host}:{port}, for every receiver,", codes) from None
    except (OSError, smtplib.SMTPException) as error:
        raise AwayError(f"{host}:{port}: {error!r}"[:200]) from None
    return f"sent to {len(receivers)}"


def _send(
    destination: Destination,
    message: EmailMessage,
    host: str,
    port: int,
    security: str,
) -> None:
    timeout = timeout_of(destination)
    context = ssl.create_default_context(cafile=destination.optional("ca_file"))
    if security == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(
            host, port, timeout=timeout, context=context
        )
    else:
        server = smtplib.SMTP(host, port, timeout=timeout)
    with server:
        if security == "starttls":
            server.starttls(context=context)  # not offered: SMTPNotSupportedError
        if username := destination.optional("username"):
            server.login(username, destination.text("password"))
        server.send_message(message)


def _judged(place: str, codes: list[int]) -> Exception:
    text = f"{place} answered {', '.join(map(str, codes))}"
    if all(code in _TEMPORARY for code in codes):
        return AwayError(text)
    return RefusedError(text)


def _message(
    destination: Destination, stored: StoredEvent, receivers: list[str]
) -> EmailMessage:
    event = stored.event
    where = event.data.get("environment") or event.source
    message = EmailMessage()
    subject = f"[flexcore] {event.name}: {event.subject} ({where})"
    message["Subject"] = " ".join(subject.split())[:200]
    message["From"] = destination.text("from")
    message["To"] = ", ".join(receivers)
    # The same for each attempt, so that a mailbox can tell a repeated one.
    message["Message-ID"] = f"<{event.id}@flexcore.invalid>"
    lines = [
        f"{event.name}: {event.subject}",
        f"time:  {event.time}",
        f"run:   {event.aggregate_id}",
        *(
            f"{name}: {event.data[name]}"
            for name in ("reason", "error", "stream", "added", "removed", "changed")
            if event.data.get(name)
        ),
        "",
        f"flexcore-gen runs {event.aggregate_id}",
    ]
    message.set_content("\n".join(str(line) for line in lines) + "\n")
    return message

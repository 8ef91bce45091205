"""One POST over HTTP, with hostile and slow answers in mind.

No redirects (a signed body goes where it was meant to), an answer read no further
than its first bytes, and one deadline for everything: a server that sends a byte
a second cannot hold a delivery up.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from urllib.parse import urlsplit

from flexcore_gen.events.destinations import DestinationError

MAX_WAIT_SECONDS = 60.0
_RETRYABLE = frozenset({408, 425, 429})
_SERVER_ERROR = 500
_OK = range(200, 300)


class AwayError(Exception):
    """Not delivered now; trying again may help."""

    def __init__(self, message: str, wait_seconds: float | None = None) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds


class RefusedError(Exception):
    """Not delivered, and trying again will not help."""


def post(
    url: str,
    body: bytes,
    headers: dict[str, str],
    timeout_seconds: float,
    *,
    allow_plain: bool = False,
) -> int:
    """Send a body; return the status code, one of 200 to 299.

    Args:
        url: https, or http to this machine.
        body: What to send.
        headers: Beside Host and Content-Length.
        timeout_seconds: For all of it, connecting included.
        allow_plain: Let http go to other machines too.

    Raises:
        AwayError: No answer in time, 408, 425, 429 or 5xx.
        RefusedError: Any other status.
        DestinationError: The URL will not do.
    """
    parts = urlsplit(url)
    host = parts.hostname
    if parts.scheme not in {"http", "https"} or not host:
        raise DestinationError("the url must begin with https://")
    if parts.scheme == "http" and not (allow_plain or is_local(host)):
        raise DestinationError(
            "http sends in clear: use https (or insecure_plain_text: true)"
        )
    port = parts.port or (443 if parts.scheme == "https" else 80)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    deadline = time.monotonic() + timeout_seconds
    try:
        plain = socket.create_connection((host, port), timeout_seconds)
    except OSError as error:
        raise AwayError(f"{host}:{port}: {error}") from None
    # The deadline shuts the connection whatever it is in the middle of.
    timer = threading.Timer(max(0.0, deadline - time.monotonic()), _shut, (plain,))
    timer.daemon = True
    timer.start()
    connection = http.client.HTTPConnection(host, port, timeout=timeout_seconds)
    try:
        connection.sock = plain
        if parts.scheme == "https":
            context = ssl.create_default_context()
            connection.sock = context.wrap_socket(plain, server_hostname=host)
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        if time.monotonic() >= deadline:  # cut off, and it may look like an end
            raise TimeoutError
    except ssl.SSLCertVerificationError as error:
        raise RefusedError(f"{host}:{port}: {error.verify_message}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        late = time.monotonic() >= deadline
        text = f"no answer within {timeout_seconds:g} s" if late else repr(error)
        raise AwayError(f"{host}:{port}: {text[:200]}") from None
    finally:
        timer.cancel()
        connection.close()
        plain.close()
    return _judged(answer, f"{host}:{port}")


def is_local(host: str) -> bool:
    """Whether a host name means this machine."""
    if host == "localhost":
        return True
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def _judged(answer: http.client.HTTPResponse, place: str) -> int:
    if answer.status in _OK:
        return answer.status
    text = f"{place} answered {answer.status}"
    if answer.status in _RETRYABLE or answer.status >= _SERVER_ERROR:
        wait = None
        with contextlib.suppress(ValueError):
            asked = float(answer.headers.get("Retry-After") or "")
            wait = min(max(asked, 0.0), MAX_WAIT_SECONDS)
        raise AwayError(text, wait)
    raise RefusedError(text)


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)

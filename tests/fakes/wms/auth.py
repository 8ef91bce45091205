"""Users, tokens and permissions."""

from __future__ import annotations

import base64
import secrets
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from fakes.wms.errors import Refused

if TYPE_CHECKING:
    from fakes.http_service.clock import Clock
    from fakes.wms.switches import Switches

USER = ("wms_user", "wms-Canary-Pw-1")
CLIENT = ("wms_client", "wms-Canary-Secret-2")
ZONES = {"wms_user": None, "wms_berlin": "Europe/Berlin"}


class Auth:
    """Basic and Bearer; five wrong passwords in a row lock the user."""

    def __init__(self, switches: Switches, clock: Clock) -> None:
        self.switches = switches
        self.clock = clock
        self.tokens: dict[str, float] = {}
        self.refresh: dict[str, str] = {}
        self.failures = 0
        self.is_locked = False
        self.token_requests = 0
        self.requests_after_lock = 0
        self.denied: set[str] = set()
        """Permissions taken away: read, create, update, delete."""
        self._lock = threading.Lock()

    def check(self, header: str | None) -> str:
        """The user's name, or 401."""
        with self._lock:
            user = self._user(header or "")
            if user is None or self.is_locked:
                if self.is_locked:
                    self.requests_after_lock += 1
                if (header or "").startswith("Basic "):
                    self.failures += 1
                    self.is_locked = (
                        self.is_locked or self.failures >= self.switches.lock_after_401
                    )
                raise Refused(401, "Invalid credentials.", code="AUTHENTICATION_FAILED")
            self.failures = 0
            return user

    def _user(self, header: str) -> str | None:
        kind, _, value = header.partition(" ")
        if kind == "Basic":
            try:
                name, _, password = (
                    base64.b64decode(value, validate=True).decode().partition(":")
                )
            except ValueError:
                return None
            return name if name in ZONES and password == USER[1] else None
        if kind == "Bearer":
            expires = self.tokens.get(value)
            return (
                USER[0]
                if expires is not None and expires > self.clock.seconds()
                else None
            )
        return None

    def permit(self, verb: str) -> None:
        if verb in self.denied:
            raise Refused(
                403,
                "You do not have permission to perform this action.",
                code="PERMISSION_DENIED",
            )

    def zone(self, user: str) -> str:
        return ZONES.get(user) or self.switches.user_zone

    def token(self, body: bytes, header: str | None) -> tuple[int, dict[str, Any]]:
        """The token endpoint's answer (RFC 6749 §4.3, §4.4, §6)."""
        form = {name: values[-1] for name, values in parse_qs(body.decode()).items()}
        client = (form.get("client_id", ""), form.get("client_secret", ""))
        if header and header.startswith("Basic "):
            client = tuple(base64.b64decode(header[6:]).decode().split(":", 1))  # type: ignore[assignment]
        with self._lock:
            self.token_requests += 1
            if client != CLIENT:
                return 401, {
                    "error": "invalid_client",
                    "error_description": "Client authentication failed.",
                }
            grant = form.get("grant_type")
            if (
                grant == "password"
                and (form.get("username"), form.get("password")) != USER
            ):
                return 400, {
                    "error": "invalid_grant",
                    "error_description": "Invalid credentials given.",
                }
            if (
                grant == "refresh_token"
                and form.get("refresh_token") not in self.refresh
            ):
                return 400, {
                    "error": "invalid_grant",
                    "error_description": "Unknown refresh token.",
                }
            if grant not in {"password", "client_credentials", "refresh_token"}:
                return 400, {"error": "unsupported_grant_type"}
            if (
                self.switches.token_scope
                and form.get("scope") != self.switches.token_scope
            ):
                return 400, {
                    "error": "invalid_scope",
                    "error_description": "The scope is not allowed.",
                }
            return 200, self._issue(grant)

    def _issue(self, grant: str) -> dict[str, Any]:
        token = secrets.token_urlsafe(24)
        ttl = self.switches.token_ttl_seconds
        self.tokens[token] = self.clock.seconds() + ttl
        answer: dict[str, Any] = {"access_token": token, "token_type": "Bearer"}
        if self.switches.expires_in != "absent":
            answer["expires_in"] = (
                str(int(ttl)) if self.switches.expires_in == "string" else int(ttl)
            )
        if grant != "client_credentials":
            answer["refresh_token"] = secrets.token_urlsafe(24)
            self.refresh[answer["refresh_token"]] = token
        return answer

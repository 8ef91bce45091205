"""The identity domain: tokens by client credentials or by JWT assertion."""

from __future__ import annotations

import base64
import secrets
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from fakes.http_service.clock import Clock
    from fakes.oic.switches import Switches

CLIENT = ("oic_client", "oic-Canary-Secret-3")
USER = ("oic_user", "oic-Canary-Pw-4")
AUDIENCE = "https://0123456789ABCDEF0123456789ABCDEF.integration.example.com:443"
SCOPES = {f"{AUDIENCE}/ic/api/", f"{AUDIENCE}urn:opc:resource:consumer::all"}


class Tokens:
    """Issues and judges access tokens."""

    def __init__(self, switches: Switches, clock: Clock) -> None:
        self.switches = switches
        self.clock = clock
        self.issued: dict[str, float] = {}
        self.requests = 0
        self._lock = threading.Lock()

    def issue(self, body: bytes, header: str | None) -> tuple[int, dict[str, Any]]:
        """The token endpoint's answer (RFC 6749 §4.4, RFC 7523 §2.1)."""
        form = {name: values[-1] for name, values in parse_qs(body.decode()).items()}
        client = (form.get("client_id", ""), form.get("client_secret", ""))
        if header and header.startswith("Basic "):
            name, _, secret = base64.b64decode(header[6:]).decode().partition(":")
            client = (name, secret)
        with self._lock:
            self.requests += 1
            if client != CLIENT:
                return 401, {
                    "error": "invalid_client",
                    "error_description": "Client authentication failed.",
                }
            grants = {
                "client_credentials",
                "urn:ietf:params:oauth:grant-type:jwt-bearer",
            }
            if form.get("grant_type") not in grants:
                return 400, {"error": "unsupported_grant_type"}
            if form.get("scope") not in SCOPES:
                return 400, {
                    "error": "invalid_scope",
                    "error_description": "Invalid scope.",
                }
            token = secrets.token_urlsafe(24)
            ttl = self.switches.token_ttl_seconds
            self.issued[token] = self.clock.seconds() + ttl
            answer: dict[str, Any] = {"access_token": token, "token_type": "Bearer"}
            if self.switches.expires_in != "absent":
                as_text = self.switches.expires_in == "string"
                answer["expires_in"] = str(int(ttl)) if as_text else int(ttl)
            return 200, answer

    def accepts(self, header: str | None, profile: str) -> bool:
        """Whether a request's Authorization lets it in."""
        kind, _, value = (header or "").partition(" ")
        if kind == "Basic" and profile == "gen2":
            text = base64.b64decode(value).decode()
            return text == f"{USER[0]}:{USER[1]}"
        with self._lock:
            expires = self.issued.get(value) if kind == "Bearer" else None
        return expires is not None and expires > self.clock.seconds()

"""SASL mechanisms for the bind: DIGEST-MD5 (RFC 2831) and GSSAPI (RFC 4752).

A mechanism answers the server's challenges, one `step` each, until `is_done`: then
it has also convinced itself of the server. No security layer is negotiated; what
protects the connection is TLS, and the settings insist on it.
"""

from __future__ import annotations

import hashlib
import hmac
import importlib
import re
import secrets
from typing import TYPE_CHECKING, Any, Protocol

from flext_ldap.errors import DirectoryError

if TYPE_CHECKING:
    from flext_ldap.connection_settings import ConnectionSettings

_DIRECTIVE = re.compile(
    rb'([A-Za-z-]+)=(?:"((?:[^"\\]|\\.)*)"|([^,"\s]+))\s*(?:,\s*|$)'
)
_NO_LAYER = 1


class SaslError(Exception):
    """A challenge that the mechanism does not accept, or cannot answer."""


class Mechanism(Protocol):
    """One side of a SASL exchange."""

    name: str
    is_done: bool

    def step(self, challenge: bytes | None) -> bytes | None:
        """Return the answer to a challenge; the first one may be None.

        Raises:
            SaslError: The challenge is not acceptable.
        """
        ...


def mechanism(settings: ConnectionSettings, host: str) -> Mechanism:
    """Return the mechanism that `auth_method` names.

    Args:
        settings: Whose credentials.
        host: The server as the connection names it; part of both mechanisms, so
            that one server's challenge is worth nothing at another.
    """
    if settings.auth_method == "gssapi":
        return Gssapi(host)
    return DigestMd5(
        settings.sasl_username, settings.password, host, settings.sasl_realm
    )


class DigestMd5:
    """DIGEST-MD5 with `qop=auth`. It proves the password without sending it."""

    name = "DIGEST-MD5"

    def __init__(
        self, username: str, password: str, host: str, realm: str | None = None
    ) -> None:
        self._username = username
        self._password = password
        self._uri = f"ldap/{host}"
        self._realm = realm
        self._expected: bytes | None = None
        self.is_done = False

    def step(self, challenge: bytes | None) -> bytes | None:
        """Ask for a challenge, answer it, then check the server's own proof."""
        if challenge is None:
            return None
        said = directives(challenge)
        if self._expected is not None:
            proof = (said.get("rspauth") or [b""])[0]
            if not hmac.compare_digest(proof, self._expected):
                raise SaslError("the server does not know the password itself")
            self.is_done = True
            return b""
        return self._response(said)

    def _response(self, said: dict[str, list[bytes]]) -> bytes:
        nonces = said.get("nonce") or []
        if len(nonces) != 1 or said.get("algorithm") != [b"md5-sess"]:
            raise SaslError("the server's DIGEST-MD5 challenge is not one of RFC 2831")
        offered = b",".join(said.get("qop") or [b"auth"])
        if b"auth" not in [word.strip() for word in offered.split(b",")]:
            raise SaslError("the server insists on a DIGEST-MD5 security layer")
        utf8 = [word.lower() for word in said.get("charset", [])] == [b"utf-8"]
        encoding = "utf-8" if utf8 else "latin-1"
        realms = [realm.decode(encoding, "replace") for realm in said.get("realm", [])]
        realm = self._realm or (realms[0] if realms else "")
        try:
            texts = (self._username, realm, self._password)
            user, asked, password = (text.encode(encoding) for text in texts)
        except UnicodeEncodeError as error:
            raise SaslError("the server takes no UTF-8 in names, passwords") from error
        nonce, cnonce = nonces[0], secrets.token_hex(16).encode()
        secret = _md5(b":".join([user, asked, password])) + b":"
        first = secret + nonce + b":" + cnonce
        uri = self._uri.encode()

        def proof(method: bytes) -> bytes:
            middle = b":".join([nonce, b"00000001", cnonce, b"auth"])
            second = _hex(method + b":" + uri)
            return _hex(_hex(first) + b":" + middle + b":" + second)

        self._expected = proof(b"")
        fields = [
            *([b"charset=utf-8"] if utf8 else []),
            b"username=" + _quoted(user),
            *([b"realm=" + _quoted(asked)] if realms or self._realm else []),
            b"nonce=" + _quoted(nonce),
            b"cnonce=" + _quoted(cnonce),
            b"nc=00000001,qop=auth",
            b"digest-uri=" + _quoted(uri),
            b"response=" + proof(b"AUTHENTICATE"),
        ]
        return b",".join(fields)


class Gssapi:
    """Kerberos 5, with the ticket cache or keytab that the environment names.

    Needs the package `gssapi`, which compiles against Kerberos' own library.
    """

    name = "GSSAPI"

    def __init__(self, host: str) -> None:
        try:
            # Optional and compiled: known to no type checker where it is missing.
            gssapi: Any = importlib.import_module("gssapi")
        except ImportError as error:
            raise DirectoryError(
                "auth_method gssapi needs the Python package gssapi",
                where="setting auth_method",
                fix="apt-get install libkrb5-dev gcc, then "
                "uv pip install 'flext-ldap[gssapi]'",
            ) from error
        self._errors = gssapi.exceptions.GSSError
        service = gssapi.Name(f"ldap@{host}", gssapi.NameType.hostbased_service)
        self._context: Any = gssapi.SecurityContext(name=service, usage="initiate")
        self.is_done = False

    def step(self, challenge: bytes | None) -> bytes | None:
        """Exchange tokens, then refuse every security layer (RFC 4752 section 3.1)."""
        try:
            if not self._context.complete:
                token: bytes | None = self._context.step(challenge)
                return token or b""
            offer = self._context.unwrap(challenge or b"").message
            if len(offer) != 4:  # noqa: PLR2004 - a bit mask and a size of 24 bits
                raise SaslError("the server's offer of security layers is not one")
            if not offer[0] & _NO_LAYER:
                raise SaslError(
                    "the server insists on a Kerberos security layer on top of TLS"
                )
            self.is_done = True
            wrapped = self._context.wrap(bytes([_NO_LAYER, 0, 0, 0]), encrypt=False)
            answer: bytes = wrapped.message
        except self._errors as error:
            said = " ".join(str(error).split())
            raise SaslError(f"Kerberos says: {said}") from error
        return answer


def directives(challenge: bytes) -> dict[str, list[bytes]]:
    """Read `name=value, name="value"` pairs (RFC 2831 section 7.1).

    Raises:
        SaslError: Something else stands there.
    """
    found: dict[str, list[bytes]] = {}
    at = 0
    while at < len(challenge):
        match = _DIRECTIVE.match(challenge, at)
        if match is None:
            raise SaslError("the server's DIGEST-MD5 challenge cannot be read")
        quoted, plain = match[2], match[3]
        value = plain if quoted is None else re.sub(rb"\\(.)", rb"\1", quoted)
        found.setdefault(match[1].decode().lower(), []).append(value)
        at = match.end()
    return found


def _quoted(value: bytes) -> bytes:
    return b'"' + re.sub(rb'(["\\])', rb"\\\1", value) + b'"'


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def _hex(data: bytes) -> bytes:
    return _md5(data).hex().encode()

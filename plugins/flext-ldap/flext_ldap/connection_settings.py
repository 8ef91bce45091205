"""What a connection needs to know, read and checked from a plugin's settings.

Tap and target share these settings; `session` acts on them. Every fault of a
configuration is found here, before a socket is opened.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from flext_ldap.dn import DnError
from flext_ldap.dn import parse as parse_dn
from flext_ldap.errors import DirectoryError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PORTS = {"ldap": 389, "ldaps": 636}
AUTH_METHODS = ("simple", "anonymous", "external", "digest_md5", "gssapi")
#: Older names of a setting, read where the first is absent.
ALIASES = {
    "password": ("bind_password",),
    "base_dn": ("search_base",),
    "start_tls": ("use_tls",),
}


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """One server: `host` is a path for ldapi."""

    scheme: str
    host: str
    port: int

    @property
    def url(self) -> str:
        """The address as people write it."""
        if self.scheme == "ldapi":
            return f"ldapi://{self.host}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """Checked connection settings; the password never shows in a repr."""

    addresses: tuple[ServerAddress, ...]
    base_dn: str
    start_tls: bool = False
    ca_file: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None
    auth_method: str = "simple"
    bind_dn: str = ""
    password: str = field(default="", repr=False)
    sasl_username: str = ""
    sasl_realm: str | None = None
    page_size: int = 1000
    connect_timeout_seconds: float = 10.0
    request_timeout_seconds: float = 60.0
    max_retries: int = 3
    max_message_bytes: int = 1 << 28
    insecure_skip_verify: bool = False
    insecure_plain_text: bool = False

    @property
    def is_private(self) -> bool:
        """Whether every address is protected from readers on the way."""
        return self.start_tls or all(a.scheme != "ldap" for a in self.addresses)


def parse_url(url: str) -> ServerAddress:
    """Return the address of one URL.

    Raises:
        DirectoryError: Not an ldap, ldaps or ldapi URL of just a host and port.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise _bad("url", f"is no URL: {error}", "write ldaps://host:636") from error
    if parts.scheme == "ldapi":
        path = unquote(parts.netloc)
        if not path.startswith("/"):
            raise _bad(
                "url",
                f"{url!r} names no absolute socket path",
                "write ldapi://%2Frun%2Fslapd%2Fldapi",
            )
        return ServerAddress("ldapi", path, 0)
    if parts.scheme not in DEFAULT_PORTS:
        raise _bad(
            "url",
            f"{url!r} has the scheme {parts.scheme or 'none'!r}",
            "use ldaps://, ldap:// or ldapi://",
        )
    if not parts.hostname or parts.username or parts.path.strip("/") or parts.query:
        raise _bad(
            "url",
            "holds more or less than a host and a port",
            "write ldaps://host:636; the base belongs into base_dn, "
            "credentials into bind_dn and password",
        )
    return ServerAddress(
        parts.scheme, parts.hostname, port or DEFAULT_PORTS[parts.scheme]
    )


def read_settings(config: Mapping[str, Any]) -> ConnectionSettings:
    """Return the connection settings of a plugin's configuration.

    Raises:
        DirectoryError: The first setting that is missing or contradicts another.
    """

    def value(name: str, default: Any = None) -> Any:  # noqa: ANN401 (settings are JSON)
        for key in (name, *ALIASES.get(name, ())):
            if config.get(key) is not None:
                return config[key]
        return default

    settings = ConnectionSettings(
        addresses=_addresses(config),
        base_dn=str(value("base_dn", "")),
        start_tls=bool(value("start_tls")),
        ca_file=value("ca_file"),
        client_certificate=value("client_certificate"),
        client_key=value("client_key"),
        auth_method=str(value("auth_method", "")) or _default_method(config),
        bind_dn=str(value("bind_dn", "")),
        password=str(value("password", "")),
        sasl_username=str(value("sasl_username", "")),
        sasl_realm=value("sasl_realm"),
        page_size=int(value("page_size", 1000)),
        connect_timeout_seconds=float(value("connect_timeout_seconds", 10)),
        request_timeout_seconds=float(value("request_timeout_seconds", 60)),
        max_retries=int(value("max_retries", 3)),
        max_message_bytes=int(value("max_message_bytes", 1 << 28)),
        insecure_skip_verify=bool(value("insecure_skip_verify")),
        insecure_plain_text=bool(value("insecure_plain_text")),
    )
    _check(settings)
    return settings


def _default_method(config: Mapping[str, Any]) -> str:
    return "simple" if config.get("bind_dn") else "anonymous"


def _addresses(config: Mapping[str, Any]) -> tuple[ServerAddress, ...]:
    given = config.get("url")
    if given:
        urls = _url_list(given)
        return tuple(parse_url(url) for url in urls)
    host = config.get("host")
    if not host:
        raise _bad(
            "url", "is missing", "set url to ldaps://host, or set host (and port)"
        )
    scheme = "ldaps" if config.get("use_ssl") else "ldap"
    hosts = re.split(r"[\s,]+", host.strip()) if isinstance(host, str) else host
    port = int(config.get("port") or DEFAULT_PORTS[scheme])
    return tuple(ServerAddress(scheme, str(name), port) for name in hosts)


def _url_list(given: object) -> list[str]:
    """Return the URLs of a list, of its JSON text (from a variable), or of words."""
    if isinstance(given, str) and given.strip().startswith("["):
        try:
            given = json.loads(given)
        except ValueError as error:
            raise _bad("url", "is no JSON list", "write ldaps://host") from error
    if isinstance(given, str):
        return re.split(r"[\s,]+", given.strip())
    return [str(url) for url in given] if isinstance(given, list) else [str(given)]


def _check(settings: ConnectionSettings) -> None:
    try:
        parse_dn(settings.base_dn)
    except DnError as error:
        raise _bad("base_dn", f"is no DN: {error}", "write dc=example,dc=com") from None
    if settings.start_tls and any(a.scheme != "ldap" for a in settings.addresses):
        raise _bad(
            "start_tls",
            "goes with ldap:// addresses only",
            "drop start_tls for ldaps://, which is TLS from the first byte",
        )
    for name in ("ca_file", "client_certificate", "client_key"):
        path = getattr(settings, name)
        if path and not Path(path).is_file():
            raise _bad(name, f"{path} is not a file", "give the path of a PEM file")
    if settings.client_key and not settings.client_certificate:
        raise _bad("client_key", "has no client_certificate", "set both")
    if not 0 <= settings.page_size <= 1_000_000:  # noqa: PLR2004 (beyond it is a slip)
        raise _bad("page_size", f"is {settings.page_size}", "use 1000; 0 is no paging")
    _check_authentication(settings)


def _check_authentication(settings: ConnectionSettings) -> None:
    if settings.auth_method not in AUTH_METHODS:
        raise _bad(
            "auth_method",
            f"is {settings.auth_method!r}",
            f"use one of {', '.join(AUTH_METHODS)}",
        )
    if settings.auth_method in ("anonymous", "external"):
        return
    if settings.auth_method == "simple" and not settings.bind_dn:
        raise _bad("bind_dn", "is missing", "set it, or auth_method: anonymous")
    if settings.auth_method == "digest_md5" and not settings.sasl_username:
        raise _bad("sasl_username", "is missing", "set it to the name that logs in")
    if settings.auth_method != "gssapi" and not settings.password:
        # RFC 4513 section 5.1.2: a DN without a password "succeeds" anonymously.
        raise _bad("password", "is missing", "set it, or auth_method: anonymous")
    if not settings.is_private and not settings.insecure_plain_text:
        raise DirectoryError(
            "the password would travel unencrypted"
            if settings.auth_method == "simple"
            else "what is read and written would travel unencrypted",
            where="setting url",
            fix="use ldaps://, or start_tls: true; for a test server on loopback "
            "set insecure_plain_text: true",
        )


def _bad(setting: str, what: str, fix: str) -> DirectoryError:
    return DirectoryError(f"{setting} {what}", where=f"setting {setting}", fix=fix)

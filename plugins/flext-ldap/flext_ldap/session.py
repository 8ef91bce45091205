"""An open directory: the first of several hosts that answers, TLS and bind done.

Tap and target reach the server only through a `Session`. It turns the ways in
which opening can fail into one line a person can act on, and opens again on
the next host when a connection is lost.
"""

from __future__ import annotations

import logging
import socket
import ssl
import time
from typing import TYPE_CHECKING, Self

from flext_ldap import filters, messages, results, sasl, server_kind
from flext_ldap.connection import Connection
from flext_ldap.errors import DirectoryError
from flext_ldap.results import ConnectionLostError, LdapError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flext_ldap.connection import Entry
    from flext_ldap.connection_settings import ConnectionSettings, ServerAddress
    from flext_ldap.messages import Attributes, Control
    from flext_ldap.server_kind import ServerInfo

logger = logging.getLogger(__name__)

ANY_ENTRY = filters.parse("(objectClass=*)")
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0
_MOST_STEPS = 10


class Session:
    """A bound connection to the first reachable server, and what it is.

    Use as a context manager, or call `close`.
    """

    def __init__(self, settings: ConnectionSettings) -> None:
        self.settings = settings
        self._connection: Connection | None = None
        self._address: ServerAddress | None = None
        self._server: ServerInfo | None = None
        self.references_seen = 0

    def __enter__(self) -> Self:
        """Return the session; nothing is opened yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self.close()

    @property
    def connection(self) -> Connection:
        """The open connection; opened on first use and after a loss."""
        if self._connection is None or not self._connection.is_open:
            self._connection = self._open_first()
        return self._connection

    @property
    def where(self) -> str:
        """The server in use, for messages."""
        address = self._address or self.settings.addresses[0]
        return address.url

    @property
    def server(self) -> ServerInfo:
        """What the root DSE says; read once."""
        if self._server is None:
            root = self.read("", server_kind.ROOT_DSE_ATTRIBUTES) or {}
            self._server = server_kind.detect(root)
        return self._server

    def sibling(self) -> Session:
        """Return a second session: one connection carries one search at a time."""
        return Session(self.settings)

    def close(self) -> None:
        """Close the connection; a later use opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # ------------------------------------------------------------- reading

    def search(
        self,
        base: str,
        scope: str,
        wire_filter: bytes,
        attributes: Iterable[str],
        controls: Iterable[Control] = (),
    ) -> Iterator[Entry]:
        """Yield the entries of one search, paged; see `Connection.search`."""
        return self.connection.search(
            base,
            scope,
            wire_filter,
            attributes,
            page_size=self.settings.page_size,
            controls=controls,
            on_reference=self._note_reference,
        )

    def read(self, dn: str, attributes: Iterable[str]) -> Attributes | None:
        """Return one entry's attributes, or None where it does not exist."""
        search = self.connection.search(dn, "base", ANY_ENTRY, attributes, page_size=0)
        try:
            found = [entry for _, entry in search]
        except LdapError as error:
            if error.code != results.NO_SUCH_OBJECT:
                raise
            return None
        return found[0] if found else None

    def _note_reference(self, urls: list[str]) -> None:
        if not self.references_seen:
            logger.warning(
                "the server refers to another one, which is not followed: %s",
                " ".join(urls),
            )
        self.references_seen += 1

    # ------------------------------------------------------------- opening

    def pause(self, attempt: int) -> None:
        """Wait before another try: 0.2 s, doubling up to 10 s."""
        time.sleep(min(_FIRST_PAUSE_SECONDS * 2**attempt, _LONGEST_PAUSE_SECONDS))

    def _open_first(self) -> Connection:
        """Return a bound connection to the first host that gives one.

        Wrong credentials end the search at once: the same password at the
        next host would only bring the account nearer to being locked.
        """
        failures: list[tuple[ServerAddress, Exception]] = []
        for attempt in range(self.settings.max_retries + 1):
            failures = []
            for address in self.settings.addresses:
                try:
                    connection = self._open(address)
                except (OSError, ConnectionLostError, LdapError) as error:
                    if isinstance(error, LdapError) and (
                        error.code not in results.TRANSIENT
                    ):
                        raise self._refusal(address, error) from error
                    failures.append((address, error))
                else:
                    self._address = address
                    return connection
            if all(isinstance(e, ssl.SSLError) for _, e in failures):
                break  # a certificate does not get better by waiting
            if attempt < self.settings.max_retries:
                self.pause(attempt)
        raise _unreachable(failures)

    def _open(self, address: ServerAddress) -> Connection:
        settings = self.settings
        sock = _connect(address, settings.connect_timeout_seconds)
        try:
            if address.scheme == "ldaps":
                sock = tls_context(settings).wrap_socket(
                    sock, server_hostname=address.host
                )
            connection = Connection(
                sock,
                timeout_seconds=settings.request_timeout_seconds,
                max_message_bytes=settings.max_message_bytes,
                is_private=address.scheme != "ldap",
            )
            if settings.start_tls:
                connection.start_tls(tls_context(settings), address.host)
            self._bind(connection, address)
        except BaseException:
            sock.close()
            raise
        return connection

    def _bind(self, connection: Connection, address: ServerAddress) -> None:
        settings = self.settings
        if settings.auth_method in ("digest_md5", "gssapi"):
            self._bind_in_steps(connection, address)
            return
        if settings.auth_method == "external":
            request = messages.sasl_bind("EXTERNAL", b"")
        elif settings.auth_method == "simple":
            request = messages.simple_bind(settings.bind_dn, settings.password)
        else:
            return  # a fresh connection is anonymous: RFC 4513 section 4
        connection.bind("bind", request)

    def _bind_in_steps(self, connection: Connection, address: ServerAddress) -> None:
        """Go through a SASL exchange of several steps (RFC 4513 section 5.2)."""
        mechanism = sasl.mechanism(self.settings, address.host)
        answer: bytes | None
        try:
            answer = mechanism.step(None)
            for _ in range(_MOST_STEPS):
                request = messages.sasl_bind(mechanism.name, answer)
                response = connection.bind("bind", request)
                if response.code != results.SASL_BIND_IN_PROGRESS:
                    if response.value:  # the last proof may come with the success
                        mechanism.step(response.value)
                    break
                answer = mechanism.step(response.value or b"")
        except sasl.SaslError as error:
            raise self._unconvinced(address, str(error)) from error
        if not mechanism.is_done:
            raise self._unconvinced(address, "the server proved nothing of itself")

    def _unconvinced(self, address: ServerAddress, what: str) -> DirectoryError:
        return DirectoryError(
            f"the bind by {self.settings.auth_method} failed: {what}",
            where=address.url,
            fix="check the host's name in url, sasl_username and password, or the "
            "Kerberos ticket (klist)",
        )

    def _refusal(self, address: ServerAddress, error: LdapError) -> DirectoryError:
        settings = self.settings
        who = settings.sasl_username or settings.bind_dn or settings.auth_method
        said = results.describe(error.code, error.diagnostic)
        if error.code == results.INVALID_CREDENTIALS:
            return DirectoryError(
                f"the server refused the credentials of {who!r}: {said}",
                where=address.url,
                fix="check bind_dn and password",
            )
        if error.operation == "StartTLS":
            return DirectoryError(
                f"the server offers no TLS on this port: {said}",
                where=address.url,
                fix="use ldaps://, or have TLS set up on the server",
            )
        return DirectoryError(
            f"the server refused the bind of {who!r}: {said}",
            where=address.url,
            fix="use an authentication method the server allows",
        )


def _connect(address: ServerAddress, timeout_seconds: float) -> socket.socket:
    if address.scheme == "ldapi":
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(timeout_seconds)
        try:
            sock.connect(address.host)
        except BaseException:
            sock.close()
            raise
        return sock
    sock = socket.create_connection((address.host, address.port), timeout_seconds)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return sock


def tls_context(settings: ConnectionSettings) -> ssl.SSLContext:
    """Return the TLS policy: verify chain and host name unless told not to."""
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
        if settings.client_certificate:
            context.load_cert_chain(settings.client_certificate, settings.client_key)
    except (ssl.SSLError, OSError) as error:
        raise DirectoryError(
            f"a certificate file cannot be used: {error}",
            where="settings ca_file, client_certificate, client_key",
            fix="give PEM files",
        ) from error
    if settings.insecure_skip_verify:
        logger.warning(
            "insecure_skip_verify is on: anyone on the way can pose as the server"
        )
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _unreachable(failures: list[tuple[ServerAddress, Exception]]) -> DirectoryError:
    said = "; ".join(f"{address.url}: {_reason(error)}" for address, error in failures)
    if any(isinstance(error, ssl.SSLCertVerificationError) for _, error in failures):
        fix = (
            "set ca_file to the CA that signed the server's certificate, and use "
            "the host name the certificate is for"
        )
    else:
        fix = "check url, the network, and that the server is up"
    return DirectoryError(
        f"no directory server could be reached: {said}", where="setting url", fix=fix
    )


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate refused: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}"
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return str(error)

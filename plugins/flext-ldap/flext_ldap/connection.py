"""One LDAP connection: bytes in, bytes out, one search or one pipeline at a time.

`session` opens connections by policy (hosts, TLS, bind); tap and target never
construct one themselves. Every wait has a deadline, every message a size
limit, and an answer that is not LDAP ends the connection instead of the data.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, TypeAlias

from flext_ldap import ber, messages
from flext_ldap.messages import Attributes, Control, Response
from flext_ldap.results import (
    ConnectionLostError,
    LdapError,
    MessageError,
    OperationTimeoutError,
    describe,
)

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Callable, Generator, Iterable, Iterator

Entry: TypeAlias = tuple[str, Attributes]

_RECEIVE_BYTES = 1 << 18
_MAX_MESSAGE_ID = (1 << 31) - 1
_LONG_FORM = 0x80
_SHORTEST_MESSAGE = 7
MAX_MESSAGE_BYTES = 1 << 28


class Connection:
    """A connected socket that speaks LDAP.

    Args:
        sock: Connected; TLS may already be on it.
        timeout_seconds: The longest wait for one whole message, and for one
            write to be taken.
        max_message_bytes: A larger message is refused before it is read.
        is_private: Nobody on the way can read along: TLS or a local socket.
    """

    def __init__(
        self,
        sock: socket.socket,
        *,
        timeout_seconds: float,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        is_private: bool = False,
    ) -> None:
        self._sock = sock
        self.timeout_seconds = timeout_seconds
        self._max_message_bytes = max_message_bytes
        self.is_private = is_private
        self._buffer = b""
        self._next = 0
        self._last_id = 0
        self._abandoned: set[int] = set()
        self._names: dict[bytes, str] = {}
        self.is_open = True

    # ------------------------------------------------------------- bytes

    def _write(self, data: bytes) -> None:
        try:
            self._sock.settimeout(self.timeout_seconds)
            self._sock.sendall(data)
        except TimeoutError as error:
            self._give_up()
            raise OperationTimeoutError(
                f"server took no bytes for {self.timeout_seconds:g} s"
            ) from error
        except OSError as error:
            self._give_up()
            raise ConnectionLostError(f"connection lost: {error}") from error

    def _receive(self, at_most: int, deadline: float) -> bytes:
        # A socket timeout of 0 would mean "do not wait at all", another error.
        remaining = max(deadline - time.monotonic(), 0.001)
        try:
            self._sock.settimeout(remaining)
            data = self._sock.recv(at_most)
        except TimeoutError as error:
            self._give_up()
            raise OperationTimeoutError(
                f"no answer within {self.timeout_seconds:g} s"
            ) from error
        except OSError as error:
            self._give_up()
            raise ConnectionLostError(f"connection lost: {error}") from error
        if not data:
            self._give_up()
            raise ConnectionLostError("server closed the connection")
        return data

    def _next_message(self) -> tuple[int, int]:
        """Return where the content of the next whole message starts and ends."""
        deadline: float | None = None
        while True:
            buffer, start = self._buffer, self._next
            have = len(buffer) - start
            need = _SHORTEST_MESSAGE
            if have >= _SHORTEST_MESSAGE:
                size = buffer[start + 1]
                content = start + 2
                if size >= _LONG_FORM:
                    width = size & ~_LONG_FORM
                    if buffer[start] != ber.SEQUENCE or not 1 <= width <= 4:  # noqa: PLR2004 (lengths beyond 4 GiB are refused)
                        raise self._broken("message that is no BER sequence")
                    size = int.from_bytes(buffer[content : content + width], "big")
                    content += width
                elif buffer[start] != ber.SEQUENCE:
                    raise self._broken("message that is no BER sequence")
                if size > self._max_message_bytes:
                    raise self._broken(
                        f"message of {size} bytes, more than the limit of "
                        f"{self._max_message_bytes}"
                    )
                end = content + size
                if end <= len(buffer):
                    self._next = end
                    return content, end
                need = end - start
            if deadline is None:
                deadline = time.monotonic() + self.timeout_seconds
            self._fill(need, deadline)

    def _fill(self, need: int, deadline: float) -> None:
        """Receive until at least `need` bytes are unread.

        Chunks are joined once, or one value of 200 MB would be copied a
        thousand times over.
        """
        chunks = [self._buffer[self._next :]]
        have = len(chunks[0])
        while have < need:
            data = self._receive(_RECEIVE_BYTES, deadline)
            chunks.append(data)
            have += len(data)
        self._buffer = b"".join(chunks)
        self._next = 0

    def _broken(self, reason: str) -> MessageError:
        self._give_up()
        return MessageError(f"server sent no valid LDAP: {reason}")

    def _give_up(self) -> None:
        self.is_open = False
        with contextlib.suppress(OSError):
            self._sock.close()

    # ---------------------------------------------------------- messages

    def next_id(self) -> int:
        """Return a message id that is not in use."""
        self._last_id = self._last_id % _MAX_MESSAGE_ID + 1
        return self._last_id

    def send(self, request: bytes, controls: Iterable[Control] = ()) -> int:
        """Send one request; return its message id."""
        message_id = self.next_id()
        self._write(messages.envelope(message_id, request, controls))
        return message_id

    def send_many(self, requests: list[bytes]) -> list[int]:
        """Send several requests in one write; return their message ids."""
        ids = [self.next_id() for _ in requests]
        self._write(
            b"".join(
                messages.envelope(message_id, request)
                for message_id, request in zip(ids, requests, strict=True)
            )
        )
        return ids

    def receive(self) -> Response:
        """Return the next message of any kind but abandoned ones."""
        return self._receive_message()[0]

    def _receive_message(self) -> tuple[Response, int, int]:
        while True:
            start, end = self._next_message()
            response = self._read_at(start, end)
            if response is not None:
                return response, start, end

    def _read_at(self, start: int, end: int) -> Response | None:
        """Read a message that lies in the buffer; None if it was abandoned."""
        try:
            response = messages.read_response(self._buffer, start, end)
        except ber.BerError as error:
            raise self._broken(str(error)) from error
        if response.message_id == 0:  # notice of disconnection, RFC 4511 4.4.1
            self._give_up()
            raise ConnectionLostError(
                "server ends the connection: "
                + describe(response.code, response.diagnostic)
            )
        return None if response.message_id in self._abandoned else response

    def request(self, request: bytes, controls: Iterable[Control] = ()) -> Response:
        """Send one request and return its only answer, whatever its code.

        Raises:
            ConnectionLostError: There was no answer, or none that fits.
        """
        message_id = self.send(request, controls)
        response = self.receive()
        self._expect(response, message_id)
        return response

    def _expect(self, response: Response, message_id: int) -> None:
        """Refuse an answer to a question that was not asked."""
        if response.message_id != message_id:
            raise self._broken(
                f"answer to message {response.message_id}, expected {message_id}"
            )

    # --------------------------------------------------------- operations

    def start_tls(self, context: ssl.SSLContext, server_name: str) -> None:
        """Turn TLS on (RFC 4511 section 4.14).

        Bytes that arrived in plain text behind the answer are refused: they
        could be anyone's, read as if TLS had protected them.
        """
        response = self.request(messages.extended(messages.START_TLS))
        if response.code:
            raise LdapError("StartTLS", response.code, response.diagnostic)
        if self._next != len(self._buffer):
            raise self._broken("plain bytes behind the StartTLS answer")
        self._sock.settimeout(self.timeout_seconds)
        self._sock = context.wrap_socket(self._sock, server_hostname=server_name)
        self.is_private = True

    def bind(self, operation: str, request: bytes) -> Response:
        """Send one bind step; return its answer if it is success or "go on".

        Raises:
            LdapError: The server refused.
        """
        response = self.request(request)
        if response.code not in (0, 14):
            raise LdapError(operation, response.code, response.diagnostic)
        return response

    def who_am_i(self) -> str:
        """Return the authorisation id of this connection (RFC 4532)."""
        response = self.request(messages.extended(messages.WHO_AM_I))
        if response.code:
            raise LdapError("whoami", response.code, response.diagnostic)
        return (response.value or b"").decode("utf-8", "replace")

    def search(
        self,
        base: str,
        scope: str,
        wire_filter: bytes,
        attributes: Iterable[str],
        *,
        page_size: int = 1000,
        controls: Iterable[Control] = (),
        on_reference: Callable[[list[str]], None] | None = None,
    ) -> Iterator[Entry]:
        """Yield entries as they arrive, page after page.

        References to other servers go to `on_reference` and are never
        followed. If the caller stops early, the search is abandoned.

        Raises:
            LdapError: The search ended with anything but success, a size limit
                of the server included: part of an answer is no answer.
            ConnectionLostError: The connection ended before the search did.
        """
        request = messages.search(base, scope, wire_filter, attributes)
        cookie = b""
        while True:
            sent = list(controls)
            if page_size:
                sent.append(messages.paged_results(page_size, cookie))
            done = yield from self._search_once(request, sent, on_reference)
            try:
                cookie = messages.paged_cookie(done) if page_size else b""
            except ber.BerError as error:
                raise self._broken(str(error)) from error
            if not cookie:
                return

    def _search_once(
        self,
        request: bytes,
        controls: list[Control],
        on_reference: Callable[[list[str]], None] | None,
    ) -> Generator[Entry, None, Response]:
        message_id = self.send(request, controls)
        prefix = ber.integer(message_id)
        prefix_size = len(prefix)
        names = self._names
        is_done = False
        try:
            while True:
                start, end = self._next_message()
                buffer = self._buffer
                at = start + prefix_size
                if (
                    buffer[at : at + 1] == b"\x64"  # messages.SEARCH_ENTRY
                    and buffer[start:at] == prefix
                ):
                    try:
                        _, content, stop = ber.read_tlv(buffer, at, end)
                        entry = messages.read_entry(buffer, content, stop, names)
                    except ber.BerError as error:
                        raise self._broken(str(error)) from error
                    yield entry
                    continue
                response = self._read_at(start, end)
                if response is None:
                    continue
                self._expect(response, message_id)
                if response.tag == messages.SEARCH_REFERENCE:
                    if on_reference:
                        on_reference(response.referrals)
                elif response.tag == messages.SEARCH_DONE:
                    is_done = True
                    _check_search(response)
                    return response
        finally:
            if not is_done and self.is_open:
                self.abandon(message_id)

    def exchange(
        self, request: bytes, controls: list[Control]
    ) -> Iterator[tuple[Response, Entry | None]]:
        """Yield every message of one search with its controls, the last one too.

        Slower than `search`; for protocols that speak through controls and
        intermediate messages (syncrepl, DirSync). The code of the last message
        is left to the caller.
        """
        message_id = self.send(request, controls)
        is_done = False
        try:
            while not is_done:
                response, start, end = self._receive_message()
                self._expect(response, message_id)
                entry = None
                if response.tag == messages.SEARCH_ENTRY:
                    try:
                        _, _, after_id = ber.read_tlv(self._buffer, start, end)
                        _, a, z = ber.read_tlv(self._buffer, after_id, end)
                        entry = messages.read_entry(self._buffer, a, z, self._names)
                    except ber.BerError as error:
                        raise self._broken(str(error)) from error
                is_done = response.tag == messages.SEARCH_DONE
                yield response, entry
        finally:
            if not is_done and self.is_open:
                self.abandon(message_id)

    def abandon(self, message_id: int) -> None:
        """Ask the server to stop an operation, and ignore what still comes."""
        self._abandoned.add(message_id)
        with contextlib.suppress(ConnectionLostError):
            self.send(messages.abandon(message_id))

    def close(self) -> None:
        """Unbind and close; never raises."""
        if self.is_open:
            with contextlib.suppress(ConnectionLostError):
                self.send(messages.unbind())
        self._give_up()


def _check_search(response: Response) -> None:
    if response.code:
        diagnostic = response.diagnostic
        if response.referrals:
            diagnostic = f"{diagnostic} {' '.join(response.referrals)}".strip()
        raise LdapError("search", response.code, diagnostic, response.matched_dn)

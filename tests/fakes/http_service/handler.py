"""One request of a stand-in: faults, the log, framing and the control side."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import json
import socket
import threading
import time
import zlib
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from fakes.http_service.clock import Clock
from fakes.http_service.faults import Fault, Faults

ERROR_PAGE = b"<html><head><title>Error</title></head><body>upstream</body></html>"
LOGIN_PAGE = b"<html><body><form action='/login'>Sign in</form></body></html>"


@dataclasses.dataclass
class Reply:
    """What goes back: status, body and its type, further headers."""

    status: int = 200
    payload: bytes = b""
    kind: str = "application/json"
    headers: dict[str, str] = dataclasses.field(default_factory=dict)


class Service:
    """State that every stand-in has; a service adds its own."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.faults = Faults()
        self.log: list[dict[str, Any]] = []
        self.lock = threading.RLock()

    def control(self, name: str, rest: str, data: Any) -> Any:
        """Answers `/__sim__/<name>/<rest>`; gives what goes back as JSON."""
        msg = f"unknown control {name!r} {rest!r} {data!r}"
        raise KeyError(msg)


def dump(value: Any) -> bytes:
    """JSON with exact decimals: a Decimal is written as its digits, not as a float."""
    marks: dict[str, str] = {}

    def mark(item: Any) -> str:
        if isinstance(item, Decimal):
            name = f"@decimal{len(marks)}@"
            marks[f'"{name}"'] = format(item, "f")
            return name
        raise TypeError(type(item))

    text = json.dumps(value, default=mark, ensure_ascii=False)
    for name, digits in marks.items():
        text = text.replace(name, digits)
    # A lone surrogate can only travel escaped.
    return text.encode("utf-8", "backslashreplace")


class Handler(BaseHTTPRequestHandler):
    """Frames the answers of a service; subclasses write `answer`."""

    protocol_version = "HTTP/1.1"
    # Head and body go out in two writes: Nagle would hold the second up for 40 ms.
    disable_nagle_algorithm = True
    server: Server

    def answer(self, method: str, body: bytes) -> Reply:
        """The service's answer to a request that met no fault."""
        raise NotImplementedError

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Requests are kept in the service's log instead of stderr."""

    def do_GET(self) -> None:
        self.respond("GET")

    def do_HEAD(self) -> None:
        self.respond("HEAD")

    def do_POST(self) -> None:
        self.respond("POST")

    def do_PATCH(self) -> None:
        self.respond("PATCH")

    def do_PUT(self) -> None:
        self.respond("PUT")

    def do_DELETE(self) -> None:
        self.respond("DELETE")

    def respond(self, method: str) -> None:
        service = self.server.service
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.startswith("/__sim__/"):
            self.control(method, body)
            return
        entry = {
            "listener": self.server.name,
            "method": method,
            "path": self.path,
            "host": self.headers.get("Host", ""),
            "has_authorization": "Authorization" in self.headers,
            "body": body.decode("utf-8", "replace"),
        }
        with service.lock:
            service.log.append(entry)
        fault = service.faults.take(method, self.path)
        if fault and not self.begin_fault(fault):
            return
        reply = self.answer(method, body)
        entry["status"] = reply.status
        if fault and fault.kind == "reset_after":
            self.reset()
            return
        self.send(reply, fault)

    def send(self, reply: Reply, fault: Fault | None = None) -> None:
        kind = fault.kind if fault else ""
        payload = reply.payload
        if kind == "truncated":
            self.send_head(reply, len(payload))
            self.wfile.write(payload[: len(payload) // 2])
            self.wfile.flush()
            self.reset()
        elif kind == "gzip_truncated":
            packed = gzip.compress(payload)
            packed = packed[: len(packed) // 2]
            reply.headers["Content-Encoding"] = "gzip"
            self.send_head(reply, len(packed))
            self.wfile.write(packed)
        elif kind == "gzip_bomb":
            # 8 GiB of zeros: one block after the other, the same bytes each time.
            packer = zlib.compressobj(9, zlib.DEFLATED, 31)
            block = packer.compress(bytes(2**24)) + packer.flush(zlib.Z_FULL_FLUSH)
            again = packer.compress(bytes(2**24)) + packer.flush(zlib.Z_FULL_FLUSH)
            reply.headers["Content-Encoding"] = "gzip"
            self.send_head(reply, len(block) + 511 * len(again))
            with contextlib.suppress(OSError):  # a client that hangs up is right
                self.wfile.write(block)
                for _ in range(511):
                    self.wfile.write(again)
            self.close_connection = True
        elif kind == "drip" and fault:
            self.send_head(reply, len(payload))
            step = max(1, len(payload) // 20)
            for start in range(0, len(payload), step):
                self.wfile.write(payload[start : start + step])
                self.wfile.flush()
                time.sleep(fault.seconds / 20)
        else:
            self.send_head(reply, len(payload))
            if self.command != "HEAD":
                self.wfile.write(payload)

    def send_head(self, reply: Reply, length: int) -> None:
        self.send_response(reply.status)
        if reply.payload or length:
            self.send_header("Content-Type", f"{reply.kind}; charset=utf-8")
        self.send_header("Content-Length", str(length))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()

    def reset(self) -> None:
        """Ends the connection with RST, as a broken gateway does."""
        self.close_connection = True
        linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()

    def begin_fault(self, fault: Fault) -> bool:
        """Does what a fault does before the answer; False when it was the answer."""
        extra = (
            {"Retry-After": fault.retry_after} if fault.retry_after is not None else {}
        )
        if fault.kind == "reset_before":
            self.reset()
        elif fault.kind in {"502", "503", "504", "429", "500_html"}:
            self.send(Reply(int(fault.kind[:3]), ERROR_PAGE, "text/html", extra))
        elif fault.kind in {"500", "409", "401"}:
            self.send(self.error(int(fault.kind), extra))
        elif fault.kind == "login_page":
            self.send(Reply(200, LOGIN_PAGE, "text/html"))
        elif fault.kind in {"empty", "null"}:
            self.send(Reply(200, b"null" if fault.kind == "null" else b""))
        else:
            if fault.kind == "slow_headers":
                time.sleep(fault.seconds)
            return True
        return False

    def error(self, status: int, headers: dict[str, str]) -> Reply:
        """The service's own error body for a fault."""
        return Reply(status, dump({"message": "Error"}), headers=headers)

    def control(self, method: str, body: bytes) -> None:
        service = self.server.service
        path = urlsplit(self.path).path.removeprefix("/__sim__/")
        name, _, rest = path.partition("/")
        data = json.loads(body) if body else {}
        result: Any = {"ok": True}
        if name == "log":
            result = list(service.log)
            if method == "DELETE":
                service.log.clear()
        elif name == "faults" and method == "DELETE":
            service.faults.clear()
        elif name == "faults":
            service.faults.add(data)
        elif name == "clock":
            service.clock.advance(float(data["advance_seconds"]))
        else:
            result = service.control(name, rest, data)
        self.send(Reply(200, dump(result)))


class Server(ThreadingHTTPServer):
    """One listener on loopback; several may share a service."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, port: int, service: Service, handler: type[Handler], name: str
    ) -> None:
        super().__init__(("127.0.0.1", port), handler)
        self.service = service
        self.name = name

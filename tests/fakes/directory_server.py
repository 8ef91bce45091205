"""A small LDAP server that plays Active Directory or 389-DS where slapd cannot.

It knows search and bind only, and speaks from a list of entries. What it does
the vendors' way was written from their documents ([MS-ADTS]; RFC 4533 with the
departures of 389-DS 2.3) and from what Samba 4.17 and 389-DS 2.3 answered when
they were asked: ranged values, search references, DirSync, uSNChanged with
tombstones, and a SyncDone that says refreshDeletes = false after deletes. It
is no judge of how the real servers behave; it keeps our side from forgetting.
"""

from __future__ import annotations

import socketserver
import threading
import uuid
from dataclasses import dataclass, field

from flext_ldap import ber, messages
from flext_ldap.messages import Control
from flext_ldap.server_kind import DIR_SYNC, SHOW_DELETED, SYNC_REQUEST

SYNC_STATE, SYNC_DONE, SYNC_INFO = (f"1.3.6.1.4.1.4203.1.9.1.{n}" for n in (2, 3, 4))
RANGE = 5  # values an attribute may have before it comes in pieces


@dataclass
class FakeEntry:
    dn: str
    attributes: dict[str, list[bytes]]
    is_deleted: bool = False

    def first(self, name):
        return next(iter(self.attributes.get(name, [])), b"")


@dataclass
class Request:
    base: str
    scope: int
    wire_filter: bytes
    attributes: list[str]
    controls: dict[str, bytes]


@dataclass
class FakeDirectory:
    """What the server holds, and what it was asked.

    `dir_sync` and `sync` are lists of answers, taken one per request: of
    (changed guids, deleted guids, cookie, has more) and of (changed uuids,
    deleted uuids, cookie, refresh deletes, present uuids).
    """

    root: dict[str, list[bytes]]
    entries: list[FakeEntry] = field(default_factory=list)
    dir_sync: list = field(default_factory=list)
    sync: list = field(default_factory=list)
    asked: list[Request] = field(default_factory=list)
    references: list[bytes] = field(default_factory=list)

    def __enter__(self):
        directory = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                serve(self.request, directory)

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)

    @property
    def config(self):
        return {
            "url": f"ldap://127.0.0.1:{self.server.server_address[1]}",
            "base_dn": "dc=ex,dc=test",
            "max_retries": 0,
        }


def serve(sock, directory):
    """Answer requests until the client goes."""
    buffer = b""
    while True:
        try:
            _, start, end = ber.read_tlv(buffer, 0, len(buffer))
        except ber.BerError:
            data = sock.recv(65536)
            if not data:
                return
            buffer += data
            continue
        parts = [(t, buffer[a:z]) for t, a, z in ber.read_items(buffer, start, end)]
        buffer = buffer[end:]
        message_id, (tag, content) = ber.read_integer(parts[0][1]), parts[1]
        if tag == 0x42:
            return
        if tag == 0x60:
            sock.sendall(messages.envelope(message_id, done(0x61)))
        elif tag == 0x63:
            request = read_search(content, parts[2][1] if len(parts) > 2 else b"")
            directory.asked.append(request)
            answer = b"".join(
                messages.envelope(message_id, operation, controls)
                for operation, controls in search(directory, request)
            )
            sock.sendall(answer)


def read_search(content, controls):
    fields = [
        (t, content[a:z], a, z) for t, a, z in ber.read_items(content, 0, len(content))
    ]
    header = fields[6][2]
    # The filter with its tag: from the end of the boolean before it.
    start = fields[5][3]
    del header
    return Request(
        base=fields[0][1].decode(),
        scope=fields[1][1][0],
        wire_filter=content[start : fields[6][3]],
        attributes=[
            v.decode() for _, v in ber.read_sequence(ber.tlv(0x30, fields[7][1]))
        ],
        controls={
            parts[0][1].decode(): next((v for t, v in parts[1:] if t == 4), b"")
            for parts in (
                ber.read_sequence(ber.tlv(0x30, raw))
                for _, raw in ber.read_sequence(ber.tlv(0x30, controls))
            )
        },
    )


def done(tag=0x65, code=0):
    return ber.sequence(ber.enumerated(code), ber.octets(""), ber.octets(""), tag=tag)


def entry_message(dn, attributes):
    listed = (
        ber.sequence(ber.octets(n), ber.sequence(*map(ber.octets, v), tag=ber.SET))
        for n, v in attributes.items()
    )
    return ber.sequence(ber.octets(dn), ber.sequence(*listed), tag=0x64)


def search(directory, request):
    """Yield (operation, controls) of each message of the answer."""
    if request.base == "" and request.scope == 0:
        yield entry_message("", directory.root), []
        yield done(), []
        return
    if SYNC_REQUEST in request.controls:
        yield from sync(directory)
        return
    if DIR_SYNC in request.controls:
        yield from dir_sync(directory)
        return
    shows_deleted = SHOW_DELETED in request.controls
    found = [
        entry
        for entry in directory.entries
        if within(entry.dn, request.base, request.scope)
        and matches(entry, request.wire_filter)
        and (shows_deleted or not entry.is_deleted)
    ]
    if request.scope == 0 and not found:
        yield done(code=32), []
        return
    for entry in found:
        yield entry_message(entry.dn, picked(entry, request.attributes)), []
    for url in directory.references:
        yield ber.sequence(ber.octets(url), tag=0x73), []
    yield done(), []


def within(dn, base, scope):
    dn, base = dn.lower(), base.lower()
    return dn == base or (scope > 0 and dn.endswith("," + base))


def picked(entry, names):
    """Return the attributes asked for, long ones in pieces as AD does."""
    wanted = {name.lower() for name in names}
    out = {}
    for name, values in entry.attributes.items():
        asked = next(
            (n for n in names if n.lower().startswith(name.lower() + ";range=")), None
        )
        if asked:
            start = int(asked.rpartition("=")[2].partition("-")[0])
            piece = values[start : start + RANGE]
            last = start + RANGE >= len(values)
            end = "*" if last else start + RANGE - 1
            out[f"{name};range={start}-{end}"] = piece
        elif "*" in wanted or name.lower() in wanted:
            if len(values) > RANGE and name == "member":
                out[name] = []
                out[f"{name};range=0-{RANGE - 1}"] = values[:RANGE]
            else:
                out[name] = values
    return out


def matches(entry, wire_filter):
    tag, start, end = ber.read_tlv(wire_filter, 0, len(wire_filter))
    parts = []
    at = start
    if tag in (0xA0, 0xA1, 0xA2):
        while at < end:
            _, _, after = ber.read_tlv(wire_filter, at, end)
            parts.append(matches(entry, wire_filter[at:after]))
            at = after
        return {0xA0: all, 0xA1: any, 0xA2: lambda p: not p[0]}[tag](parts)
    lower = {name.lower(): values for name, values in entry.attributes.items()}
    if tag == 0x87:
        return wire_filter[start:end].decode().lower() in lower
    (_, name), (_, value) = ber.read_sequence(ber.tlv(0x30, wire_filter[start:end]))
    values = lower.get(name.decode().lower(), [])
    if tag == 0xA5:
        return any(int(v) >= int(value) for v in values)
    return any(v.lower() == value.lower() for v in values)


def dir_sync(directory):
    changed, deleted, cookie, has_more = directory.dir_sync.pop(0)
    for guid in changed:
        # Part of an object: only what changed, besides the id.
        yield entry_message("cn=part", {"objectGUID": [guid], "mail": [b"x"]}), []
    for guid in deleted:
        gone = {"objectGUID": [guid], "isDeleted": [b"TRUE"]}
        yield entry_message("cn=gone", gone), []
    value = ber.sequence(ber.integer(int(has_more)), ber.integer(0), ber.octets(cookie))
    yield done(), [Control(DIR_SYNC, critical=False, value=value)]


def sync(directory):
    changed, deleted, cookie, refresh_deletes, present = directory.sync.pop(0)
    for one in changed:
        state = ber.sequence(ber.enumerated(1), ber.octets(uuid.UUID(one).bytes))
        yield (
            entry_message("cn=x", {}),
            [Control(SYNC_STATE, critical=False, value=state)],
        )
    for ids, deletes in ((deleted, True), (present, False)):
        if ids:
            listed = (ber.octets(uuid.UUID(one).bytes) for one in ids)
            info = ber.sequence(
                ber.boolean(value=deletes), ber.sequence(*listed, tag=ber.SET), tag=0xA3
            )
            body = ber.octets(SYNC_INFO, 0x80) + ber.octets(info, 0x81)
            yield ber.tlv(0x79, body), []
    value = ber.sequence(ber.octets(cookie), ber.boolean(value=refresh_deletes))
    yield done(), [Control(SYNC_DONE, critical=False, value=value)]

"""TNS packets, TTC integers and the on-the-wire forms of Oracle data types."""

from __future__ import annotations

import datetime as dt
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

CONNECT, ACCEPT, REFUSE, REDIRECT, DATA, MARKER = 1, 2, 4, 5, 6, 12
T_VARCHAR, T_NUMBER, T_LONG, T_ROWID, T_DATE, T_RAW, T_LONG_RAW = (
    1,
    2,
    8,
    11,
    12,
    23,
    24,
)
T_CHAR, T_BFLOAT, T_BDOUBLE, T_CURSOR, T_OBJECT = 96, 100, 101, 102, 109
T_CLOB, T_BLOB, T_JSON, T_VECTOR = 112, 113, 119, 127
T_TS, T_TSTZ, T_IYM, T_IDS, T_UROWID, T_TSLTZ, T_BOOL = (
    180,
    181,
    182,
    183,
    208,
    231,
    252,
)
T_BINARY_INTEGER = 3
TEXT = {T_VARCHAR, T_CHAR, T_LONG}
BINARY = {T_RAW, T_LONG_RAW}
DATES = {T_DATE, T_TS, T_TSTZ, T_TSLTZ}


class Closed(Exception):
    pass


class Break(Exception):
    """The client sent a marker (cancel / call timeout)."""


class Transport:
    def __init__(self, sock: socket.socket):
        self.sock, self.large, self.sdu = sock, False, 8192

    def _exact(self, n):
        out = bytearray()
        while len(out) < n:
            chunk = self.sock.recv(n - len(out))
            if not chunk:
                raise Closed
            out += chunk
        return bytes(out)

    def recv_packet(self):
        head = self._exact(8)
        size = (
            struct.unpack(">I", head[:4])[0]
            if self.large
            else struct.unpack(">H", head[:2])[0]
        )
        return head[4], head[5], self._exact(size - 8)

    def send_packet(self, kind, body, flags=0):
        n = len(body) + 8
        head = struct.pack(">I", n) if self.large else struct.pack(">HH", n, 0)
        self.sock.sendall(head + bytes((kind, flags, 0, 0)) + body)

    def send_data(self, payload: bytes):
        step = self.sdu - 10
        view = memoryview(payload)
        for i in range(0, len(payload), step):
            self.send_packet(DATA, b"\0\0" + bytes(view[i : i + step]))


class Reader:
    """Pull parser over the DATA packets of one request."""

    def __init__(self, transport):
        self.t, self.buf, self.pos, self.eof = transport, b"", 0, False

    def next_packet(self):
        kind, _, body = self.t.recv_packet()
        if kind == MARKER:
            raise Break(body[2] if len(body) > 2 else 1)
        if kind != DATA:
            raise ValueError(f"unexpected packet type {kind}")
        if struct.unpack(">H", body[:2])[0] & 0x40 and len(body) == 2:
            raise Closed
        self.buf, self.pos = self.buf[self.pos :] + body[2:], 0

    def raw(self, n):
        while len(self.buf) - self.pos < n:
            self.next_packet()
        out = self.buf[self.pos : self.pos + n]
        self.pos += n
        return out

    def u8(self):
        return self.raw(1)[0]

    def u16(self):
        return int.from_bytes(self.raw(2), "big")

    def u16le(self):
        return int.from_bytes(self.raw(2), "little")

    def ub(self):
        n = self.u8()
        return int.from_bytes(self.raw(n & 0x7F), "big") if n else 0

    def chunks(self):
        """length-prefixed bytes; None when null"""
        n = self.u8()
        if n in (0, 255):
            return None
        if n != 254:
            return self.raw(n)
        out = bytearray()
        while size := self.ub():
            out += self.raw(size)
        return bytes(out)

    def bytes2(self):
        """ub4 length and then the length-prefixed bytes"""
        return self.chunks() if self.ub() else b""

    def left(self):
        return len(self.buf) - self.pos


class Writer:
    def __init__(self):
        self.b = bytearray()

    def raw(self, data):
        self.b += data
        return self

    def u8(self, *values):
        self.b += bytes(values)
        return self

    def u16(self, v):
        self.b += struct.pack(">H", v)
        return self

    def ub(self, v):
        v = int(v)
        if v == 0:
            self.b.append(0)
        else:
            n = 1 if v < 256 else 2 if v < 65536 else 4 if v < 1 << 32 else 8
            self.b.append(n)
            self.b += v.to_bytes(n, "big")
        return self

    def sb(self, v):
        start = len(self.b)
        self.ub(abs(v))
        if v < 0:
            self.b[start] |= 0x80
        return self

    def chunks(self, data):
        if data is None:
            self.b.append(0)
        elif len(data) <= 252:
            self.b.append(len(data))
            self.b += data
        else:
            self.b.append(254)
            for i in range(0, len(data), 32767):
                part = data[i : i + 32767]
                self.ub(len(part))
                self.b += part
            self.b.append(0)
        return self

    def bytes2(self, data):
        data = data.encode() if isinstance(data, str) else data
        if not data:
            self.b.append(0)
            return self
        return self.ub(len(data)).chunks(data)


# ---- values -------------------------------------------------------------------------------
def enc_number(text: str) -> bytes:
    text = text.strip().lower()
    neg = text.startswith("-")
    mant, _, exp = text.lstrip("+-").partition("e")
    whole, _, frac = mant.partition(".")
    digits = (whole + frac).lstrip("0")
    point = len(whole) - (len(whole + frac) - len(digits)) + int(exp or 0)
    digits = digits.rstrip("0")
    if not digits:
        return b"\x80"
    if point % 2:
        digits, point = "0" + digits, point + 1
    if len(digits) % 2:
        digits += "0"
    pairs = [int(digits[i : i + 2]) for i in range(0, len(digits), 2)][:20]
    head = point // 2 + 192
    if neg:
        out = bytes([~head & 0xFF]) + bytes(101 - p for p in pairs)
        return out + b"\x66" if len(pairs) < 20 else out
    return bytes([head]) + bytes(p + 1 for p in pairs)


def dec_number(b: bytes) -> str:
    if b == b"\x80":
        return "0"
    pos = b[0] & 0x80
    exp = (b[0] if pos else ~b[0] & 0xFF) - 193
    body = b[1:]
    if not pos and body.endswith(b"\x66"):
        body = body[:-1]
    digits = "".join(f"{(x - 1 if pos else 101 - x):02d}" for x in body)
    point = exp * 2 + 2
    if point <= 0:
        text = "0." + "0" * -point + digits
    elif point >= len(digits):
        text = digits + "0" * (point - len(digits))
    else:
        text = digits[:point] + "." + digits[point:]
    text = text.lstrip("0") or "0"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    text = "0" + text if text.startswith(".") else text or "0"
    return ("" if pos else "-") + text


def enc_date(v: dt.datetime, kind: int) -> bytes:
    """v: naive, or aware for T_TSTZ (sent as UTC plus offset)"""
    off = dt.timedelta(0)
    if kind == T_TSTZ and v.tzinfo is not None:
        off = v.utcoffset()
        v = v.astimezone(dt.UTC)
    out = bytes(
        (
            v.year // 100 + 100,
            v.year % 100 + 100,
            v.month,
            v.day,
            v.hour + 1,
            v.minute + 1,
            v.second + 1,
        )
    )
    if kind == T_DATE:
        return out
    out += struct.pack(">I", v.microsecond * 1000)
    if kind == T_TSTZ:
        minutes = int(off.total_seconds() // 60)
        sign = -1 if minutes < 0 else 1
        out += bytes(
            (20 + sign * (abs(minutes) // 60), 60 + sign * (abs(minutes) % 60))
        )
    elif out[7:] == b"\0\0\0\0":
        out = out[:7]
    return out


def dec_date(b: bytes) -> dt.datetime:
    v = dt.datetime(
        (b[0] - 100) * 100 + b[1] - 100, b[2], b[3], b[4] - 1, b[5] - 1, b[6] - 1
    )
    if len(b) >= 11:
        v = v.replace(microsecond=int.from_bytes(b[7:11], "big") // 1000)
    if len(b) >= 13:
        off = dt.timedelta(hours=b[11] - 20, minutes=b[12] - 60)
        v = v.replace(tzinfo=dt.UTC).astimezone(dt.timezone(off))
    return v


def _flip(b):
    return (
        bytes([b[0] | 0x80]) + b[1:] if not b[0] & 0x80 else bytes(~x & 0xFF for x in b)
    )


def _unflip(b):
    return bytes([b[0] & 0x7F]) + b[1:] if b[0] & 0x80 else bytes(~x & 0xFF for x in b)


def enc_double(v):
    return _flip(struct.pack(">d", v))


def dec_double(b):
    return struct.unpack(">d", _unflip(b))[0]


def enc_float(v):
    return _flip(struct.pack(">f", v))


def dec_float(b):
    return struct.unpack(">f", _unflip(b))[0]


def enc_ids(td: dt.timedelta):
    us = td // dt.timedelta(microseconds=1)
    sign = -1 if us < 0 else 1
    us = abs(us)
    secs, frac = divmod(us, 1_000_000)
    days, secs = divmod(secs, 86400)
    h, m, s = secs // 3600, secs % 3600 // 60, secs % 60
    return (
        struct.pack(">I", 0x80000000 + sign * days)
        + bytes(60 + sign * x for x in (h, m, s))
        + struct.pack(">I", 0x80000000 + sign * frac * 1000)
    )


def dec_ids(b):
    days = int.from_bytes(b[:4], "big") - 0x80000000
    return dt.timedelta(
        days=days,
        hours=b[4] - 60,
        minutes=b[5] - 60,
        seconds=b[6] - 60,
        microseconds=(int.from_bytes(b[7:11], "big") - 0x80000000) // 1000,
    )


ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


# So few that a small table has several blocks, and so several chunks.
BLOCK_ROWS = 256


def rowid_text(n: int, obj: int = 73000) -> str:
    """AAA(object 6) file(3) block(6) row(3): a rowid whose order is that of n"""

    def b64(v, width):
        out = ""
        for _ in range(width):
            out, v = ALPHABET[v & 63] + out, v >> 6
        return out

    return b64(obj, 6) + b64(1, 3) + b64(n // BLOCK_ROWS, 6) + b64(n % BLOCK_ROWS, 3)


def rowid_number(text: str) -> int:
    n = 0
    for ch in text[9:15] + text[15:18]:
        n = n << 6 | ALPHABET.index(ch)
    block, row = n >> 18, n & 0x3FFFF
    return block * BLOCK_ROWS + min(row, BLOCK_ROWS - 1)


def dec_iym(b):
    """A year-to-month interval: ("YM", years, months)."""
    return "YM", int.from_bytes(b[:4], "big") - 0x80000000, b[4] - 60

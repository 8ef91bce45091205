"""The listener and one session per connection: handshake, logon, statements, LOBs, direct path."""

from __future__ import annotations

import hashlib
import itertools
import re
import secrets
import select
import socket
import struct
import threading
import traceback
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from . import wire as w
from .faults import Faults
from .sqltext import Statement
from .types import Column, Lob, OraError

DEFINE, EXECUTE, FETCH, COMMIT_OPT, DESCRIBE, BATCH_ERRORS = (
    0x10,
    0x20,
    0x40,
    0x100,
    0x20000,
    0x80000,
)
TXN = 2  # call status: transaction in progress


def aes(key, data, encrypt):
    c = Cipher(algorithms.AES(key), modes.CBC(bytes(16)))
    op = c.encryptor() if encrypt else c.decryptor()
    return op.update(data) + op.finalize()


def pbkdf2(password, salt, length, rounds):
    return PBKDF2HMAC(
        algorithm=hashes.SHA512(), salt=salt, length=length, iterations=rounds
    ).derive(password)


@dataclass
class BindMeta:
    kind: int
    size: int
    csfrm: int
    array: bool = False


@dataclass
class Cursor:
    id: int
    stmt: Statement | None = None
    binds: list = field(default_factory=list)
    defines: list = field(default_factory=list)
    result: object = None  # open engine result
    columns: list = field(default_factory=list)
    fetched: int = 0
    done: bool = True


class Server:
    """Server(engine, users={'APP': 'secret'}).start(); .port; .stop()"""

    def __init__(
        self,
        engine,
        users,
        host="127.0.0.1",
        port=0,
        services=("FREEPDB1", "ORCL"),
        sids=("ORCL", "FREE"),
        version=(19, 21),
        field_version=12,
        max_string_size=4000,
        faults=None,
        ssl_context=None,
    ):
        self.engine, self.users = engine, {k.upper(): v for k, v in users.items()}
        self.services = {s.upper() for s in services}
        self.sids = {s.upper() for s in sids}
        self.version, self.fv, self.max_string = version, field_version, max_string_size
        self.faults = faults or Faults()
        self.ssl_context = ssl_context
        self.sock = socket.create_server((host, port))
        self.host, self.port = self.sock.getsockname()[:2]
        self.session_ids = itertools.count(10)
        self.round_trips = 0
        self.live: set = set()

    def start(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def _accept(self):
        while True:
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        try:
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.ssl_context is not None:
                conn = self.ssl_context.wrap_socket(conn, server_side=True)
            session = Session(self, conn)
            self.live.add(session)
            try:
                session.run()
            finally:
                self.live.discard(session)
                session.close()
        except (w.Closed, OSError):
            pass
        except Exception:
            traceback.print_exc()
        finally:
            conn.close()

    def stop(self):
        self.sock.close()
        for s in list(self.live):
            s.t.sock.close()


class Session:
    def __init__(self, server: Server, sock):
        self.srv, self.t, self.fv = server, w.Transport(sock), server.fv
        self.cursors: dict[int, Cursor] = {}
        self.ids = itertools.count(1)
        self.lobs: dict[bytes, Lob] = {}
        self.db = None
        self.txn = False
        self.user = None
        self.attributes: dict[str, str] = {}
        self.token = 0

    # ---- handshake ------------------------------------------------------------------------
    def run(self):
        if not self.connect():
            return
        r = w.Reader(self.t)
        while True:
            try:
                r = w.Reader(self.t)
                kind = r.u8()
            except w.Break:
                self.reset()
                continue
            try:
                out = self.message(kind, r)
            except w.Break:
                self.reset()
                continue
            except w.Closed:
                raise
            except OraError as e:
                out = w.Writer()
                self.error(out, e.code, str(e), pos=e.offset)
            except Exception as e:  # a gap in this server must read as one
                traceback.print_exc()
                out = w.Writer()
                self.error(
                    out,
                    3001,
                    f"ORA-03001: unimplemented feature (oratest): {type(e).__name__}: {e}",
                )
            if out is not None:
                self.srv.round_trips += 1
                self.t.send_data(bytes(out.b))
            if self.ended:
                return

    ended = False

    def reset(self):
        self.t.send_packet(w.MARKER, b"\1\0\2")
        while True:  # the client answers with its own reset marker
            kind, _, body = self.t.recv_packet()
            if kind == w.MARKER and body[2] == 2:
                break
        out = w.Writer()
        self.error(out, 1013, "ORA-01013: User requested cancel of current operation.")
        self.t.send_data(bytes(out.b))

    def connect(self) -> bool:
        kind, _, body = self.t.recv_packet()
        if kind != w.CONNECT:
            raise ValueError("not a TNS connect packet")
        (_version,) = struct.unpack(">H", body[:2])
        length, offset = struct.unpack(">HH", body[16:20])
        data = body[offset - 8 : offset - 8 + length] if length <= 230 else b""
        if length > 230:
            while len(data) < length:
                data += self.t.recv_packet()[2][2:]
        text = data.decode(errors="replace")
        self.connect_data = text
        service = re.search(r"SERVICE_NAME\s*=\s*([^)\s]+)", text, re.IGNORECASE)
        sid = re.search(r"\(SID\s*=\s*([^)\s]+)", text, re.IGNORECASE)
        err = 0
        if service and service[1].upper() not in self.srv.services:
            err = 12514
        elif sid and not service and sid[1].upper() not in self.srv.sids:
            err = 12505
        if err:
            msg = f"(DESCRIPTION=(TMP=)(VSNNUM=0)(ERR={err})(ERROR_STACK=(ERROR=(CODE={err})(EMFI=4))))".encode()
            self.t.send_packet(
                w.REFUSE, b"\x22\x00" + struct.pack(">H", len(msg)) + msg
            )
            return False
        self.service = service[1] if service else sid[1] if sid else ""
        (sdu,) = struct.unpack(">I", body[50:54]) if len(body) >= 54 else (8192,)
        self.t.sdu = min(max(sdu, 512), 65535)
        # protocol 318: large packets, no out-of-band break, no end-of-response flag
        sdu16 = min(self.t.sdu, 65535)
        accept = (
            struct.pack(">HHHHHHH", 318, 0, sdu16, sdu16, 1, 0, 45)
            + b"\x04\x04"
            + bytes(8)
            + struct.pack(">II", self.t.sdu, self.t.sdu)
            + bytes(1)
            + struct.pack(">I", 0)
        )
        self.t.send_packet(w.ACCEPT, accept)
        self.t.large = True
        return True

    # ---- messages -------------------------------------------------------------------------
    def message(self, kind, r):
        while kind == 17:  # piggybacks before the function itself
            self.piggyback(r)
            kind = r.u8()
        if kind == 1:
            return self.protocol(r)
        if kind == 2:
            return self.data_types(r)
        if kind == 26:  # one-way (session release)
            self.function_head(r)
            r.raw(r.left())
            return None
        if kind != 3:
            raise ValueError(f"TTC message {kind}")
        code = self.function_head(r)
        handler = {
            118: self.auth_one,
            115: self.auth_two,
            94: self.execute,
            4: self.reexecute,
            78: self.reexecute,
            5: self.fetch,
            14: self.commit,
            15: self.rollback,
            147: self.ping,
            9: self.logoff,
            96: self.lob_op,
            128: self.dp_prepare,
            129: self.dp_load,
            130: self.dp_op,
        }.get(code)
        if handler is None:
            raise OraError(
                3001,
                f"ORA-03001: unimplemented feature (oratest): TTC function {code} is not served",
            )
        return handler(r) if code not in (4, 78) else self.reexecute(r, code)

    def function_head(self, r):
        code = r.u8()
        r.u8()  # sequence number
        if self.fv >= 18:
            r.ub()  # token number
        return code

    def piggyback(self, r):
        code = self.function_head(r)
        if code == 105:  # close cursors
            r.u8()
            for _ in range(r.ub()):
                self.drop(r.ub())
        elif code == 152:  # current schema
            r.u8()
            self.db.set_schema(r.bytes2().decode())
        elif code == 135:  # action, module, client info …
            r.raw(2)
            r.ub()
            lengths = {}
            for name in ("client_identifier", "module", "action"):
                has = r.u8()
                lengths[name] = r.ub() if has else (r.ub(), 0)[1]
            r.u8(), r.ub(), r.u8(), r.ub()
            has = r.u8()
            lengths["client_info"] = r.ub() if has else (r.ub(), 0)[1]
            r.u8(), r.ub(), r.u8(), r.ub()
            has = r.u8()
            lengths["dbop"] = r.ub() if has else (r.ub(), 0)[1]
            for name, n in lengths.items():
                if n:
                    self.attributes[name] = r.chunks().decode()
        elif code == 176:
            r.ub()
        elif code == 96:  # free temporary LOBs
            r.u8()
            total = r.ub()
            (
                r.u8(),
                r.ub(),
                r.ub(),
                r.ub(),
                r.raw(3),
                r.ub(),
                r.u8(),
                r.ub(),
                r.ub(),
                r.ub(),
                r.u8(),
            )
            for _ in range(3):
                r.u8(), r.ub()
            blob = r.raw(total)
            for i in range(0, total, 40):
                self.lobs.pop(blob[i : i + 40], None)
        elif code == 154:  # application context
            r.u8(), r.ub(), r.u8()
            n = r.ub()
            r.ub(), r.u8(), r.chunks()
            for _ in range(n):
                r.bytes2(), r.bytes2(), r.ub()
        else:
            raise ValueError(f"piggyback {code}")

    def protocol(self, r):
        r.raw(2)
        while r.u8():
            pass
        caps = bytearray(55)
        caps[7] = self.fv
        runtime = bytearray(13)
        runtime[0], runtime[6] = 2, 4 if self.srv.max_string > 4000 else 0
        fdo = bytes(9) + struct.pack(">H", 2000)
        out = (
            w.Writer()
            .u8(1, 6, 0)
            .raw(b"x86_64/Linux 2.4.xx\0")
            .raw(struct.pack("<H", 873))
            .u8(1)
        )
        out.raw(b"\0\0").u16(len(fdo)).raw(fdo).chunks(bytes(caps)).chunks(
            bytes(runtime)
        )
        return out

    def data_types(self, r):
        r.raw(5), r.chunks(), r.chunks()
        while r.u16():
            r.raw(6)
        return w.Writer().u8(2).u16(0)

    def read_auth(self, r):
        has_user = r.u8()
        r.ub()
        mode = r.ub()
        r.u8()
        pairs = r.ub()
        r.raw(2)
        user = r.chunks().decode() if has_user else ""
        values = {}
        for _ in range(pairs):
            key, value = r.bytes2().decode(), r.bytes2().decode()
            values[key] = value
            r.ub()
        return user, mode, values

    def params(self, values):
        out = w.Writer().u8(8).ub(len(values))
        for key, (value, flags) in values.items():
            out.bytes2(key).bytes2(value).ub(flags)
        return out

    def auth_one(self, r):
        self.user, _, _ = self.read_auth(r)
        self.user = (
            self.user.upper() if not self.user.startswith('"') else self.user.strip('"')
        )
        password = self.srv.users.get(self.user)
        self.salt, self.csk_salt = secrets.token_bytes(16), secrets.token_bytes(16)
        secret = (password if password is not None else secrets.token_hex(8)).encode()
        key = pbkdf2(secret, self.salt + b"AUTH_PBKDF2_SPEEDY_KEY", 64, 4096)
        self.hash = hashlib.sha512(key + self.salt).digest()[:32]
        self.part_a = secrets.token_bytes(32)
        out = self.params(
            {
                "AUTH_SESSKEY": (aes(self.hash, self.part_a, True).hex().upper(), 0),
                "AUTH_VFR_DATA": (self.salt.hex().upper(), 0x4815),
                "AUTH_PBKDF2_CSK_SALT": (self.csk_salt.hex().upper(), 0),
                "AUTH_PBKDF2_VGEN_COUNT": ("4096", 0),
                "AUTH_PBKDF2_SDER_COUNT": ("3", 0),
            }
        )
        return self.end(out)

    def auth_two(self, r):
        _, _mode, v = self.read_auth(r)
        part_b = aes(self.hash, bytes.fromhex(v["AUTH_SESSKEY"]), False)
        mixed = (part_b[:32] + self.part_a).hex().upper().encode()
        key = pbkdf2(mixed, self.csk_salt, 32, 3)
        given = aes(key, bytes.fromhex(v["AUTH_PASSWORD"]), False)[16:]
        given = given[: -given[-1]] if given and given[-1] <= 16 else given
        wanted = self.srv.users.get(self.user)
        if wanted is None or given != wanted.encode():
            self.ended = True
            raise OraError(1017, "ORA-01017: invalid username/password; logon denied")
        self.proxy = v.get("PROXY_CLIENT_NAME")
        schema = (self.proxy or self.user).upper()
        self.db = self.srv.engine.session(schema, self.user)
        self.sid = next(self.srv.session_ids)
        for part in re.findall(r"TIME_ZONE='([^']+)'", v.get("AUTH_ALTER_SESSION", "")):
            self.db.set_time_zone(part)
        major, minor = self.srv.version
        svc = self.service.upper()
        out = self.params(
            {
                k: (x, 0)
                for k, x in {
                    "AUTH_VERSION_STRING": "- Production",
                    "AUTH_VERSION_SQL": "25",
                    "AUTH_VERSION_NO": str(major << 24 | minor << 16),
                    "AUTH_SESSION_ID": str(self.sid),
                    "AUTH_SERIAL_NUM": "1",
                    "AUTH_INSTANCENAME": "oratest",
                    "AUTH_SC_DB_DOMAIN": "",
                    "AUTH_SC_DBUNIQUE_NAME": svc,
                    "AUTH_SC_REAL_DBUNIQUE_NAME": "ORATEST",
                    "AUTH_SC_SERVICE_NAME": svc,
                    "AUTH_MAX_OPEN_CURSORS": "300",
                    "AUTH_MAX_IDEN_LENGTH": str(self.srv.engine.max_identifier),
                    "AUTH_SVR_RESPONSE": aes(
                        key,
                        secrets.token_bytes(16) + b"SERVER_TO_CLIENT" + b"\x10" * 16,
                        True,
                    )
                    .hex()
                    .upper(),
                }.items()
            }
        )
        return self.end(out)

    # ---- end of a call --------------------------------------------------------------------
    def end(self, out=None):
        return self.error(out or w.Writer(), 0, "")

    def status(self):
        return w.Writer().u8(9).ub(TXN if self.txn else 0).ub(0)

    def error(self, out, code, text, cursor=0, rowcount=0, pos=0, batch=(), rowid=0):
        out.u8(4).ub(TXN if self.txn else 0).ub(0).ub(0).ub(min(code, 65535)).ub(0).ub(
            0
        ).ub(cursor)
        out.sb(min(pos, 32767)).u8(0, 0, 0, 0, 0, 0)
        if rowid:
            out.ub(73000).ub(1).u8(0).ub(rowid // w.BLOCK_ROWS).ub(rowid % w.BLOCK_ROWS)
        else:
            out.ub(0).ub(0).u8(0).ub(0).ub(0)
        out.ub(0).u8(0, 0).ub(0).ub(0).ub(0)
        out.ub(len(batch))
        if batch:
            out.u8(1)
            for e, _ in batch:
                out.ub(e.code)
        out.ub(len(batch))
        if batch:
            out.u8(1)
            for _, row in batch:
                out.ub(row)
        out.ub(len(batch))
        if batch:
            out.u8(1)
            for e, _ in batch:
                data = (str(e) + "\n").encode()
                out.ub(len(data)).chunks(data).u8(0, 0)
        out.ub(code).ub(rowcount)
        if self.fv >= 14:
            out.ub(0).ub(0)
        if code:
            out.chunks((text + "\n").encode())
        return out

    def drop(self, cid):
        cur = self.cursors.pop(cid, None)
        if cur and cur.result is not None:
            cur.result.close()

    def close(self):
        for cid in list(self.cursors):
            self.drop(cid)
        if self.db is not None:
            self.db.close()

    # ---- statements -----------------------------------------------------------------------
    def read_metas(self, r, count):
        metas = []
        for _ in range(count):
            kind, flags = r.u8(), r.u8()
            r.raw(2)
            size = r.ub()
            r.ub(), r.ub()
            if r.ub():
                r.chunks()
            r.ub(), r.ub()
            csfrm = r.u8()
            r.ub()
            if self.fv >= 8:
                r.ub()
            metas.append(BindMeta(kind, size, csfrm, bool(flags & 0x40)))
        return metas

    def read_value(self, r, m: BindMeta):
        kind = m.kind
        if kind in (w.T_CLOB, w.T_BLOB):
            loc = r.bytes2()
            return self.lobs.get(loc) if loc else None
        if kind == w.T_CURSOR:
            n = r.u8()
            return r.raw(n) if n else None
        if kind in (w.T_JSON, w.T_VECTOR):
            if r.ub():
                r.chunks()
            data = r.chunks()
            return None if data is None else (kind, data)
        if kind == w.T_BOOL:
            n = r.u8()
            if n == 253:
                r.u8()
                return None
            return bool(r.raw(n)[0]) if n else None
        data = r.chunks()
        if data is None:
            return None
        if kind in w.TEXT or kind in (w.T_ROWID, w.T_UROWID):
            return data.decode("utf-16-be" if m.csfrm == 2 else "utf-8")
        if kind in w.BINARY:
            return data
        if kind in (w.T_NUMBER, w.T_BINARY_INTEGER):
            return ("N", w.dec_number(data))
        if kind in w.DATES:
            v = w.dec_date(data)
            if kind == w.T_TSTZ and v.tzinfo is None:
                v = v.replace(tzinfo=self.db.time_zone)
            return v
        if kind == w.T_BDOUBLE:
            return w.dec_double(data)
        if kind == w.T_BFLOAT:
            return w.dec_float(data)
        if kind == w.T_IDS:
            return w.dec_ids(data)
        if kind == w.T_IYM:
            return w.dec_iym(data)
        raise OraError(
            3001, f"ORA-03001: unimplemented feature (oratest): bind of type {kind}"
        )

    def read_rows(self, r, cur, count, skip=()):
        """rows of input binds; LONG ones come last in each row"""
        stmt = cur.stmt
        ins = [
            i
            for i in range(len(cur.binds))
            if i not in stmt.return_binds and i not in skip
        ]
        rows = []
        for _ in range(count if ins else 0):
            if r.u8() != 7:
                raise ValueError("row data expected")
            values = [None] * len(cur.binds)
            late = []
            for i in ins:
                m = cur.binds[i]
                if m.array:
                    values[i] = [self.read_value(r, m) for _ in range(r.ub())]
                elif (
                    not stmt.plsql
                    and m.size > self.srv.max_string
                    and m.kind not in (w.T_CLOB, w.T_BLOB, w.T_JSON)
                ):
                    late.append(i)
                else:
                    values[i] = self.read_value(r, m)
            for i in late:
                values[i] = self.read_value(r, cur.binds[i])
            rows.append(values)
        return rows or [[None] * len(cur.binds)] * count

    def execute(self, r):
        options = r.ub()
        cid = r.ub()
        r.u8()
        sql_len = r.ub()
        r.u8(), r.ub(), r.u8(), r.u8(), r.ub()
        num_iters = r.ub()
        r.ub()
        has_binds = r.u8()
        nbinds = r.ub()
        r.raw(5)
        r.u8()
        ndefines = r.ub()
        r.ub()
        r.raw(3)
        r.ub()
        r.u8()
        r.ub()
        r.ub()
        want_counts = r.u8()
        r.ub()
        r.u8()
        if self.fv >= 8:
            r.u8(), r.ub(), r.u8(), r.ub(), r.u8()
            if self.fv >= 9:
                r.u8(), r.ub()
        sql = r.chunks().decode() if sql_len else None
        al8 = [r.ub() for _ in range(13)]
        if cid:
            cur = self.cursors.get(cid)
            if cur is None:
                raise OraError(1001, "ORA-01001: invalid cursor")
        else:
            cur = Cursor(next(self.ids))
            self.cursors[cur.id] = cur
        if sql is not None:
            cur.stmt = Statement(sql)
        if ndefines:
            cur.defines = self.read_metas(r, ndefines)
        if has_binds:
            cur.binds = self.read_metas(r, nbinds)
        count = 1 if cur.stmt.query else max(al8[1], 1)
        rows = self.read_rows(r, cur, count) if has_binds else [[]] * count
        if ndefines:
            rows = [getattr(cur, "last_row", [])]
        return self.perform(cur, rows, options, num_iters, bool(want_counts))

    def reexecute(self, r, code):
        cid, iters, _opt1, opt2 = r.ub(), r.ub(), r.ub(), r.ub()
        cur = self.cursors.get(cid)
        if cur is None:
            raise OraError(1001, "ORA-01001: invalid cursor")
        count = 1 if cur.stmt.query else iters
        rows = (
            self.read_rows(r, cur, count, cur.stmt.out_binds)
            if cur.binds
            else [[]] * count
        )
        options = (
            EXECUTE | (FETCH if code == 78 else 0) | (COMMIT_OPT if opt2 & 1 else 0)
        )
        return self.perform(cur, rows, options, iters, False)

    def perform(self, cur, rows, options, num_iters, want_counts):
        stmt, out = cur.stmt, w.Writer()
        if options & EXECUTE or not options & DEFINE:
            engine = self.srv.engine
            if engine.flashback.control(
                stmt.sql, lambda: engine.session(self.db.schema, self.user)
            ) or self.srv.faults.control(stmt.sql):
                return self.error(w.Writer(), 0, "", cursor=cur.id)
            self.srv.faults.record(self, stmt.sql, len(rows))
        watch = threading.Timer(0.1, self.watch, [flag := threading.Event()])
        watch.daemon = True
        watch.start()
        try:
            self.srv.faults.strike(stmt.sql)
            if stmt.query:
                return self.perform_query(cur, rows, options, num_iters, out)
            return self.perform_other(cur, rows, options, want_counts, out)
        except OraError as e:
            self.drop(cur.id)
            if e.code == 1013:
                return None  # the break marker that is waiting brings the answer
            return self.error(w.Writer(), e.code, str(e), pos=e.offset, rowcount=e.row)
        finally:
            watch.cancel()
            flag.set()

    def watch(self, done):
        """a long call: look out for the client's break marker and cancel"""
        while not done.wait(0.02):
            if select.select([self.t.sock], [], [], 0)[0]:
                head = (
                    self.t.sock.recv(8, socket.MSG_PEEK)
                    if self.srv.ssl_context is None
                    else b""
                )
                if len(head) == 8 and head[4] == w.MARKER:
                    self.db.cancel()
                return

    def perform_query(self, cur, rows, options, num_iters, out):
        if cur.result is not None:
            cur.result.close()
        cur.last_row = rows[0] if rows else []
        first = not cur.columns or not cur.defines
        cur.result = self.db.query(
            cur.stmt, cur.last_row, cur.binds, describe_only=bool(options & DESCRIBE)
        )
        cur.columns = cur.result.columns
        cur.fetched, cur.done = 0, False
        if first or options & DESCRIBE:
            self.describe(out, cur.columns)
        if options & DESCRIBE:
            return self.error(out, 0, "", cursor=cur.id)
        lobs = any(
            c.kind in (w.T_CLOB, w.T_BLOB, w.T_JSON, w.T_VECTOR) for c in cur.columns
        )
        if self.db.locking(cur.stmt):
            self.txn = True
        if lobs and not cur.defines:  # the client defines and asks again
            return self.error(out, 0, "", cursor=cur.id)
        return self.send_rows(cur, num_iters if options & FETCH else 0, out)

    def send_rows(self, cur, count, out):
        got = []
        if count and not cur.done:
            self.srv.faults.strike(cur.stmt.sql, cur.fetched)
            got = cur.result.fetch(count)
            cur.done = len(got) < count
        if got:
            out.u8(6, 0).ub(len(cur.columns)).ub(0).ub(len(got)).ub(0).ub(0).ub(0)
        # only LOBs change form by define: the driver decodes all else by the described type
        lobs = (w.T_CLOB, w.T_BLOB, w.T_JSON, w.T_VECTOR)
        kinds = (
            [
                d.kind if c.kind in lobs else c.kind
                for c, d in zip(cur.columns, cur.defines, strict=False)
            ]
            if cur.defines
            else [c.kind for c in cur.columns]
        )
        for row in got:
            out.u8(7)
            for col, kind, value in zip(cur.columns, kinds, row, strict=False):
                self.write_value(out, col, kind, value)
        cur.fetched += len(got)
        if cur.done:
            return self.error(
                out,
                1403,
                "ORA-01403: no data found",
                cursor=cur.id,
                rowcount=cur.fetched,
            )
        return self.error(out, 0, "", cursor=cur.id, rowcount=cur.fetched)

    def fetch(self, r):
        cid, count = r.ub(), r.ub()
        cur = self.cursors.get(cid)
        if cur is None or cur.result is None:
            raise OraError(1001, "ORA-01001: invalid cursor")
        return self.send_rows(cur, count, w.Writer())

    def perform_other(self, cur, rows, options, want_counts, out):
        stmt = cur.stmt
        batch = [] if options & BATCH_ERRORS else None
        res = self.db.run(stmt, rows, cur.binds, batch)
        self.txn = res.txn
        if options & COMMIT_OPT:
            self.db.commit()
            self.txn = False
        if want_counts:
            out.u8(8).ub(0).ub(0).ub(0).ub(0).ub(len(res.counts))
            for n in res.counts:
                out.ub(n)
        if stmt.plsql and cur.binds:
            n = len(cur.binds)
            outs = [i for i in range(n) if i in res.out]
            stmt.out_binds = set(outs)
            out.u8(11, 0).ub(n).ub(0).ub(0).ub(0).ub(0).ub(0)
            for i in range(n):
                out.u8(16 if i in res.out else 32)
            if outs:
                out.u8(7)
                for i in outs:
                    self.write_value(
                        out,
                        Column("", cur.binds[i].kind),
                        cur.binds[i].kind,
                        res.out[i],
                    )
                    out.sb(0)
        elif res.returned is not None:
            for per_exec in res.returned:  # one ROW_DATA per execution
                out.u8(7)
                for i, k in enumerate(stmt.return_binds):
                    kind = cur.binds[k].kind
                    out.ub(len(per_exec))
                    for row in per_exec:
                        self.write_value(out, Column("", kind), kind, row[i])
                        out.sb(0)
        code, text = (24381, "ORA-24381: error(s) in array DML") if batch else (0, "")
        return self.error(
            out,
            code,
            text,
            cursor=cur.id,
            rowcount=res.rowcount,
            batch=batch or (),
            rowid=res.rowid,
        )

    # ---- describe and values --------------------------------------------------------------
    def describe(self, out, columns):
        out.u8(16).chunks(b"\0" * 23).ub(0).ub(len(columns))
        if columns:
            out.u8(0)
        for i, c in enumerate(columns):
            self.metadata(out, c, i + 1)
        out.ub(0).ub(0).ub(0).ub(0).ub(0).ub(0)

    def metadata(self, out, c, position=0):
        name = c.name.encode()
        out.u8(c.kind, 0, c.precision & 0xFF, c.scale & 0xFF).ub(c.buffer_size).ub(
            0
        ).ub(0).ub(0).ub(0)
        out.ub(873 if c.csfrm == 1 else 2000 if c.csfrm == 2 else 0).u8(c.csfrm).ub(
            c.max_size
        )
        if self.fv >= 8:
            out.ub(0)
        out.u8(1 if c.nullable else 0, min(len(name), 255)).bytes2(name).bytes2(
            b""
        ).bytes2(b"").ub(position)
        out.ub(0x100 if c.json else 0)
        if self.fv >= 17:
            out.bytes2(b"").bytes2(b"")
        if self.fv >= 20:
            out.ub(0)
        if self.fv >= 24:
            out.ub(0).u8(0, 0)

    def write_value(self, out, col, kind, v):
        """v: str for text and NUMBER, bytes for RAW, datetime, float, Lob, timedelta, int for ROWID"""
        if v is None:
            out.u8(0)
            if kind in (w.T_LONG, w.T_LONG_RAW):
                out.ub(0).ub(0)
            return
        if kind in (w.T_CLOB, w.T_BLOB):
            if isinstance(v, (str, bytes)):
                v = Lob(v)
            loc = self.locator(v)
            out.ub(len(loc)).ub(v.size()).ub(8132).chunks(loc)
            return
        if kind == w.T_ROWID:
            n = v if isinstance(v, int) else w.rowid_number(v)
            out.u8(14).ub(73000).ub(1).u8(0).ub(n // w.BLOCK_ROWS).ub(n % w.BLOCK_ROWS)
            return
        if kind in w.TEXT:
            data = str(v if not isinstance(v, Lob) else v.data).encode(
                "utf-16-be" if col.csfrm == 2 else "utf-8"
            )
        elif kind in w.BINARY:
            data = bytes(v if not isinstance(v, Lob) else v.data)
        elif kind in (w.T_NUMBER, w.T_BINARY_INTEGER):
            data = w.enc_number(v[1] if isinstance(v, tuple) else str(v))
        elif kind in w.DATES:
            data = w.enc_date(v, kind)
        elif kind == w.T_BDOUBLE:
            data = w.enc_double(float(v))
        elif kind == w.T_BFLOAT:
            data = w.enc_float(float(v))
        elif kind == w.T_IDS:
            data = w.enc_ids(v)
        elif kind == w.T_IYM:
            y, m = v
            data = struct.pack(">I", 0x80000000 + y) + bytes([60 + m])
        elif kind == w.T_BOOL:
            data = b"\1\1" if v else b"\0"
        else:
            raise OraError(
                3001,
                f"ORA-03001: unimplemented feature (oratest): column of type {kind}",
            )
        out.chunks(data)
        if kind in (w.T_LONG, w.T_LONG_RAW):
            out.ub(0).ub(0)

    # ---- LOBs -----------------------------------------------------------------------------
    def locator(self, lob):
        if lob.locator is None:
            loc = bytearray(40)
            loc[0:2] = b"\0\x26"
            loc[4] = 0x01 if isinstance(lob.data, bytes) else 0x02
            loc[5] = 0x08
            loc[7] = 0x01 if lob.temp else 0
            if isinstance(lob.data, str):
                loc[6] = 0x80  # AL32UTF8 CLOBs travel as UTF-16
            loc[20:36] = secrets.token_bytes(16)
            lob.locator = bytes(loc)
        self.lobs[lob.locator] = lob
        return lob.locator

    def lob_op(self, r):
        has_src = r.u8()
        src_len = r.ub()
        r.u8()
        r.ub(), r.ub(), r.ub()
        r.raw(3)
        op = r.ub()
        r.raw(2)
        src_off, dst_off = r.ub(), r.ub()
        send_amount = r.u8()
        r.raw(6)
        loc = r.raw(src_len) if has_src else b""
        out = w.Writer()
        amount = 0
        if op == 0x0110:  # create temporary
            r.ub()
            lob = Lob(b"" if dst_off == w.T_BLOB else "", temp=True, csfrm=src_off)
            loc = self.locator(lob)
            out.u8(8).raw(loc).ub(873).u8(0)
            return self.end(out)
        lob = self.lobs.get(loc)
        if lob is None:
            raise OraError(22922, "ORA-22922: nonexistent LOB value")
        text = isinstance(lob.data, str)
        if op == 0x0040:  # write
            if r.u8() != 14:
                raise ValueError("LOB data expected")
            data = r.chunks() or b""
            value = data.decode("utf-16-be") if text else data
            at = src_off - 1
            lob.data = lob.data[:at] + value + lob.data[at + len(value) :]
            if send_amount:
                r.ub()
        else:
            amount = r.ub() if send_amount else 0
        if op == 0x0002:  # read
            part = lob.data[src_off - 1 : src_off - 1 + amount]
            amount = len(part)
            if part:
                out.u8(14).chunks(part.encode("utf-16-be") if text else part)
        elif op == 0x0001:
            amount = lob.size()
        elif op == 0x4000:
            amount = 8132
        elif op == 0x0020:
            lob.data = lob.data[:amount]
        out.u8(8).raw(loc)
        if send_amount:
            out.sb(amount)
        if op == 0x11000:
            out.u8(0)
        return self.end(out)

    # ---- transactions ---------------------------------------------------------------------
    def commit(self, r):
        self.srv.faults.record(self, "COMMIT", 0)
        self.srv.faults.strike("COMMIT")
        self.db.commit()
        self.txn = False
        return self.status()

    def rollback(self, r):
        self.srv.faults.record(self, "ROLLBACK", 0)
        self.db.rollback()
        self.txn = False
        return self.status()

    def ping(self, r):
        return self.status()

    def logoff(self, r):
        self.db.rollback()
        self.ended = True
        return self.status()

    # ---- direct path load -----------------------------------------------------------------
    def dp_prepare(self, r):
        r.ub(), r.u8()
        nkw = r.ub()
        r.u8()
        inputs = r.ub()
        r.raw(6)
        schema = table = None
        names = []
        for _ in range(nkw):
            r.ub(), r.ub()
            value = r.chunks().decode()
            key = r.ub()
            if key == 3:
                schema = value
            elif key == 1:
                table = value
            elif key == 4:
                names.append(value)
        for _ in range(inputs):
            r.ub()
        cur = Cursor(next(self.ids))
        cur.columns = self.db.table_columns(schema, table, names)
        cur.stmt = Statement(self.db.insert_text(schema, table, names))
        self.cursors[cur.id] = cur
        out = w.Writer().u8(8).ub(len(cur.columns))
        for i, c in enumerate(cur.columns):
            self.metadata(out, c, i + 1)
        out.ub(0).ub(14)
        for i in range(14):
            out.ub(cur.id if i == 3 else 0)
        return self.end(out)

    def dp_load(self, r):
        cur = self.cursors[r.ub()]
        r.u8()
        total = r.ub()
        r.ub(), r.u8(), r.ub(), r.raw(2)
        data = r.raw(total)
        metas, rows, row, _part, p = [], [], [], b"", 0
        for c in cur.columns:
            kind, form = c.kind, c.csfrm
            if kind == w.T_CLOB:
                kind, form = w.T_LONG, 2  # direct path CLOBs come as UTF-16
            elif kind == w.T_BLOB:
                kind = w.T_LONG_RAW
            metas.append(BindMeta(kind, c.buffer_size, form))
        joining = False
        while p < total:
            flags = data[p]
            p += 1
            if flags & 0x10:
                p += 2
            segments = data[p]
            p += 1
            for s in range(segments):
                n = data[p]
                p += 1
                if n == 255:
                    seg = None
                else:
                    if n == 254:
                        n = int.from_bytes(data[p : p + 2], "big")
                        p += 2
                    seg, p = data[p : p + n], p + n
                if joining and s == 0:
                    row[-1] = row[-1] + seg
                else:
                    row.append(seg)
            joining = bool(flags & 0x01)
            if flags & 0x04:
                rows.append(row)
                row, joining = [], False
        values = []
        for raw_row in rows:
            out_row = []
            for m, b in zip(metas, raw_row, strict=False):
                if b is None:
                    out_row.append(None)
                    continue
                one = w.Writer().chunks(b)
                rd = w.Reader(None)
                rd.buf = bytes(one.b)
                out_row.append(self.read_value(rd, m))
            values.append(out_row)
        label = f"DIRECT PATH LOAD {cur.stmt.sql}"
        self.srv.faults.record(self, label, len(values))
        self.srv.faults.strike(label)
        self.db.run(cur.stmt, values, metas, None)
        self.txn = True
        return self.end(w.Writer().u8(8).ub(0))

    def dp_op(self, r):
        op = r.ub()
        cid = r.ub()
        r.u8(), r.ub(), r.raw(2)
        if op == 2:
            self.db.commit()
        else:
            self.db.rollback()
        self.txn = False
        self.cursors.pop(cid, None)
        return self.end(w.Writer().u8(8).ub(0))

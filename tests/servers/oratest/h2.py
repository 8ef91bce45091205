"""H2 in Oracle mode (in this process, through JPype) behind the listener."""

from __future__ import annotations

import datetime as dt
import itertools
import os
import re
import threading
from pathlib import Path

import jpype

from . import dictionary
from . import wire as w
from .error_codes import ora_error
from .flashback import Flashback
from .plsql import Block
from .readers import (
    Result,
    r_blob,
    r_bool,
    r_bytes,
    r_clob,
    r_ids,
    r_iym,
    r_ltz,
    r_rowid,
    r_str,
    r_ts,
    r_tstz,
)
from .rewriting import Rewriting
from .sqltext import Statement, Tok, find, lex, text
from .types import Column, Lob, OraError, Outcome

JARS = [os.environ.get("ORATEST_H2_JAR", ""), "/usr/share/java/h2.jar"]


def start_jvm():
    if not jpype.isJVMStarted():
        jar = next((j for j in JARS if j and Path(j).exists()), None)
        if jar is None:
            raise RuntimeError(
                "no h2 jar: apt-get install libh2-java, or set ORATEST_H2_JAR"
            )
        jpype.startJVM(
            "-Xmx1g", "-Duser.timezone=UTC", classpath=[jar], convertStrings=False
        )


class H2Engine:
    max_identifier = 128
    names = itertools.count()

    def __init__(self, schemas=("APP",), max_identifier=128, url=None):
        start_jvm()
        self.max_identifier = max_identifier
        self.url = url or f"jdbc:h2:mem:oratest{os.getpid()}_{next(self.names)}"
        self.url += ";MODE=Oracle;DB_CLOSE_DELAY=-1;DEFAULT_NULL_ORDERING=HIGH;LOCK_TIMEOUT=5000;TIME ZONE=UTC"
        self.dm = jpype.JClass("java.sql.DriverManager")
        self.lock = threading.Lock()
        self.domain_cache = {}
        self.invalid: set = set()
        self.flashback = Flashback()
        self.root = self.dm.getConnection(self.url, "SA", "")
        st = self.root.createStatement()
        st.execute("CREATE SCHEMA IF NOT EXISTS SYS")
        for part in dictionary.statements():
            st.execute(part)
        for s in schemas:
            self.create_user(s)

    def create_user(self, name):
        st = self.root.createStatement()
        st.execute(f"CREATE USER IF NOT EXISTS \"{name}\" PASSWORD 'x' ADMIN")
        st.execute(f'CREATE SCHEMA IF NOT EXISTS "{name}" AUTHORIZATION "{name}"')

    def session(self, schema, user):
        self.create_user(schema)
        return H2Session(self, schema)

    def domain(self, name, base):
        """a domain that keeps what H2's own type would forget, e.g. VARCHAR2(30 CHAR)"""
        if name not in self.domain_cache:
            with self.lock:
                self.root.createStatement().execute(
                    f'CREATE DOMAIN IF NOT EXISTS SYS."{name}" AS {base}'
                )
                self.domain_cache[name] = base
        return f'SYS."{name}"'

    def shutdown(self):
        self.root.createStatement().execute("SHUTDOWN IMMEDIATELY")


class H2Session(Rewriting):
    def __init__(self, engine, schema):
        self.e, self.user = engine, schema
        self.c = engine.dm.getConnection(engine.url, schema, "x")
        self.c.setAutoCommit(False)
        self.time_zone = dt.UTC
        self.set_schema(schema)
        self.Types = jpype.JClass("java.sql.Types")
        self.BigDecimal = jpype.JClass("java.math.BigDecimal")
        self.JString = jpype.JClass("java.lang.String")
        self.txn = False
        self.prepared = {}

    # ---- session --------------------------------------------------------------------------
    def set_schema(self, name):
        self.schema = name
        self.exec_raw(f'SET SCHEMA "{name}"')
        self.exec_raw(f'SET SCHEMA_SEARCH_PATH "{name}", SYS')

    def set_time_zone(self, offset):
        m = re.match(r"([+-])(\d+):(\d+)", offset)
        if m:
            off = dt.timedelta(hours=int(m[2]), minutes=int(m[3])) * (
                -1 if m[1] == "-" else 1
            )
            self.time_zone = dt.timezone(off)
            self.exec_raw(f"SET TIME ZONE '{offset}'")

    def exec_raw(self, sql):
        st = self.c.createStatement()
        try:
            st.setEscapeProcessing(False)
            st.execute(sql)
            return st.getUpdateCount()
        except jpype.JException as e:
            raise self.ora(e, sql) from None
        finally:
            st.close()

    def commit(self):
        self.c.commit()
        self.txn = False

    def rollback(self):
        self.c.rollback()
        self.txn = False

    def close(self):
        try:
            self.c.rollback()
            self.c.close()
        except Exception:
            pass

    current = None

    def cancel(self):
        if self.current is not None:
            self.current.cancel()

    def locking(self, stmt):
        return find(stmt.toks, "FOR", "UPDATE") >= 0

    def ora(self, e, sql="", row=0):
        return ora_error(e, self.schema, sql, row)

    def prepare(self, toks, stmt, binds, cast=False):
        """SQL text with ? for the binds, and for each ? the bind's position and whether it is a rowid"""
        out, order = [], []
        for t in toks:
            if t.k != "bind":
                out.append(t)
                continue
            order.append((t.n, t.rowid))
            if cast and t.n < len(binds):
                out += lex(f"CAST(? AS {self.cast_for(binds[t.n])})")
            else:
                out.append(Tok("op", "?"))
        return text(out), order

    def cast_for(self, m):
        return {
            w.T_NUMBER: "DECFLOAT(40)",
            w.T_BINARY_INTEGER: "DECFLOAT(40)",
            w.T_DATE: "TIMESTAMP(0)",
            w.T_TS: "TIMESTAMP(6)",
            w.T_TSTZ: "TIMESTAMP(6) WITH TIME ZONE",
            w.T_TSLTZ: "TIMESTAMP(6) WITH TIME ZONE",
            w.T_RAW: "VARBINARY",
            w.T_CLOB: "CLOB",
            w.T_BLOB: "BLOB",
            w.T_BDOUBLE: "DOUBLE PRECISION",
        }.get(m.kind, "VARCHAR")

    def set_params(self, ps, order, row):
        for i, (pos, rowid) in enumerate(order, 1):
            v = row[pos] if pos < len(row) else None
            if isinstance(v, Lob):
                v = v.data
            if v is None or v in {"", b""}:
                ps.setNull(i, self.Types.NULL)
            elif rowid:
                ps.setLong(i, w.rowid_number(v))
            elif isinstance(v, str):
                ps.setString(i, v)
            elif isinstance(v, tuple):
                if v[0] == "N":
                    s = v[1]
                    if len(s) < 18 and "." not in s:
                        ps.setLong(i, int(s))
                    else:
                        ps.setBigDecimal(i, self.BigDecimal(self.JString(s)))
                elif v[0] == "YM":
                    sign = "-" if v[1] < 0 or v[2] < 0 else ""
                    years = f"{sign}{abs(v[1])}-{abs(v[2])}"
                    ps.setString(i, f"INTERVAL '{years}' YEAR TO MONTH")
                else:
                    raise OraError(
                        3001,
                        "ORA-03001: unimplemented feature (oratest): JSON and VECTOR binds are not served",
                    )
            elif isinstance(v, bytes):
                ps.setBytes(i, jpype.JArray(jpype.JByte)(v))
            elif isinstance(v, float):
                ps.setDouble(i, v)
            elif isinstance(v, dt.datetime):
                s = v.isoformat(" ")
                ps.setString(i, s)
            elif isinstance(v, dt.timedelta):
                us = v // dt.timedelta(microseconds=1)
                d, rest = divmod(abs(us), 86400_000_000)
                h, rest = divmod(rest, 3600_000_000)
                mi, rest = divmod(rest, 60_000_000)
                ps.setString(
                    i,
                    f"INTERVAL '{'-' if us < 0 else ''}{d} {h:02}:{mi:02}:{rest / 1e6:09.6f}' DAY TO SECOND",
                )
            else:
                raise OraError(
                    3001,
                    f"ORA-03001: unimplemented feature (oratest): bind {type(v).__name__}",
                )

    def open(self, toks, stmt, binds, returning=None):
        """prepare, casting the parameters when H2 cannot tell their type"""
        for cast in (False, True):
            sql, order = self.prepare(toks, stmt, binds, cast)
            try:
                return self.c.prepareStatement(sql), order, sql
            except jpype.JException as e:
                if (
                    cast
                    or not order
                    or int(getattr(e, "getErrorCode", lambda: 0)())
                    not in (50004, 42122, 22018)
                ):
                    raise self.ora(e, sql) from None
        return None

    def query(self, stmt, row, binds, describe_only=False):
        past = self.e.flashback.session_for(stmt)
        if past is not None and past is not self:
            return past.query(stmt, row, binds, describe_only)
        toks = self.translate(stmt)[0]
        ps, order, sql = self.open(toks, stmt, binds)
        try:
            if describe_only:
                md = ps.getMetaData()
                cols, readers = self.columns(md)
                ps.close()
                return Result(ps, None, cols, readers)
            try:
                self.set_params(ps, order, row)
                self.current = ps
                rs = ps.executeQuery()
            except jpype.JException as e:
                if order and int(e.getErrorCode()) in (50004, 22018, 22007):
                    ps.close()
                    sql, order = self.prepare(toks, stmt, binds, True)
                    ps = self.c.prepareStatement(sql)
                    self.set_params(ps, order, row)
                    rs = ps.executeQuery()
                else:
                    raise
            cols, readers = self.columns(rs.getMetaData())
            return Result(ps, rs, cols, readers)
        except jpype.JException as e:
            raise self.ora(e, sql) from None

    def domains_of(self, schema, table):
        return {
            r[0]: r[1]
            for r in self.rows(
                f"SELECT COLUMN_NAME, DOMAIN_NAME FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = '{schema}' AND TABLE_NAME = '{table}' AND DOMAIN_NAME IS NOT NULL"
            )
        }

    def columns(self, md):
        cols, readers, doms = [], [], {}
        for i in range(1, md.getColumnCount() + 1):
            label = str(md.getColumnLabel(i))
            typ = str(md.getColumnTypeName(i))
            prec, scale = int(md.getPrecision(i)), int(md.getScale(i))
            table, schema = (
                str(md.getTableName(i) or ""),
                str(md.getSchemaName(i) or ""),
            )
            nullable = int(md.isNullable(i)) != 0
            dom = None
            if table and schema != "INFORMATION_SCHEMA":
                key = (schema, table)
                if key not in doms:
                    doms[key] = self.domains_of(schema, table)
                dom = doms[key].get(str(md.getColumnName(i)))
            c, f = self.column(label, typ, prec, scale, bool(table), nullable, dom)
            cols.append(c)
            readers.append((i, f))
        return cols, readers

    def column(self, label, typ, prec, scale, stored, nullable, dom=None):
        dom = dom or ""
        if label == "_ROWID_":
            return Column("ROWID", w.T_ROWID, nullable=False), r_rowid
        if "LOCAL TIME ZONE" in dom:
            return Column(label, w.T_TSLTZ, scale=scale, nullable=nullable), r_ltz
        if dom in ("LONG", "LONG RAW"):
            return Column(
                label, w.T_LONG if dom == "LONG" else w.T_LONG_RAW, nullable=nullable
            ), (r_str if dom == "LONG" else r_bytes)
        if dom == "FLOAT":
            return Column(label, w.T_NUMBER, 126, -127, nullable=nullable), r_str
        if typ == "NUMERIC" and stored:
            return Column(
                label, w.T_NUMBER, min(prec, 38), scale, nullable=nullable
            ), r_str
        if typ in ("NUMERIC", "DECFLOAT", "INTEGER", "BIGINT", "SMALLINT", "TINYINT"):
            return Column(label, w.T_NUMBER, 0, -127, nullable=nullable), r_str
        if typ in ("CHARACTER VARYING", "VARCHAR_IGNORECASE", "NULL", "UUID", "ENUM"):
            size = min(prec or 1, 4000)
            form = 2 if dom.startswith("NVARCHAR2") else 1
            return Column(
                label,
                w.T_VARCHAR,
                max_size=size,
                buffer_size=size * 4,
                csfrm=form,
                nullable=nullable,
            ), r_str
        if typ == "CHARACTER":
            return Column(
                label,
                w.T_CHAR,
                max_size=min(prec, 2000),
                buffer_size=min(prec, 2000) * 4,
                csfrm=2 if dom.startswith("NCHAR") else 1,
                nullable=nullable,
            ), r_str
        if typ == "TIMESTAMP":
            return (
                Column(label, w.T_DATE, nullable=nullable)
                if scale == 0
                else Column(label, w.T_TS, scale=scale, nullable=nullable)
            ), r_ts
        if typ == "DATE":
            return Column(label, w.T_DATE, nullable=nullable), r_ts
        if typ == "TIMESTAMP WITH TIME ZONE":
            return Column(label, w.T_TSTZ, scale=scale, nullable=nullable), r_tstz
        if typ in ("BINARY VARYING", "BINARY"):
            size = min(prec or 1, 2000)
            return Column(
                label, w.T_RAW, max_size=size, buffer_size=size, nullable=nullable
            ), r_bytes
        if typ == "CHARACTER LARGE OBJECT":
            return Column(
                label, w.T_CLOB, csfrm=2 if dom == "NCLOB" else 1, nullable=nullable
            ), r_clob
        if typ == "JSON":
            return Column(label, w.T_CLOB, json=True, nullable=nullable), r_clob
        if typ == "BINARY LARGE OBJECT":
            return Column(label, w.T_BLOB, nullable=nullable), r_blob
        if typ == "DOUBLE PRECISION":
            return Column(label, w.T_BDOUBLE, nullable=nullable), r_str
        if typ == "REAL":
            return Column(label, w.T_BFLOAT, nullable=nullable), r_str
        if typ == "BOOLEAN":
            return Column(label, w.T_NUMBER, 1, 0, nullable=nullable), r_bool
        if typ.startswith("INTERVAL"):
            if "SECOND" in typ or "DAY" in typ:
                return Column(label, w.T_IDS, 2, 6, nullable=nullable), r_ids
            return Column(label, w.T_IYM, 2, 0, nullable=nullable), r_iym
        raise OraError(
            3001, f"ORA-03001: unimplemented feature (oratest): H2 type {typ}"
        )

    def run(self, stmt, rows, binds, batch):
        res = Outcome()
        if stmt.plsql:
            return self.block(stmt, rows[0] if rows else [], binds)
        if stmt.verb in ("COMMIT", "ROLLBACK"):
            (self.commit if stmt.verb == "COMMIT" else self.rollback)()
            return Outcome(txn=False)
        if stmt.verb == "SAVEPOINT":
            self.exec_raw(text(stmt.toks))
            return Outcome(txn=self.txn)
        parts = self.translate(stmt)
        if stmt.ddl or stmt.verb in ("LOCK", "SET"):
            if stmt.ddl and [t.u for t in stmt.toks[:2]] != ["ALTER", "SESSION"]:
                self.commit()
            drops = stmt.verb == "DROP" and stmt.toks[1].u in ("TABLE", "VIEW")
            before = self.view_texts() if drops else {}
            for toks in parts:
                self.exec_raw(text(toks))
            if drops:  # Oracle leaves dependent views in place, invalid
                gone = {k: v for k, v in before.items() if k not in self.view_texts()}
                if stmt.toks[1].u == "VIEW":
                    gone.pop(
                        tuple(
                            self.name_parts(
                                stmt.toks[2:5]
                                if len(stmt.toks) > 4 and stmt.toks[3].t == "."
                                else stmt.toks[2:3]
                            )
                        ),
                        None,
                    )
                for (sch, name), body in gone.items():
                    self.exec_raw(f'CREATE FORCE VIEW "{sch}"."{name}" AS {body}')
                    self.e.invalid.add((sch, name))
            elif stmt.verb in ("CREATE", "ALTER", "RENAME"):
                for _ in range(len(self.e.invalid)):  # views upon views
                    for sch, name in list(self.e.invalid):
                        try:
                            self.exec_raw(f'ALTER VIEW "{sch}"."{name}" RECOMPILE')
                            self.exec_raw(f'SELECT 1 FROM "{sch}"."{name}" WHERE 1 = 0')
                            self.e.invalid.discard((sch, name))
                        except OraError:
                            pass
            return Outcome(txn=self.txn)
        prepared = [self.open(toks, stmt, binds) for toks in parts]
        try:
            if stmt.return_binds:
                return self.returning(stmt, rows, binds)
            for n, row in enumerate(rows):
                try:
                    total = 0
                    for _k, (ps, order, _sql) in enumerate(prepared):
                        self.set_params(ps, order, row)
                        self.current = ps
                        total += int(ps.executeUpdate())
                    res.rowcount += total
                    res.counts.append(total)
                except jpype.JException as e:
                    err = self.ora(e, prepared[0][2], row=n)
                    self.txn = True
                    if batch is None:
                        raise err from None
                    batch.append((err, n))
                    res.counts.append(0)
        finally:
            for ps, _, _ in prepared:
                ps.close()
        self.txn = True
        return res

    def returning(self, stmt, rows, binds):
        r = find(stmt.toks, "RETURNING")
        into = find(stmt.toks, "INTO", start=r)
        exprs = self.rewrite(stmt.toks[r + 1 : into])
        body = self.rewrite(stmt.toks[:r])
        which = "OLD" if stmt.verb == "DELETE" else "FINAL"
        t = stmt.toks[1 if stmt.verb == "UPDATE" else 2 : r]
        alias = t[2] if len(t) > 2 and t[1].t == "." else t[0]
        toks = (
            lex("SELECT ")
            + exprs
            + lex(f" FROM {which} TABLE ( ")
            + body
            + lex(" ) ")
            + [alias]
        )
        ps, order, sql = self.open(toks, stmt, binds)
        res = Outcome(returned=[])
        for n, row in enumerate(rows):
            try:
                self.set_params(ps, order, row)
                rs = ps.executeQuery()
                cols, readers = self.columns(rs.getMetaData())
                got = Result(ps, rs, cols, readers).fetch(10**9)
            except jpype.JException as e:
                raise self.ora(e, sql, row=n) from None
            res.returned.append(got)
            res.rowcount += len(got)
        ps.close()
        self.txn = True
        return res

    # ---- PL/SQL: enough for the anonymous blocks that clients of this kind send -------------
    def block(self, stmt, row, binds):
        if stmt.verb == "CALL":
            return Outcome(txn=self.txn)
        toks = [t for t in stmt.toks if t.t != "/" or t is not stmt.toks[-1]]
        res = Outcome(txn=self.txn)
        Block(self, stmt, row, binds, res).run(toks)
        res.txn = self.txn
        return res

    # ---- direct path ----------------------------------------------------------------------
    def table_columns(self, schema, table, names):
        q = ", ".join(f'"{n}"' for n in names)
        cols = self.query(
            Statement(f'SELECT {q} FROM "{schema}"."{table}"'),
            [],
            [],
            describe_only=True,
        ).columns
        for c in cols:
            if c.kind in (w.T_VARCHAR, w.T_CHAR):
                c.max_size = c.buffer_size
        return cols

    def insert_text(self, schema, table, names):
        q = ", ".join(f'"{n}"' for n in names)
        return f'INSERT INTO "{schema}"."{table}" ({q}) VALUES ({", ".join(f":{i + 1}" for i in range(len(names)))})'

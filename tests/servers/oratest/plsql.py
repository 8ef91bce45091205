"""Enough PL/SQL for the anonymous blocks that clients of this kind send."""

from __future__ import annotations

import re

from . import wire as w
from .sqltext import Statement, Tok, close_of, find, lex, split_commas, text
from .types import OraError


class Block:
    """DECLARE … BEGIN … EXCEPTION … END, IF, FOR over a query, assignments, SQL, EXECUTE IMMEDIATE"""

    NAMED = {
        "NO_DATA_FOUND": 1403,
        "TOO_MANY_ROWS": 1422,
        "DUP_VAL_ON_INDEX": 1,
        "INVALID_NUMBER": 1722,
        "ZERO_DIVIDE": 1476,
        "VALUE_ERROR": 6502,
    }
    IGNORED = {
        "DBMS_STATS",
        "DBMS_SESSION",
        "DBMS_APPLICATION_INFO",
        "DBMS_OUTPUT",
        "DBMS_LOCK",
        "DBMS_MVIEW",
        "PRAGMA",
    }

    def __init__(self, db, stmt, row, binds, res):
        self.db, self.stmt, self.row, self.binds, self.res = db, stmt, row, binds, res
        self.vars, self.exc, self.code = {}, dict(self.NAMED), 0

    def bad(self, toks):
        return OraError(
            6550,
            f"ORA-06550: line 1, column 1:\nPLS-00103: oratest does not serve '{text(toks)[:80]}'",
            offset=-1,
        )

    def cut(self, toks, i=0):
        """one statement from i -> (its tokens without ';', index after)"""
        depth, j = 0, i
        while j < len(toks):
            t = toks[j]
            if t.k == "id":
                prev_end = j > i and toks[j - 1].k == "id" and toks[j - 1].u == "END"
                if t.u in ("IF", "LOOP", "CASE", "BEGIN") and not prev_end:
                    depth += 1
                elif t.u == "END":
                    depth -= 1
            if t.t == ";" and depth <= 0:
                return toks[i:j], j + 1
            j += 1
        return toks[i:], j

    def until(self, toks, words, i=0):
        """index of the first of words at depth 0"""
        depth = 0
        for j in range(i, len(toks)):
            t = toks[j]
            if t.k != "id":
                continue
            prev_end = j > i and toks[j - 1].k == "id" and toks[j - 1].u == "END"
            if depth == 0 and t.u in words and not prev_end:
                return j
            if t.u in ("IF", "LOOP", "CASE", "BEGIN") and not prev_end:
                depth += 1
            elif t.u == "END":
                depth -= 1
        return len(toks)

    def run(self, toks):
        while toks and toks[-1].t == ";":
            toks = toks[:-1]
        i = 0
        if toks[0].u == "DECLARE":
            b = self.until(toks[1:], {"BEGIN"}) + 1
            at = 1
            while at < b:
                d, at = self.cut(toks[:b], at)
                m = re.search(
                    r"(?i)EXCEPTION_INIT\s*\(\s*(\w+)\s*,\s*-\s*(\d+)", text(d)
                )
                if m:
                    self.exc[m[1].upper()] = int(m[2])
                elif (
                    d
                    and d[0].k == "id"
                    and d[0].u != "PRAGMA"
                    and d[-1].u != "EXCEPTION"
                ):
                    e = next(
                        (k for k, t in enumerate(d) if t.t == ":=" or t.u == "DEFAULT"),
                        None,
                    )
                    self.vars[d[0].u] = self.value(d[e + 1 :]) if e else None
            i = b
        if toks[i].u != "BEGIN" or toks[-1].u != "END":
            raise self.bad(toks)
        body = toks[i + 1 : -1]
        x = self.until(body, {"EXCEPTION"})
        handlers = body[x + 1 :]
        try:
            self.statements(body[:x])
        except OraError as e:
            if not handlers or e.code in (3001, 6550):
                raise
            at = 0
            while at < len(handlers):
                th = self.until(handlers, {"THEN"}, at)
                nxt = self.until(handlers, {"WHEN"}, th)
                names = [
                    t.u for t in handlers[at + 1 : th] if t.k == "id" and t.u != "OR"
                ]
                if "OTHERS" in names or any(self.exc.get(n) == e.code for n in names):
                    self.code, old = -e.code, self.code
                    self.error = e
                    self.statements(handlers[th + 1 : nxt])
                    self.code = old
                    return
                at = nxt
            raise

    def statements(self, toks):
        i = 0
        while i < len(toks):
            one, i = self.cut(toks, i)
            if one:
                self.one(one)

    def one(self, g):
        head = g[0].u
        if head == "NULL" or head in self.IGNORED:
            return None
        if head in ("BEGIN", "DECLARE"):
            inner = Block(self.db, self.stmt, self.row, self.binds, self.res)
            inner.vars, inner.code = self.vars, self.code
            inner.run(g)
        elif head == "RAISE":
            raise self.error
        elif head == "RAISE_APPLICATION_ERROR":
            args = split_commas(g[2:-1])
            n = abs(int(self.value(args[0])[1]))
            raise OraError(n, f"ORA-{n:05d}: {self.value(args[1])}")
        elif head == "IF":
            at = 0
            while g[at].u in ("IF", "ELSIF"):
                th = self.until(g, {"THEN"}, at + 1)
                nxt = self.until(g, {"ELSIF", "ELSE", "END"}, th + 1)
                if self.truth(g[at + 1 : th]):
                    return self.statements(g[th + 1 : nxt])
                at = nxt
            if g[at].u == "ELSE":
                self.statements(g[at + 1 : self.until(g, {"END"}, at + 1)])
        elif head == "FOR" and g[2].u == "IN" and g[3].t == "(":
            c = close_of(g, 3)
            sub = Statement(text(self.subst(g[4:c])))
            result = self.db.query(sub, [], [])
            rows = result.fetch(10**9)
            for r in rows:
                for col, v in zip(result.columns, r, strict=False):
                    self.vars[f"{g[1].u}.{col.name}"] = v
                self.statements(g[c + 2 : -2])
        elif head == "EXECUTE" and g[1].u == "IMMEDIATE":
            u = find(g, "USING")
            sub = Statement(str(self.value(g[2 : u if u > 0 else len(g)])))
            args = [self.value(a) for a in split_commas(g[u + 1 :])] if u > 0 else []
            if sub.query:
                self.db.query(sub, args, []).fetch(1)
            else:
                self.db.run(sub, [args], [], None)
        elif head in (
            "INSERT",
            "UPDATE",
            "DELETE",
            "MERGE",
            "COMMIT",
            "ROLLBACK",
            "SAVEPOINT",
            "LOCK",
        ):
            sub = Statement(text(self.subst(g)))
            self.db.run(sub, [self.args(sub)[0]], self.args(sub)[1], None)
        elif len(g) > 1 and g[1].t == ":=":
            v = self.value(g[2:])
            if g[0].k == "bind":
                self.res.out[self.stmt.bind_names.index(g[0].t[1:].strip().upper())] = v
            else:
                self.vars[head] = v
        else:
            raise self.bad(g)
        return None

    def args(self, sub):
        at = [self.stmt.bind_names.index(n) for n in sub.bind_names]
        return [self.row[k] for k in at], [self.binds[k] for k in at]

    def subst(self, toks):
        out, i = [], 0
        while i < len(toks):
            t = toks[i]
            if (
                t.k == "id"
                and i + 2 < len(toks)
                and toks[i + 1].t == "."
                and f"{t.u}.{toks[i + 2].u}" in self.vars
            ):
                out += self.literal(self.vars[f"{t.u}.{toks[i + 2].u}"])
                i += 3
                continue
            if t.k == "id" and t.u in self.vars and (i == 0 or toks[i - 1].t != "."):
                out += self.literal(self.vars[t.u])
            elif t.k == "id" and t.u == "SQLCODE":
                out += lex(f"({self.code})")
            elif t.k == "id" and t.u == "SQLERRM":
                out += self.literal(str(getattr(self, "error", "")))
            else:
                out.append(t)
            i += 1
        return out

    @staticmethod
    def literal(v):
        if v is None:
            return lex("NULL")
        if isinstance(v, tuple):
            v = v[1]
            return lex(f"({v})")
        return [Tok("str", "'" + str(v).replace("'", "''") + "'")]

    def value(self, toks):
        if len(toks) == 1 and toks[0].k == "str":
            return toks[0].t[1:-1].replace("''", "'")
        sub = Statement("SELECT " + text(self.subst(toks)) + " FROM DUAL")
        args, metas = self.args(sub)
        r = self.db.query(sub, args, metas)
        v = r.fetch(1)[0][0]
        return ("N", v) if r.columns[0].kind == w.T_NUMBER and v is not None else v

    def truth(self, toks):
        sub = Statement("SELECT 1 FROM DUAL WHERE " + text(self.subst(toks)))
        args, metas = self.args(sub)
        return bool(self.db.query(sub, args, metas).fetch(1))

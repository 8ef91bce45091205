"""Oracle SQL text: tokens, binds, statement kind, and the rewriting of what H2's Oracle mode lacks."""

from __future__ import annotations

import re

TOKEN = re.compile(
    r"""
    (?P<ws>\s+)
  | (?P<comment>--[^\n]*|/\*.*?\*/)
  | (?P<q>[nN]?[qQ]'(?:\[.*?\]'|\{.*?\}'|<.*?>'|\(.*?\)'|(?P<qd>[^\s\[{<(]).*?(?P=qd)'))
  | (?P<str>[nN]?'(?:[^']|'')*')
  | (?P<qid>"[^"]*")
  | (?P<num>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fFdD]?(?![\w$\#]))
  | (?P<bind>:\s*(?:"[^"]+"|\w[\w$\#]*))
  | (?P<id>[^\W\d][\w$\#]*)
  | (?P<op>\|\||:=|=>|<=|>=|<>|!=|\^=|\*\*|.)
""",
    re.VERBOSE | re.DOTALL,
)


class Tok:
    __slots__ = ("k", "n", "rowid", "t", "u")

    def __init__(self, k, t):
        self.k, self.t, self.n, self.rowid = k, t, 0, False  # n: the bind's position
        self.u = t.upper() if k == "id" else t

    def __repr__(self):
        return self.t


def tokens(sql):
    out = []
    for m in TOKEN.finditer(sql):
        k = m.lastgroup if m.lastgroup != "qd" else "q"
        t = m[0]
        if k == "ws":
            continue
        if k == "comment":
            continue
        if k == "q":
            body = t[t.index("'") + 2 : -2]
            k, t = "str", "'" + body.replace("'", "''") + "'"
        elif k == "str" and t[0] in "nN":
            t = t[1:]
        elif k == "bind" and out and out[-1].k == "str":
            k = "op"  # JSON 'key':value
        out.append(Tok(k, t))
    return out


def text(toks):
    """join tokens; '.'-joined names stay together"""
    out = []
    for i, t in enumerate(toks):
        if out and not (t.t in ".,)" or toks[i - 1].t in ".("):
            out.append(" ")
        out.append(t.t)
    return "".join(out)


KEYWORD = re.compile(r"(?:\s+|--[^\n]*\n|/\*.*?\*/|\()*([A-Za-z]+)", re.DOTALL)


class Statement:
    def __init__(self, sql: str):
        self.sql = sql
        m = KEYWORD.match(sql)
        self.verb = m[1].upper() if m else ""
        self.query = self.verb in ("SELECT", "WITH")
        self.plsql = self.verb in ("BEGIN", "DECLARE", "CALL")
        self.dml = self.verb in ("INSERT", "UPDATE", "DELETE", "MERGE")
        self.ddl = self.verb in (
            "CREATE",
            "ALTER",
            "DROP",
            "GRANT",
            "REVOKE",
            "ANALYZE",
            "AUDIT",
            "COMMENT",
            "TRUNCATE",
            "RENAME",
            "PURGE",
            "FLASHBACK",
        )
        self.toks = tokens(sql)
        while self.toks and self.toks[-1].t == ";" and not self.plsql:
            self.toks.pop()
        # binds, in the order in which the driver sends them
        self.bind_names: list[str] = []
        self.return_binds: list[int] = []
        self.out_binds: set[int] = set()
        returning = into = False
        if not self.ddl:
            for t in self.toks:
                if self.dml and t.k == "id" and t.u == "RETURNING":
                    returning = True
                elif returning and t.k == "id" and t.u == "INTO":
                    into = True
                elif t.k == "bind":
                    name = t.t[1:].strip()
                    name = name[1:-1] if name.startswith('"') else name.upper()
                    if self.plsql and name in self.bind_names:
                        t.n = self.bind_names.index(name)
                        continue
                    t.n = len(self.bind_names)
                    if into:
                        self.return_binds.append(len(self.bind_names))
                    self.bind_names.append(name)


def split_commas(toks):
    out, depth, cur = [], 0, []
    for t in toks:
        if t.t == "(":
            depth += 1
        elif t.t == ")":
            depth -= 1
        if t.t == "," and depth == 0:
            out.append(cur)
            cur = []
        else:
            cur.append(t)
    if cur:
        out.append(cur)
    return out


def close_of(toks, i):
    """index of the ')' matching the '(' at i"""
    depth = 0
    for j in range(i, len(toks)):
        if toks[j].t == "(":
            depth += 1
        elif toks[j].t == ")":
            depth -= 1
            if depth == 0:
                return j
    return len(toks) - 1


def find(toks, *words, start=0, depth0=True):
    depth = 0
    n = len(words)
    for i in range(start, len(toks) - n + 1):
        if toks[i].t == "(":
            depth += 1
        elif toks[i].t == ")":
            depth -= 1
        if (depth == 0 or not depth0) and all(
            toks[i + j].u == x and toks[i + j].k != "str" for j, x in enumerate(words)
        ):
            return i
    return -1


def lex(s):
    return tokens(s)

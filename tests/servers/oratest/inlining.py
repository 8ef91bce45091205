"""WITH clauses written out.

H2 2.1 keeps no view whose text has one, and loses constant columns of nested ones.
"""

from __future__ import annotations

from .sqltext import Tok, close_of, lex

#: What may follow a table's name without being its alias.
AFTER_A_TABLE = {
    "WHERE", "GROUP", "ORDER", "HAVING", "UNION", "INTERSECT", "MINUS", "EXCEPT",
    "JOIN", "INNER", "LEFT", "RIGHT", "FULL", "CROSS", "NATURAL", "ON", "USING",
    "FETCH", "OFFSET", "CONNECT", "START", "WITH", "MODEL", "PIVOT", "FOR",
}  # fmt: skip


def inline(toks, known=None):
    """The tokens with each named query in the places where it is read from."""
    known = dict(known or {})
    out, i, in_from = [], 0, False
    while i < len(toks):
        token = toks[i]
        if token.t == "(":
            end = close_of(toks, i)
            out += [token, *inline(toks[i + 1 : end], known), toks[end]]
            i = end + 1
        elif token.k == "id" and token.u == "WITH" and is_query(out, toks, i):
            i = read_names(toks, i + 1, known)
        elif named(token) in known and is_table(out, toks, i, in_from=in_from):
            name = named(token)
            out += [Tok("op", "("), *known[name], Tok("op", ")")]
            following = toks[i + 1] if i + 1 < len(toks) else None
            if (
                following is None
                or following.k not in ("id", "qid")
                or following.u in AFTER_A_TABLE
            ):
                out += lex(token.t)
            i += 1
        else:
            if token.k == "id":
                if token.u in ("FROM", "JOIN"):
                    in_from = True
                elif token.u in ("SELECT", "WHERE", "GROUP", "ORDER", "ON"):
                    in_from = False
            out.append(token)
            i += 1
    return out


def named(token):
    """The name that a token stands for, or None."""
    if token.k == "id":
        return token.u
    return token.t.strip('"') if token.k == "qid" else None


def is_query(out, toks, i):
    """Whether a query begins at this WITH, and not a time zone."""
    begins = not out or out[-1].u in ("AS", "(", ")")
    return begins and i + 2 < len(toks) and toks[i + 2].u == "AS"


def is_table(out, toks, i, *, in_from):
    """Whether a query's name stands for its rows here."""
    before = out[-1] if out else None
    after = toks[i + 1].t if i + 1 < len(toks) else ""
    if before is None or after in (".", "("):
        return False
    return before.u in ("FROM", "JOIN") or (in_from and before.t == ",")


def read_names(toks, i, known):
    """Take `name AS (query), …` into `known`; where the main query begins."""
    while True:
        end = close_of(toks, i + 2)
        known[named(toks[i])] = inline(toks[i + 3 : end], known)
        if end + 1 < len(toks) and toks[end + 1].t == ",":
            i = end + 2
        else:
            return end + 1

"""Open H2 results, and how each kind of column is read from them."""

from __future__ import annotations

import contextlib
import datetime as dt
import re

from .types import Lob


class Result:
    def __init__(self, st, rs, columns, readers):
        self.st, self.rs, self.columns, self.readers = st, rs, columns, readers

    def fetch(self, n):
        rows, rs, readers = [], self.rs, self.readers
        nxt = rs.next
        while len(rows) < n and nxt():
            rows.append([f(rs, i) for i, f in readers])
        return rows

    def close(self):
        with contextlib.suppress(Exception):
            self.st.close()


def r_str(rs, i):
    v = rs.getString(i)
    return None if v is None else str(v)


def r_ts(rs, i):
    v = rs.getString(i)
    if v is None:
        return None
    return dt.datetime.fromisoformat(str(v)[:26].strip())


TZ = re.compile(r"(\d+-\d+-\d+ \d+:\d+:\d+)(?:\.(\d+))?([+-]\d+(?::\d+)?|Z)$")


def r_tstz(rs, i):
    v = rs.getString(i)
    if v is None:
        return None
    m = TZ.match(str(v))
    z = m[3]
    off = dt.timedelta(0)
    if z != "Z":
        h, _, mi = z[1:].partition(":")
        off = dt.timedelta(hours=int(h), minutes=int(mi or 0)) * (
            -1 if z[0] == "-" else 1
        )
    return dt.datetime.fromisoformat(m[1]).replace(
        microsecond=int((m[2] or "0").ljust(6, "0")[:6]), tzinfo=dt.timezone(off)
    )


def r_ltz(rs, i):
    v = r_tstz(rs, i)
    return None if v is None else v.astimezone(dt.UTC).replace(tzinfo=None)


def r_bytes(rs, i):
    v = rs.getBytes(i)
    return None if v is None else bytes(v)


def r_clob(rs, i):
    v = rs.getString(i)
    return None if v is None else Lob(str(v))


def r_blob(rs, i):
    v = rs.getBytes(i)
    return None if v is None else Lob(bytes(v))


def r_bool(rs, i):
    v = rs.getString(i)
    return None if v is None else "1" if str(v).upper() == "TRUE" else "0"


def r_ids(rs, i):
    v = rs.getString(i)
    if v is None:
        return None
    m = re.search(r"'(-?)(?:(\d+) )?(\d+):(\d+):(\d+)(?:\.(\d+))?'", str(v))
    td = dt.timedelta(
        days=int(m[2] or 0),
        hours=int(m[3]),
        minutes=int(m[4]),
        seconds=int(m[5]),
        microseconds=int((m[6] or "0").ljust(6, "0")[:6]),
    )
    return -td if m[1] else td


def r_iym(rs, i):
    v = rs.getString(i)
    if v is None:
        return None
    m = re.search(r"'(-?)(\d+)-(\d+)'", str(v))
    s = -1 if m[1] else 1
    return s * int(m[2]), s * int(m[3])


def r_rowid(rs, i):
    v = rs.getLong(i)
    return None if rs.wasNull() else int(v)

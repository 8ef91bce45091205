"""H2 error codes as Oracle's."""

from __future__ import annotations

import os
import re

import jpype

from .types import OraError

CODES = {
    57014: 1013,
    42102: 942,
    42103: 942,
    42104: 942,
    42122: 904,
    42121: 957,
    42101: 955,
    42111: 955,
    23505: 1,
    23502: 1400,
    23503: 2292,
    23506: 2291,
    23513: 2290,
    23514: 2290,
    22001: 12899,
    22003: 1438,
    22012: 1476,
    22018: 1722,
    22007: 1861,
    42000: 900,
    42001: 900,
    90036: 2289,
    90035: 955,
    90079: 942,
    90037: 942,
    90038: 955,
    50200: 60,
    40001: 60,
    90022: 904,
    21002: 913,
    90052: 913,
    22025: 1425,
    90016: 979,
    90057: 2443,
    90078: 955,
    90012: 1008,
    90054: 937,
    42112: 1418,
    22004: 1400,
    90006: 8004,
    90107: 2449,
    90109: 4063,
    90045: 955,
}
MESSAGES = {
    1013: "User requested cancel of current operation.",
    4063: "view has errors",
    942: "table or view does not exist",
    955: "name is already used by an existing object",
    1: "unique constraint violated",
    1400: "cannot insert NULL into",
    12899: "value too large for column",
    1438: "value larger than specified precision allowed for this column",
    1476: "divisor is equal to zero",
    1722: "invalid number",
    904: "invalid identifier",
    2291: "integrity constraint violated - parent key not found",
    2292: "integrity constraint violated - child record found",
    2290: "check constraint violated",
    900: "invalid SQL statement",
    2289: "sequence does not exist",
    60: "deadlock detected while waiting for resource",
    1861: "literal does not match format string",
    913: "too many values",
    979: "not a GROUP BY expression",
    972: "identifier is too long",
    1031: "insufficient privileges",
    1418: "specified index does not exist",
}


def ora_error(e, schema, sql="", row=0):
    """The OraError for a java.sql.SQLException."""
    if not isinstance(e, jpype.JClass("java.sql.SQLException")):
        return OraError(3001, f"ORA-03001: unimplemented feature (oratest): {e}")
    n = int(e.getErrorCode())
    code = CODES.get(n, 3001)
    msg = (
        str(e.getMessage()).split("; SQL statement:")[0].split("[*]")[0]
        if code == 3001
        else str(e.getMessage()).split("; SQL statement:")[0]
    )
    if os.environ.get("ORATEST_DEBUG"):
        pass
    if code == 1400:
        m = re.search(r'column "([^"]+)"', msg)
        return OraError(
            code,
            f'ORA-01400: cannot insert NULL into ("{schema}"."?"."{m[1] if m else "?"}")',
            row=row,
        )
    if code == 1:
        m = re.search(r'"([^ "]+)', msg)
        return OraError(
            code,
            f"ORA-00001: unique constraint ({m[1] if m else '?'}) violated",
            row=row,
        )
    if code == 12899:
        m = re.search(r'column "([^ "]+).*\((\d+)\)', msg.replace("\n", " "))
        if "NUMERIC" in msg or "DECFLOAT" in msg:
            return OraError(1438, "ORA-01438: " + MESSAGES[1438], row=row)
        return OraError(
            code,
            f'ORA-12899: value too large for column "{schema}"."?"."{m[1] if m else "?"}" (actual: {m[2] if m else "?"}, maximum: ?)',
            row=row,
        )
    if code == 904:
        m = re.search(r'"([^"]+)"', msg)
        return OraError(
            code, f'ORA-00904: "{m[1] if m else "?"}": invalid identifier', row=row
        )
    return OraError(
        code,
        f"ORA-{code:05d}: {MESSAGES.get(code, '')}{' (' + msg[:200] + ')' if code in (3001, 900) else ''}",
        row=row,
    )

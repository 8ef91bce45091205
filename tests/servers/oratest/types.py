from __future__ import annotations

from dataclasses import dataclass, field

from . import wire as w


class OraError(Exception):
    def __init__(self, code, text=None, offset=0, row=0):
        super().__init__(text or f"ORA-{code:05d}")
        self.code, self.offset, self.row = code, offset, row


@dataclass
class Lob:
    data: object
    temp: bool = False
    csfrm: int = 1
    locator: bytes | None = None

    def size(self):
        return len(self.data)


@dataclass
class Column:
    name: str
    kind: int
    precision: int = 0
    scale: int = 0
    max_size: int = 0
    buffer_size: int = 0
    csfrm: int = 0
    nullable: bool = True
    json: bool = False

    def __post_init__(self):
        if self.kind in (w.T_VARCHAR, w.T_CHAR, w.T_CLOB, w.T_LONG) and not self.csfrm:
            self.csfrm = 1
        if not self.buffer_size:
            self.buffer_size = {
                w.T_NUMBER: 22,
                w.T_DATE: 7,
                w.T_TS: 11,
                w.T_TSTZ: 13,
                w.T_TSLTZ: 11,
                w.T_BDOUBLE: 8,
                w.T_BFLOAT: 4,
                w.T_CLOB: 4000,
                w.T_BLOB: 4000,
                w.T_ROWID: 18,
                w.T_IDS: 11,
                w.T_IYM: 5,
                w.T_BOOL: 4,
                w.T_RAW: self.max_size,
            }.get(self.kind, 4 * self.max_size or 1)


@dataclass
class Outcome:
    rowcount: int = 0
    counts: list = field(default_factory=list)
    returned: list | None = None
    out: dict = field(default_factory=dict)
    txn: bool = True
    rowid: int = 0

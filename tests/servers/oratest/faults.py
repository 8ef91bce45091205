"""Faults that a test asks for, and the record of what the server was asked.

A client asks with the statement ``ORATEST FAULT 'json'``:
``{"match": "from app.t", "code": 3113, "times": 1, "after_rows": 1000,
"close": true, "text": "ORA-…"}``. `match` is a piece of the SQL text (any case;
``commit`` and ``direct path load`` are matched too), `after_rows` waits until a
cursor of it has sent that many rows, `close` cuts the connection without an
answer, `delay_seconds` waits and then goes on. ``ORATEST CLEAR`` removes all.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from . import wire as w
from .error_codes import MESSAGES
from .types import OraError


@dataclass
class Fault:
    match: str
    code: int = 0
    times: int = 1
    skip: int = 0
    after_rows: int = -1
    close: bool = False
    delay_seconds: float = 0
    text: str = ""


class Faults:
    def __init__(self, trace_path=None):
        self.active: list[Fault] = []
        self.lock = threading.Lock()
        self.trace = Path(trace_path) if trace_path else None

    def record(self, session, text, rows):
        """One JSON line per statement: who asked, with what module, and what."""
        if self.trace is None:
            return
        entry = {"session": session.sid, "sql": text, "rows": rows}
        entry["attributes"] = dict(session.attributes)
        with self.lock, self.trace.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def control(self, text):
        """Take an ORATEST statement; False when it is none."""
        words = text.split(None, 2)
        if not words or words[0].upper() != "ORATEST":
            return False
        with self.lock:
            if words[1].upper() == "CLEAR":
                self.active.clear()
            else:
                order = words[2].strip().strip("'").replace("''", "'")
                self.active.append(Fault(**json.loads(order)))
        return True

    def strike(self, text, rows_sent=-1):
        """Raise what is due for this statement (rows_sent -1: it begins)."""
        due = None
        with self.lock:
            for fault in self.active:
                begins = fault.after_rows < 0 and rows_sent < 0
                far = 0 <= fault.after_rows <= rows_sent
                if not (begins or far) or fault.match.lower() not in text.lower():
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                if fault.times <= 0:
                    self.active.remove(fault)
                due = fault
                break
        if due is None:
            return
        if due.delay_seconds:
            time.sleep(due.delay_seconds)
        if due.close:
            raise w.Closed
        if due.code:
            message = (
                due.text or f"ORA-{due.code:05d}: {MESSAGES.get(due.code, 'fault')}"
            )
            raise OraError(due.code, message)

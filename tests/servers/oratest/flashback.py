"""Moments that a test asks the server to remember, for AS OF SCN to read.

H2 has no flashback; it has transactions that see their beginning. ``ORATEST
REMEMBER 4711`` opens one, and from then on ``AS OF SCN 4711`` is read in it, by any
session. Other SCNs read the present. ``ORATEST CLEAR`` forgets all moments.
"""

from __future__ import annotations

import threading

SNAPSHOT = "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SNAPSHOT"


class Flashback:
    def __init__(self):
        self.moments = {}
        self.lock = threading.Lock()

    def control(self, sql, open_session):
        """Act on an ORATEST statement; `open_session` gives a moment its own."""
        words = sql.split()
        if words[:2] == ["ORATEST", "CLEAR"]:
            self.clear()
        if words[:2] != ["ORATEST", "REMEMBER"]:
            return False
        session = open_session()
        session.exec_raw(SNAPSHOT)
        session.commit()
        session.exec_raw("SELECT 1 FROM INFORMATION_SCHEMA.SETTINGS")  # it begins here
        with self.lock:
            self.moments[words[2]] = session
        return True

    def session_for(self, stmt):
        """The moment that a statement reads as of, or None for the present."""
        if not self.moments:
            return None
        words = [token.u for token in stmt.toks]
        for place in range(len(words) - 3):
            if words[place : place + 3] == ["AS", "OF", "SCN"]:
                return self.moments.get(words[place + 3])
        return None

    def clear(self):
        with self.lock:
            for session in self.moments.values():
                session.close()
            self.moments.clear()

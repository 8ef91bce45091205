"""The server's clock: real time plus an offset that a test can move."""

from __future__ import annotations

import datetime as dt
import threading
import time


class Clock:
    """Monotonic within a test, and settable, so that expiry needs no sleeping."""

    def __init__(self) -> None:
        self._offset = 0.0
        self._lock = threading.Lock()

    def seconds(self) -> float:
        with self._lock:
            return time.time() + self._offset

    def now(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self.seconds(), dt.UTC)

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._offset += seconds

"""How often requests to a service may leave."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Spacing:
    """Keeps requests `60 / per_minute` seconds apart; no limit when not set.

    Args:
        per_minute: Requests per minute, or None.
        sleep: How waiting is done.
    """

    def __init__(
        self, per_minute: float | None, sleep: Callable[[float], None]
    ) -> None:
        self._gap = 60.0 / float(per_minute) if per_minute else 0.0
        self._next = 0.0
        self._lock = threading.Lock()
        self._sleep = sleep

    def wait(self) -> None:
        """Waits for this request's turn."""
        if not self._gap:
            return
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next)
            self._next = turn + self._gap
        if turn > now:
            self._sleep(turn - now)

"""Ends a run in order when it is told to stop.

Meltano handles SIGTERM itself while a tap and a target run; while a command (dbt)
runs it would die at once and leave dbt behind, and asyncio resets the handler after
each block. SIGHUP (a closed terminal) it never handles.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from typing import TYPE_CHECKING, Any

from flexcore_gen.events import processes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

GRACE_SECONDS = 6.0
"""How long plugins may take to end; a stop takes ten seconds at most."""


class Termination:
    """The signal handlers of one run."""

    def __init__(self) -> None:
        self.signal_name: str | None = None
        self._deferrals = 0
        self._pending: int | None = None
        self._timer: threading.Timer | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def arm(self) -> None:
        """Handle the signals that nobody handles."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, self._handle)
        self._stay_armed()

    def _stay_armed(self) -> None:
        # When Meltano takes its handler off after a tap and a target, asyncio leaves
        # the default behind: until the block is recorded, SIGTERM would kill.
        try:
            loop: Any = asyncio.get_running_loop()
        except RuntimeError:
            return
        if loop is self._loop:
            return
        self._loop = loop
        usual = loop.remove_signal_handler

        def remove_signal_handler(number: int) -> bool:
            removed: bool = usual(number)
            self.arm()
            return removed

        loop.remove_signal_handler = remove_signal_handler

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Keep the handler from breaking off an event half-written."""
        self._deferrals += 1
        try:
            yield
        finally:
            self._deferrals -= 1
            if self._pending is not None and not self._deferrals:
                number, self._pending = self._pending, None
                self._handle(number, None)

    def kill_stragglers_later(self) -> None:
        """Kill what Meltano started and is still there after the grace period."""
        if self._timer is None:
            self._timer = threading.Timer(GRACE_SECONDS, _kill_descendants)
            self._timer.daemon = True
            self._timer.start()

    def stop_descendants(self) -> None:
        """Stop what Meltano started, in order, and wait for it."""
        processes.stop(processes.descendants(os.getpid()), GRACE_SECONDS)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._deferrals:
            self._pending = number
            return
        self.signal_name = signal.Signals(number).name
        # asyncio cancels Meltano's tasks, which stop their plugins, on the way up.
        raise SystemExit(128 + number)


def _kill_descendants() -> None:
    processes.stop(processes.descendants(os.getpid()), 0.0)

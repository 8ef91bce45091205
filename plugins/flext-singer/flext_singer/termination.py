"""How a tap or target ends when it is told to, or when nobody is left.

The SDK drains and writes STATE inside its signal handler and exits 0: partial
data counts as a success, state can overtake data, and the handler can wait for
its own open transaction (meltano/sdk#3775). Here a signal ends the process at
once with 128 + signal: no draining, no STATE, no `finally`, no `atexit`. What was
committed stays, what was not is sent again by the next run.

A small thread does the same while the main thread sits in a C call, and watches
for two more endings: the reader of our output is gone (a pipe without reader),
or the parent is gone (unless SIGHUP is ignored, as under nohup, which says that
the process shall outlive it).
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import FrameType

WATCH_INTERVAL_SECONDS = 1.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_STDOUT, _STDERR = 1, 2


class Termination:
    """The termination rules of one process; see the module's text.

    Args:
        plugin: Name of the tap or target, for the last line on stderr.
    """

    def __init__(self, plugin: str) -> None:
        self.plugin = plugin
        self._parent = os.getppid()

    def install(self) -> None:
        """Take over SIGTERM and SIGINT and start the watching thread."""
        wakeup, written = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        for number in _SIGNALS:
            signal.signal(number, self._handle)
        with contextlib.suppress(ValueError):
            signal.set_wakeup_fd(written, warn_on_full_buffer=False)
        threading.Thread(
            target=self._watch, args=(wakeup,), name="termination", daemon=True
        ).start()

    def _handle(self, number: int, _frame: FrameType | None) -> NoReturn:
        self.end_by_signal(number)

    def end_by_signal(self, number: int) -> NoReturn:
        """End the process with 128 + `number`, now."""
        name = signal.Signals(number).name
        say(
            f"{self.plugin}: error: stopped by {name} before the end\n"
            "  where: nothing more was written or committed after the signal\n"
            "  fix:   run it again, it goes on from the last STATE\n"
        )
        os._exit(128 + number)

    def end_without_peer(self, who: str) -> NoReturn:
        """End the process with 1 because `who` is gone."""
        say(
            f"{self.plugin}: error: {who} is gone\n"
            "  where: nothing more was written or committed since\n"
            "  fix:   see its own messages, then run again\n"
        )
        os._exit(1)

    def missing_peer(self) -> str | None:
        """Return who is gone (the reader of our output, the parent), or None."""
        poll = select.poll()
        poll.register(_STDOUT, 0)  # errors are reported unasked
        if any(event & select.POLLERR for _, event in poll.poll(0)):
            return "the reader of the output"
        outlives = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        if not outlives and os.getppid() != self._parent:
            return "the process that started this one"
        return None

    def _watch(self, wakeup: int) -> None:
        while True:
            ready, _, _ = select.select([wakeup], [], [], WATCH_INTERVAL_SECONDS)
            if ready:
                with contextlib.suppress(BlockingIOError):
                    for number in os.read(wakeup, 64):
                        if number in _SIGNALS:
                            self.end_by_signal(number)
            if (who := self.missing_peer()) is not None:
                self.end_without_peer(who)


_installed: Termination | None = None


def install(plugin: str) -> Termination:
    """Install the termination rules for this process, once."""
    global _installed  # noqa: PLW0603 - signal handlers are global too
    if _installed is None:
        _installed = Termination(plugin)
        _installed.install()
    return _installed


def missing_peer() -> str | None:
    """Return who is gone, or None; always None where no rules are installed."""
    return _installed.missing_peer() if _installed else None


def say(text: str) -> None:
    """Write to stderr unless that would block: a dead reader must not hold us."""
    with contextlib.suppress(OSError, ValueError):
        _, writable, _ = select.select([], [_STDERR], [], 0)
        if writable:
            os.write(_STDERR, text.encode(errors="backslashreplace")[:4000])


def end(code: int) -> NoReturn:
    """Flush what may be flushed and end the process with `code`.

    `os._exit`, because a thread of a driver must not keep a finished process,
    and a closed stdout must not turn into a second error at shutdown.
    """
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        code = code or 1
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit(code)

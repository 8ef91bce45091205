"""Starts pipelines at their times, as child processes, until it is told to stop.

It keeps nothing: what ran is in the event store. A time that passed while it was
down, or while the pipeline still ran, is skipped and said so.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from datetime import datetime
from typing import TYPE_CHECKING

from flexcore_gen import report

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import tzinfo

#: The event hook ends a run within ten seconds; we must, so we leave it nine.
GRACE_SECONDS = 9.0
_LOOK_SECONDS = 0.5


class Scheduler:
    """Runs `command_of(pipeline)` for each pipeline when its cron expression says.

    Args:
        schedules: Pipeline to cron expression.
        command_of: The command line that runs a pipeline.
        zone: The time zone in which schedules are meant.
        one_at_a_time: Whether pipelines wait for each other, as DuckDB needs.
    """

    def __init__(
        self,
        schedules: Mapping[str, str],
        command_of: Callable[[str], list[str]],
        zone: tzinfo,
        *,
        one_at_a_time: bool,
    ) -> None:
        self.schedules = schedules
        self.command_of = command_of
        self.zone = zone
        self.limit = 1 if one_at_a_time else len(schedules)
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.waiting: list[str] = []
        self.stop = threading.Event()

    def run(self) -> None:
        """Works until SIGTERM or SIGINT, then ends what runs within ten seconds."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop.set())
        due = {name: self._next(name) for name in self.schedules}
        for name in sorted(due):
            report.say(f"{name}: next run {due[name].isoformat()}")
        try:
            while not self.stop.is_set():
                self._reap()
                now = datetime.now(self.zone)
                for name in sorted(due):
                    if due[name] <= now:
                        self._enqueue(name)
                        due[name] = self._next(name)
                while self.waiting and len(self.running) < self.limit:
                    self._start(self.waiting.pop(0))
                self.stop.wait(_LOOK_SECONDS)
        finally:
            self._end()

    def _next(self, name: str) -> datetime:
        from croniter import croniter  # noqa: PLC0415 - 20 ms, only here

        now = datetime.now(self.zone)
        moment: datetime = croniter(self.schedules[name], now).get_next(datetime)
        return moment

    def _enqueue(self, name: str) -> None:
        if name in self.running or name in self.waiting:
            word = "runs" if name in self.running else "waits"
            report.say(f"{name}: skipped, it still {word}")
        else:
            self.waiting.append(name)

    def _start(self, name: str) -> None:
        try:
            # A group of its own: the stop reaches plugins that it leaves behind.
            self.running[name] = subprocess.Popen(  # noqa: S603 - names, never a shell
                self.command_of(name), start_new_session=True
            )
        except OSError as error:
            report.say(f"{name}: cannot be started: {error}")
        else:
            report.say(f"{name}: started, pid {self.running[name].pid}")

    def _reap(self) -> None:
        for name, process in list(self.running.items()):
            code = process.poll()
            if code is not None:
                del self.running[name]
                said = "ended" if code == 0 else f"failed with exit code {code}"
                report.say(f"{name}: {said}")

    def _end(self) -> None:
        deadline = time.monotonic() + GRACE_SECONDS
        for process in self.running.values():
            process.terminate()
        for name, process in self.running.items():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
                report.say(f"{name}: stopped")
            except subprocess.TimeoutExpired:
                report.say(f"{name}: killed, it did not stop")
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

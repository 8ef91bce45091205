"""Which runs are alive: one locked file per run in `.flexcore/running`.

The lock (flock) is held by the run's own process and freed by the kernel the
moment that process ends, however it ends. So a file that can be locked is a run
that died, and a file that cannot is a run that lives: no heartbeat, no waiting.
The same files refuse a second run of a pipeline and name the plugins whose
configuration must not be swept.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from flexcore_gen.events import processes
from flexcore_gen.events.exclusion import Claim

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MUTEX_SECONDS = 10.0
"""How long a start waits for another start; each takes milliseconds."""


@dataclass(frozen=True)
class RunningRun:
    """What others must know about a run that has begun."""

    run_id: str
    correlation_id: str
    meltano_run_id: str
    pipeline: str
    environment: str | None
    lock_key: str
    command: str
    plugins: list[str]
    source: str
    host: str
    pid: int
    process_started: int | None
    boot_id: str
    since: str
    engine_pipeline: str = ""
    """The pipeline whose tasks an engine runs as processes, if one does."""

    @property
    def claim(self) -> Claim:
        """What the run takes for itself on this project's host."""
        pipeline = self.engine_pipeline or self.pipeline
        return Claim(
            key=self.lock_key,
            pipeline=f"{self.environment}\n{pipeline}",
            party=self.correlation_id,
            is_engines=bool(self.engine_pipeline),
        )


class RunRefusedError(Exception):
    """The same pipeline is running already in this environment."""

    def __init__(self, holder: RunningRun) -> None:
        super().__init__(f"{holder.pipeline} is running already")
        self.holder = holder


class RunRegistry:
    """The list of running runs of one project."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory / "running"
        self._own: tuple[Path, int] | None = None

    def enter(self, run: RunningRun) -> list[RunningRun]:
        """Register a run and hold its lock until the process ends.

        Returns:
            Runs found dead. Their files stay until `forget`.

        Raises:
            RunRefusedError: A living run excludes this one.
            OSError: The folder cannot be written or locked.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._mutex():
            living, dead = self._scan()
            for other in living:
                if run.claim.excludes(other.claim):
                    raise RunRefusedError(other)
            self._own = self._create(run)
        return dead

    def leave(self) -> None:
        """Take the own run off the list."""
        if self._own is not None:
            path, descriptor = self._own
            self._own = None
            path.unlink(missing_ok=True)
            os.close(descriptor)

    def forget(self, run: RunningRun) -> None:
        """Take a dead run off the list, once all that it left has been dealt with."""
        self._path(run.run_id).unlink(missing_ok=True)

    def scan(self) -> tuple[list[RunningRun], list[RunningRun]]:
        """Return the other runs that live, and those that died without a word."""
        if not self._directory.is_dir():
            return [], []
        with self._mutex():
            return self._scan()

    def _scan(self) -> tuple[list[RunningRun], list[RunningRun]]:
        living: list[RunningRun] = []
        dead: list[RunningRun] = []
        pid = os.getpid()
        own = (pid, processes.start_ticks(pid), processes.boot_id())
        for path in sorted(self._directory.glob("*.json")):
            with contextlib.suppress(FileNotFoundError, ValueError, TypeError):
                with path.open("rb") as file:
                    is_alive = not _can_lock(file.fileno())
                    run = RunningRun(**json.load(file))
                if not is_alive and not path.exists():
                    continue  # It ended properly while we looked.
                if own == (run.pid, run.process_started, run.boot_id):
                    continue
                (living if is_alive else dead).append(run)
        return living, dead

    def _create(self, run: RunningRun) -> tuple[Path, int]:
        # Locked and complete before it has its name: nobody sees it otherwise.
        draft = self._directory / f".{run.run_id}.draft"
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        descriptor = os.open(draft, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(descriptor, json.dumps(asdict(run)).encode())
            path = self._path(run.run_id)
            draft.rename(path)
        except BaseException:
            os.close(descriptor)
            draft.unlink(missing_ok=True)
            raise
        return path, descriptor

    def _path(self, run_id: str) -> Path:
        return self._directory / f"{run_id}.json"

    @contextlib.contextmanager
    def _mutex(self) -> Iterator[None]:
        path = self._directory / ".mutex"
        with open(path, "ab", opener=_private) as file:
            deadline = time.monotonic() + MUTEX_SECONDS
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.01)
            yield


def _can_lock(descriptor: int) -> bool:
    # Shared, so that two who look at once do not take each other for the run.
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)

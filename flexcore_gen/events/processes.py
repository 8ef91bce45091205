"""Which process is which, on Linux: a pid alone is reused sooner or later."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

_PROC = Path("/proc")
_START_TIME = 22
"""Field `starttime` of /proc/<pid>/stat, in clock ticks since boot (proc(5))."""


def host_name() -> str:
    """Return this host's name."""
    return os.uname().nodename


def boot_id() -> str:
    """Return this boot's id; process start times count from it."""
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def start_ticks(pid: int) -> int | None:
    """Return when a process began, in ticks since boot; None if it is gone."""
    fields = _stat(pid)
    # A zombie has ended; only its parent has not looked yet.
    if fields is None or fields[0] == "Z":
        return None
    return int(fields[_START_TIME - 3])


def age_seconds() -> float:
    """Return how long this process has been running."""
    ticks = start_ticks(os.getpid())
    if ticks is None:
        return 0.0
    since_boot = time.clock_gettime(time.CLOCK_BOOTTIME)
    return max(0.0, since_boot - ticks / os.sysconf("SC_CLK_TCK"))


def descendants(pid: int) -> list[int]:
    """Return the ids of all processes below a process."""
    children: dict[int, list[int]] = {}
    for entry in _pids():
        fields = _stat(entry)
        if fields is not None:
            children.setdefault(int(fields[1]), []).append(entry)
    found: list[int] = []
    waiting = [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def with_environment(entry: str) -> list[int]:
    """Return the processes (of this user) whose environment holds `NAME=value`."""
    wanted = entry.encode()
    found = []
    for pid in _pids():
        with contextlib.suppress(OSError):
            variables = (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
            if wanted in variables and pid != os.getpid():
                found.append(pid)
    return found


def mentioning(path: Path) -> bool:
    """Return whether a running process names this file in its command line."""
    wanted = os.fsencode(path)
    for pid in _pids():
        with contextlib.suppress(OSError):
            if wanted in (_PROC / str(pid) / "cmdline").read_bytes():
                return True
    return False


def stop(pids: list[int], grace_seconds: float) -> None:
    """Ask processes to end, wait, then kill what is left."""
    identities = {pid: start_ticks(pid) for pid in pids}
    _signal(identities, signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while time.monotonic() < deadline and _living(identities):
        time.sleep(0.05)
    _signal(identities, signal.SIGKILL)


def _living(identities: dict[int, int | None]) -> list[int]:
    return [
        pid
        for pid, began in identities.items()
        if began is not None and start_ticks(pid) == began
    ]


def _signal(identities: dict[int, int | None], number: signal.Signals) -> None:
    for pid in _living(identities):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _pids() -> list[int]:
    try:
        return [int(path.name) for path in _PROC.iterdir() if path.name.isdigit()]
    except OSError:
        return []


def _stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/<pid>/stat from the third (state) on."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    # The second field, the name, may hold spaces and parentheses.
    return text.rpartition(")")[2].split()

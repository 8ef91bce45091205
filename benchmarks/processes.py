"""Whole processes, measured, and peers in environments of their own.

Shared by the benchmarks that compare our plugins with other people's programs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
PEERS = CACHE / "flexcore-bench"
OURS = Path(sys.executable).parent
TIMEOUT_SECONDS = 600


@dataclass(frozen=True)
class Cost:
    """What one run took.

    Args:
        cpu: user and system seconds.
        wall: seconds on the clock.
        rss: peak memory in MB.
    """

    cpu: float
    wall: float
    rss: float


def peer(name: str, *packages: str) -> Path:
    """Give the `bin` folder of an environment that holds a peer; make it once."""
    folder = PEERS / name
    done = folder / "complete"
    if not done.exists():
        subprocess.run(["uv", "venv", "-q", "--clear", folder], check=True)  # noqa: S607 - uv as users have it
        python = folder / "bin" / "python"
        install = ["uv", "pip", "install", "-q", "--compile-bytecode"]
        subprocess.run([*install, "--python", python, *packages], check=True)
        done.touch()
    return folder / "bin"


def run(command: Sequence[str | Path], source: Path | None = None) -> Cost:
    """Run a command on a file and give what it took.

    Raises:
        RuntimeError: it failed.
    """
    # Both would change what is measured: a write per line, a compilation per start.
    environment = {
        key: value
        for key, value in os.environ.items()
        if key not in {"PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
    }
    began = time.monotonic()
    with (source or Path(os.devnull)).open("rb") as data:
        process = subprocess.Popen(
            command,
            stdin=data,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
        )
        errors = process.stderr.read() if process.stderr else b""
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command}: {errors.decode()[-2000:]}")
    return Cost(
        used.ru_utime + used.ru_stime, time.monotonic() - began, used.ru_maxrss / 1024
    )


def middle(costs: Sequence[Cost]) -> Cost:
    """Give the median of each figure."""
    return Cost(
        median(c.cpu for c in costs),
        median(c.wall for c in costs),
        max(c.rss for c in costs),
    )


def ratio(theirs: Sequence[Cost], ours: Sequence[Cost]) -> tuple[float, float]:
    """Give how often ours goes into theirs: CPU and wall, median of the pairs."""
    pairs = list(zip(theirs, ours, strict=True))
    return (
        median(t.cpu / o.cpu for t, o in pairs),
        median(t.wall / o.wall for t, o in pairs),
    )

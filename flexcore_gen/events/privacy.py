"""Keeps plugin configuration, passwords included, unreadable for others.

Meltano writes each plugin's settings in clear to `.meltano/run/<plugin>/` with the
default umask, and leaves them there when it is killed.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from flexcore_gen.events import plugin_starts

if TYPE_CHECKING:
    from pathlib import Path

PRIVATE_UMASK = 0o077


def guard_plugin_files() -> None:
    """Give Meltano's own process a private umask, and plugins the usual one.

    What a tap, a target or dbt writes for others to read (an LDIF file, a
    warehouse) keeps the permissions the person chose with their own umask.
    """
    plugin_starts.options["umask"] = os.umask(PRIVATE_UMASK)


def close_run_directory(system_directory: Path) -> None:
    """Close `.meltano/run` for others, whatever older files in it allow."""
    with contextlib.suppress(OSError):
        (system_directory / "run").chmod(0o700)

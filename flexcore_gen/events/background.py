"""Starts the process that delivers events, beside the run and beyond its end.

`FLEXCORE_DELIVERY=wait` waits for it at the end of the run: in a container nothing
lives longer than its first process. `off` leaves it to a scheduled
`flexcore-gen events deliver`.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from flexcore_gen.events.deliveries import beginning
from flexcore_gen.events.destinations import IN_RUN
from flexcore_gen.events.listener import warn
from flexcore_gen.events.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from flexcore_gen.events.destinations import Destination
    from flexcore_gen.events.store import EventStore

VARIABLE = "FLEXCORE_DELIVERY"
WAIT_SECONDS = 60.0
_PROGRAM = "from flexcore_gen.cli import main; main()"


def mark_beginning(
    destinations: Iterable[Destination], store: EventStore | None, run_id: str
) -> None:
    """Let destinations that are new begin with this run, whatever becomes of it."""
    with contextlib.suppress(StoreError):
        for each in destinations:
            if store is None or each.kind == IN_RUN:
                continue
            if store.delivered_up_to(each.name) is None:
                first = next(store.events(run_id), None)
                position = first.sequence - 1 if first else store.last_sequence()
                store.record_delivery(beginning(each.name, position))


def start(
    destinations: Iterable[Destination],
    run_id: str,
    root: Path,
    variables: Mapping[str, str],
    *,
    wait: bool = True,
) -> None:
    """Start `flexcore-gen events deliver`, if there is anyone to deliver to.

    Args:
        destinations: Handlers and exporters.
        run_id: Where destinations that are new begin.
        root: The project's folder.
        variables: Its environment.
        wait: This is the end of the run.
    """
    how = os.environ.get(VARIABLE, "background")
    if how == "off" or all(each.kind == IN_RUN for each in destinations):
        return
    command = ["events", "deliver", "--since-run", run_id]
    try:
        process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-c", _PROGRAM, *command],
            cwd=root,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        warn(f"events are not delivered now: {error}")
        return
    process.returncode = 0  # Nobody waits for it, and that is no leak.
    if how == "wait" and wait:
        process.returncode = None
        try:
            process.wait(WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            process.returncode = 0
            warn(
                "events are not delivered yet; the next run or "
                "`flexcore-gen events deliver` goes on"
            )

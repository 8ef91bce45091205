"""Clears up after runs that died without a word: kill -9, out of memory, power cut.

What the kernel cannot undo: processes that the dead run started, plugin
configuration in clear on disk, and the missing end of the run in the store.
(Meltano's own row that says RUNNING: stale_rows.)
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from flexcore_gen.events import processes, stale_rows
from flexcore_gen.events.run_event import RunEvent
from flexcore_gen.events.store import RunClosedError, StoreError
from flexcore_gen.events.trace import RUN_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from flexcore_gen.events.journal import Journal
    from flexcore_gen.events.running import RunningRun, RunRegistry
    from flexcore_gen.events.store import EventStore

ORPHAN_GRACE_SECONDS = 3.0
NEXT_START = "the next start"
_LATEST = 500
"""A start takes no longer with a long history; `events reconcile` looks at all."""


def settle(
    dead: list[RunningRun],
    registry: RunRegistry,
    journal: Journal,
    system_directory: Path,
    warn: Callable[[str], None],
) -> None:
    """Deal with everything that dead runs left, then forget them.

    Args:
        dead: Runs that the registry found dead.
        registry: The list of running runs.
        journal: Where their ends are written.
        system_directory: Meltano's `.meltano`.
        warn: Says one line to the person.
    """
    for run in dead:
        stop_orphans(run, warn)
        stale_rows.known_dead.add(run.meltano_run_id)
    if journal.store is None:
        for run in dead:
            journal.write(_lost(run.run_id, run.correlation_id, None, vars(run)))
    else:
        with contextlib.suppress(StoreError):
            close_lost_runs(
                journal.store,
                registry,
                NEXT_START,
                [run.run_id for run in dead],
                latest=_LATEST,
            )
    in_use = {name for run in registry.scan()[0] for name in run.plugins}
    for run in dead:
        sweep(system_directory / "run", run, in_use)
        registry.forget(run)


def stop_orphans(run: RunningRun, warn: Callable[[str], None]) -> None:
    """Stop what a dead run started and left running.

    A dbt left behind holds the warehouse's lock; a target left behind would write
    beside the new run's.
    """
    orphans = processes.with_environment(f"{RUN_VARIABLE}={run.run_id}")
    if orphans:
        warn(f"stopping {len(orphans)} process(es) left behind by run {run.run_id}")
        processes.stop(orphans, ORPHAN_GRACE_SECONDS)


def sweep(run_directory: Path, run: RunningRun, in_use: Collection[str]) -> None:
    """Remove the plugin configuration that a dead run left on disk.

    Args:
        run_directory: Meltano's `.meltano/run`.
        run: The dead run.
        in_use: Plugins of living runs, whose folders are left alone.
    """
    folders = [run_directory / name for name in run.plugins if name not in in_use]
    folders += (run_directory / "elt").glob(f"*/{run.meltano_run_id}")
    for folder in folders:
        for path in folder.glob("*.config.json"):
            # A `meltano invoke` of the same plugin is no run, but uses its file.
            with contextlib.suppress(OSError):
                if not processes.mentioning(path):
                    path.unlink()


def close_lost_runs(
    store: EventStore,
    registry: RunRegistry,
    found_by: str,
    known_dead: Collection[str] = (),
    latest: int | None = None,
) -> list[str]:
    """End the open runs in the store whose process is provably gone.

    Args:
        store: The event store.
        registry: The list of running runs; what is on it and alive is left alone.
        found_by: Goes into the event.
        known_dead: Ids of runs that are known to be dead.
        latest: Look only at this many runs that started last.

    Returns:
        The ids of the runs that were ended.
    """
    open_runs = store.run_ids(open_only=True, latest=latest)
    if not open_runs:
        return []
    living = {run.run_id for run in registry.scan()[0]}
    closed = []
    for run_id in open_runs:
        events = list(store.events(run_id))
        data = events[0].event.data
        is_dead = run_id in known_dead or _is_gone(run_id, data, store)
        if run_id in living or not is_dead:
            continue
        event = _lost(
            run_id,
            events[0].event.correlation_id,
            events[-1].event.id,
            {
                **data,
                "source": events[0].event.source,
                "pipeline": events[0].event.subject,
            },
            found_by,
        )
        with contextlib.suppress(RunClosedError):
            store.append(event)
            closed.append(run_id)
    return closed


def _is_gone(run_id: str, started: dict[str, Any], store: EventStore) -> bool:
    """Whether the process of a run is provably not there.

    A run of any host that held the store's lock lives as long as it holds it; else
    it must be of this host, and of another life.
    """
    if store.has_locks and (key := started.get("store_lock")):
        holder = store.holder(key)
        return holder is None or holder.run_id not in {run_id, None}
    if started.get("host") != processes.host_name():
        return False
    same_boot = started.get("boot_id") == processes.boot_id()
    ticks = processes.start_ticks(int(started.get("pid") or 0))
    return not same_boot or ticks != started.get("process_started")


def _lost(
    run_id: str,
    correlation_id: str,
    cause: str | None,
    run: dict[str, Any],
    found_by: str = NEXT_START,
) -> RunEvent:
    return RunEvent(
        name="PipelineLost",
        source=run["source"],
        subject=run["pipeline"],
        aggregate_id=run_id,
        correlation_id=correlation_id,
        causation_id=cause,
        data={
            "reason": "lost",
            "error": f"process {run['pid']} on {run['host']} vanished without a word "
            "(kill -9, out of memory or power cut)",
            "found_by": found_by,
            "host": run["host"],
            "pid": run["pid"],
        },
    )

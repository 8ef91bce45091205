"""Lets Meltano start a pipeline whose last run is provably dead.

Meltano keeps a RUNNING row per state id and refuses the next run until the row has
had no heartbeat for five minutes. Right before it looks, it calls `fail_stale_jobs`;
from here on that also fails the rows of runs which are known to have ended.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from flexcore_gen.events.store import EventStore

MODULES = ("meltano.cli.elt", "meltano.core.block.extract_load")
"""Where Meltano calls `fail_stale_jobs`."""

known_dead: set[str] = set()
"""Meltano's ids of the runs that this process has found dead."""


def install() -> None:
    """Wrap `fail_stale_jobs` where `meltano run` and `meltano el` call it."""
    for name in MODULES:
        module: Any = sys.modules.get(name)
        usual = getattr(module, "fail_stale_jobs", None)
        if usual is not None:
            module.fail_stale_jobs = _wrapped(usual)


def _wrapped(usual: Callable[..., None]) -> Callable[..., None]:
    def fail_stale_jobs(session: Any, state_id: str | None = None) -> None:  # noqa: ANN401 - sqlalchemy Session
        with contextlib.suppress(Exception):  # then Meltano's own rule holds
            if state_id is not None:
                _fail_rows_of_the_dead(session, state_id)
        usual(session, state_id)

    return fail_stale_jobs


def _fail_rows_of_the_dead(session: Any, state_id: str) -> None:  # noqa: ANN401 - sqlalchemy Session
    from meltano.core.job.finder import JobFinder  # noqa: PLC0415 - only for runs

    rows = list(JobFinder(state_id).running(session))
    if not rows:
        return
    is_dead = _judge()
    for row in rows:
        if is_dead(str(row.run_id)):
            row.fail("The process is gone")
            row.save(session)


def _judge() -> Callable[[str], bool]:
    """Return what tells whether a Meltano run id belongs to a dead run.

    A run that neither the list of running runs nor the store knows (another host's,
    or one with the hook off) is not judged.
    """
    from meltano.core.project import Project  # noqa: PLC0415 - only for runs

    from flexcore_gen.events import locations  # noqa: PLC0415 - only for runs
    from flexcore_gen.events.running import RunRegistry  # noqa: PLC0415
    from flexcore_gen.events.store import StoreError, open_store  # noqa: PLC0415

    project = Project.find()
    living, dead = RunRegistry(locations.flexcore_directory(project.root)).scan()
    living_ids = {run.meltano_run_id for run in living}
    dead_ids = known_dead | {run.meltano_run_id for run in dead}
    address = locations.store_address(
        project.root,
        project.settings.get("flexcore.events_store"),
        project.environment.name if project.environment else None,
    )
    store: EventStore | None = None
    with contextlib.suppress(StoreError):
        store = open_store(address, project.root, create=False)

    def is_dead(meltano_run_id: str) -> bool:
        if meltano_run_id in living_ids:
            return False
        if meltano_run_id in dead_ids:
            return True
        runs = store.find_runs(meltano_run_id) if store is not None else []
        return bool(runs) and not set(runs) & set(store.run_ids(open_only=True))  # type: ignore[union-attr]

    return is_dead

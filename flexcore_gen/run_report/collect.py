"""What the page tells, read from the store: runs, their numbers and failures."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flexcore_gen.events.run_state import RunState, fold

if TYPE_CHECKING:
    from flexcore_gen.events.store import EventStore


@dataclass(frozen=True, slots=True)
class PipelineSummary:
    """One pipeline's recent runs: how many ended how, and the last one."""

    name: str
    runs: int
    statuses: dict[str, int]
    last: RunState
    last_success: RunState | None


def recent_runs(store: EventStore | None, limit: int) -> list[RunState]:
    """The runs that started last, newest first; none without a store."""
    if store is None:
        return []
    ids = store.run_ids(latest=limit)
    return [fold(each, store.events(each)) for each in ids]


def summaries(runs: list[RunState]) -> list[PipelineSummary]:
    """One summary per pipeline and environment, the one in most trouble first."""
    groups: dict[str, list[RunState]] = {}
    for run in runs:
        groups.setdefault(title(run), []).append(run)
    found = [
        PipelineSummary(
            name,
            len(group),
            dict(Counter(run.status for run in group)),
            group[0],
            next((run for run in group if run.status == "success"), None),
        )
        for name, group in groups.items()
    ]
    return sorted(
        found, key=lambda s: (s.last.status in {"success", "running"}, s.name)
    )


def title(run: RunState) -> str:
    """How a run's pipeline is called where several environments meet."""
    return f"{run.pipeline} ({run.environment})" if run.environment else run.pipeline

"""The state of a run: what its events, read in order, add up to.

There is no table of runs beside the events. `fold` is the one definition of a
run's state; the store's SQL view `runs` repeats it for people with SQL, and a test
compares the two after every event.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flexcore_gen.events.run_event import StoredEvent

STATUSES = ("success", "failed", "running", "lost")
_ENDS = {
    "PipelineCompleted": "success",
    "PipelineFailed": "failed",
    "PipelineLost": "lost",
}


@dataclass
class RunState:
    """One run, as far as its events tell."""

    run_id: str
    correlation_id: str = ""
    pipeline: str = ""
    environment: str | None = None
    command: str = "run"
    status: str = "running"
    started_at: str = ""
    ended_at: str | None = None
    duration_seconds: float | None = None
    startup_seconds: float | None = None
    wall_seconds: float | None = None
    rows: int = 0
    error: str | None = None
    planned: list[str] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    schema_changes: list[dict[str, Any]] = field(default_factory=list)
    failed_step: dict[str, Any] | None = None
    version: int = 0

    def apply(self, stored: StoredEvent) -> None:
        """Take in the run's next event."""
        event, data = stored.event, stored.event.data
        self.version = stored.version
        if event.name == "PipelineStarted":
            self.correlation_id = event.correlation_id
            self.pipeline = event.subject
            self.environment = data.get("environment")
            self.command = data.get("command", "run")
            self.started_at = event.time
            self.startup_seconds = data.get("startup_seconds")
            self.planned = list(data.get("steps") or [])
        elif event.name in _ENDS:
            self.status = _ENDS[event.name]
            self.ended_at = event.time
            self.duration_seconds = data.get("duration_seconds")
            self.wall_seconds = data.get("wall_seconds")
            self.rows = data.get("rows", self.rows)
            self.error = data.get("error")
            self.failed_step = data.get("failed_step")
        elif event.name == "TargetLoaded":
            self.rows += data.get("rows") or 0
            self.steps[-1]["files"] = data.get("files") or []
            self.steps[-1]["destination"] = data.get("destination")
        elif event.name in {
            "DataExtracted",
            "DataTransformationCompleted",
            "CommandCompleted",
        }:
            self.steps.append({**data, "event": event.name})
        elif event.name == "SchemaChanged":
            self.schema_changes.append(data)

    def summary(self) -> dict[str, Any]:
        """Return the run for machines."""
        return {
            "run_id": self.run_id,
            "correlation_id": self.correlation_id,
            "pipeline": self.pipeline,
            "environment": self.environment,
            "status": self.status,
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "duration_seconds": self.duration_seconds,
            "startup_seconds": self.startup_seconds,
            "wall_seconds": self.wall_seconds,
            "rows": self.rows,
            "error": self.error,
        }


def fold(run_id: str, events: Iterable[StoredEvent]) -> RunState:
    """Return the state that a run's events, in order, add up to."""
    state = RunState(run_id)
    for stored in events:
        state.apply(stored)
    return state

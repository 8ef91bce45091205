"""The envelope: one thing that happened in one run.

Field names are those of CloudEvents 1.0 (specversion, id, source, type, subject,
time, data) beside the ones event sourcing needs: `name`, `aggregate_id` (the run),
`version` (its n-th event, from 1), `correlation_id` and `causation_id`.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from dataclasses import dataclass, field
from typing import Any

TYPES = {
    "PipelineStarted": "flexcore.pipeline.started.v1",
    "DataExtracted": "flexcore.data.extracted.v1",
    "DataExtractionCompleted": "flexcore.data.extraction_completed.v1",
    "SchemaChanged": "flexcore.schema.changed.v1",
    "TransformationStarted": "flexcore.transformation.started.v1",
    "DataTransformationCompleted": "flexcore.data.transformation_completed.v1",
    "TargetLoaded": "flexcore.target.loaded.v1",
    "CommandCompleted": "flexcore.command.completed.v1",
    "PipelineCompleted": "flexcore.pipeline.completed.v1",
    "PipelineFailed": "flexcore.pipeline.failed.v1",
    "PipelineLost": "flexcore.pipeline.lost.v1",
    "FreshnessMissed": "flexcore.freshness.missed.v1",
}
"""Event name to CloudEvents type; the number grows when `data` changes its shape."""

TERMINAL = ("PipelineCompleted", "PipelineFailed", "PipelineLost")
"""The names that end a run; the store holds at most one of them per run."""


def utc_now() -> str:
    """Return the time now as RFC 3339, UTC, microseconds."""
    now = dt.datetime.now(dt.UTC)
    return now.isoformat(timespec="microseconds").replace("+00:00", "Z")


def dump_json(value: object) -> str:
    """Return compact JSON with sorted keys: the text that is hashed and stored."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str
    )


@dataclass(frozen=True)
class RunEvent:
    """An event before the store has given it its version."""

    name: str
    source: str
    subject: str
    aggregate_id: str
    correlation_id: str
    causation_id: str | None
    data: dict[str, Any]
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    time: str = field(default_factory=utc_now)

    @property
    def type(self) -> str:
        """The CloudEvents type of this event's name."""
        return TYPES[self.name]

    @property
    def is_terminal(self) -> bool:
        """Whether this event ends its run."""
        return self.name in TERMINAL


@dataclass(frozen=True)
class StoredEvent:
    """An event as the store holds it, at its place in the chain."""

    event: RunEvent
    version: int
    sequence: int
    previous_hash: str
    hash: str

    def envelope(self) -> dict[str, Any]:
        """Return the event for machines: CloudEvents fields first."""
        event = self.event
        return {
            "specversion": "1.0",
            "id": event.id,
            "source": event.source,
            "type": event.type,
            "subject": event.subject,
            "time": event.time,
            "datacontenttype": "application/json",
            "name": event.name,
            "aggregate_id": event.aggregate_id,
            "version": self.version,
            "correlation_id": event.correlation_id,
            "causation_id": event.causation_id,
            "sequence": self.sequence,
            "hash": self.hash,
            "data": event.data,
        }

"""The ids by which OpenLineage runs of several tools find each other.

The standard's variables carry `namespace/job/run id`: of the run that starts another,
and of the topmost one.
"""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass

PARENT_VARIABLE = "OPENLINEAGE_PARENT_ID"
ROOT_VARIABLE = "OPENLINEAGE_ROOT_PARENT_ID"


@dataclass(frozen=True)
class LineageRun:
    """A run of a job."""

    namespace: str
    job: str
    run_id: str
    """A UUID."""

    def __str__(self) -> str:
        """Return the run as the variables carry it."""
        return f"{self.namespace}/{self.job}/{self.run_id}"


def own_run(pipeline: str, run_id: str, namespace: str | None = None) -> LineageRun:
    """Return a run of FlexCore's.

    Args:
        pipeline: Its pipeline.
        run_id: Its id.
        namespace: Of jobs; default: `OPENLINEAGE_NAMESPACE`, else `flexcore`.
    """
    namespace = namespace or os.environ.get("OPENLINEAGE_NAMESPACE") or "flexcore"
    try:
        found = str(uuid.UUID(run_id))
    except ValueError:
        found = str(uuid.uuid5(uuid.NAMESPACE_URL, f"flexcore:{run_id}"))
    return LineageRun(namespace, pipeline, found)


def parsed(text: object) -> LineageRun | None:
    """Return the run that a variable names, if it is well-formed."""
    parts = str(text or "").rsplit("/", 2)
    try:
        namespace, job, run_id = parts
        return LineageRun(namespace, job, str(uuid.UUID(run_id)))
    except ValueError:
        return None


def above(parent: object, root: object) -> tuple[LineageRun | None, LineageRun | None]:
    """Return the run above and the topmost one, from what the variables hold."""
    over = parsed(parent)
    return over, parsed(root) or over

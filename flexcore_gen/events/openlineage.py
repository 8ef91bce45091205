"""Exports events as OpenLineage RunEvents (https://openlineage.io/spec/2-0-2).

Written by hand: the official client takes 1.6 s to import. One job per pipeline, per
step and per dbt model; each has its run, whose parent is the run above it and whose
root is the topmost one: the engine's, when the standard variables
`OPENLINEAGE_PARENT_ID` and `OPENLINEAGE_ROOT_PARENT_ID` were set, else the
pipeline's. `OPENLINEAGE_URL`, `OPENLINEAGE_ENDPOINT`, `OPENLINEAGE_API_KEY` and
`OPENLINEAGE_NAMESPACE` are the standard's too; without a URL events go to a file.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import uuid
from typing import TYPE_CHECKING, Any

from flexcore_gen.events.destinations import timeout_of
from flexcore_gen.events.handlers import append_line
from flexcore_gen.events.http_post import post
from flexcore_gen.events.lineage_datasets import (
    model_datasets,
    stream_inputs,
    stream_outputs,
)
from flexcore_gen.events.lineage_facets import PRODUCER, facet
from flexcore_gen.events.lineage_ids import LineageRun, above, own_run
from flexcore_gen.events.locations import flexcore_directory
from flexcore_gen.events.schema_changes import last_seen

if TYPE_CHECKING:
    from pathlib import Path

    from flexcore_gen.events.destinations import Destination
    from flexcore_gen.events.run_event import StoredEvent
    from flexcore_gen.events.sending import Surroundings

SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_ENDS = {"PipelineCompleted": "COMPLETE", "PipelineFailed": "FAIL"}
_CUT = frozenset({"terminated", "interrupted", "timed_out", "lost"})
DEFAULT_FILE = ".flexcore/openlineage.jsonl"


def openlineage(
    destination: Destination, stored: StoredEvent, around: Surroundings
) -> str:
    """Export what an event says about runs and datasets."""
    history = list(around.store.events(stored.event.aggregate_id))
    lines = run_events(stored, history, around.root, destination.optional("namespace"))
    url = destination.optional("url") or os.environ.get("OPENLINEAGE_URL")
    if not url:
        path = around.root / (destination.optional("path") or DEFAULT_FILE)
        for line in lines:
            append_line(path, json.dumps(line, ensure_ascii=False))
        return f"{len(lines)} to {path}"
    endpoint = os.environ.get("OPENLINEAGE_ENDPOINT") or "api/v1/lineage"
    headers = {"Content-Type": "application/json"}
    if key := destination.optional("api_key") or os.environ.get("OPENLINEAGE_API_KEY"):
        destination.secrets.add([key])
        headers["Authorization"] = f"Bearer {key}"
    for line in lines:
        post(
            f"{url.rstrip('/')}/{endpoint.lstrip('/')}",
            json.dumps(line, ensure_ascii=False).encode(),
            headers,
            timeout_of(destination),
            allow_plain=bool(destination.settings.get("insecure_plain_text")),
        )
    return f"{len(lines)} sent"


def run_events(
    stored: StoredEvent,
    history: list[StoredEvent],
    root: Path,
    namespace: str | None = None,
) -> list[dict[str, Any]]:
    """Return the RunEvents that an event stands for; most stand for none.

    Args:
        stored: The event.
        history: All events of its run.
        root: The project's folder.
        namespace: Of jobs; default: `OPENLINEAGE_NAMESPACE`, else `flexcore`.
    """
    if not history or history[0].event.name != "PipelineStarted":
        return []
    return _Run(history, root, namespace).of(stored)


class _Run:
    def __init__(
        self, history: list[StoredEvent], root: Path, namespace: str | None
    ) -> None:
        self._history = history
        self._folder = root
        first = history[0].event
        own = own_run(first.subject, first.aggregate_id, namespace)
        self._namespace, self._pipeline, self._id = own.namespace, own.job, own.run_id
        self._self = _named(own)
        over, top = above(
            first.data.get("openlineage_parent"), first.data.get("openlineage_root")
        )
        self._above = _named(over) if over else None
        self._root = _named(top or own)

    def of(self, stored: StoredEvent) -> list[dict[str, Any]]:
        event, data = stored.event, stored.event.data
        if event.name == "PipelineStarted":
            return [self._event("START", event.time, self._id, self._pipeline)]
        if event.name == "TargetLoaded":
            return self._step(event.time, data)
        if event.name == "DataTransformationCompleted":
            return self._models(event.time, data)
        if not event.is_terminal:
            return []
        kind = _ENDS.get(event.name, "ABORT")
        if data.get("reason") in _CUT:
            kind = "ABORT"
        failed = data.get("failed_step") or {}
        found = self._models(event.time, failed) if failed.get("models") else []
        end = self._event(kind, event.time, self._id, self._pipeline)
        if data.get("error"):
            end["run"]["facets"]["errorMessage"] = facet(
                "1-0-1/ErrorMessageRunFacet",
                message=str(data["error"]),
                programmingLanguage="text",
            )
        return [*found, end]

    def _step(self, time: str, loaded: dict[str, Any]) -> list[dict[str, Any]]:
        extracted = next(
            (
                each.event.data
                for each in self._history
                if each.event.name == "DataExtracted"
                and each.event.data["step"] == loaded["step"]
            ),
            {},
        )
        name = f"{self._pipeline}.{loaded['name']}"
        run_id = str(uuid.uuid5(uuid.UUID(self._id), f"step {loaded['step']}"))
        begun = _earlier(time, loaded.get("duration_seconds"))
        directory = flexcore_directory(self._folder)
        columns = last_seen(directory, str(extracted.get("plugin")))
        inputs = stream_inputs(extracted, columns, self._folder)
        arriving = {} if extracted.get("mapped") else columns
        outputs = stream_outputs(loaded, arriving, self._folder)
        start = self._event("START", begun, run_id, name, parent=self._self)
        end = self._event("COMPLETE", time, run_id, name, parent=self._self)
        return [start, {**end, "inputs": inputs, "outputs": outputs}]

    def _models(self, time: str, data: dict[str, Any]) -> list[dict[str, Any]]:
        places = [
            each.event.data
            for each in self._history
            if each.event.name == "TargetLoaded"
        ]
        found = []
        run_id = self._history[0].event.aggregate_id
        for model, inputs, output in model_datasets(data, places, run_id, self._folder):
            name = f"{self._pipeline}.dbt.{model['name']}"
            own = str(uuid.uuid5(uuid.UUID(self._id), model["unique_id"]))
            begun = _earlier(time, model.get("seconds"))
            is_fine = model["status"] in {"success", "pass"}
            if model["status"] == "skipped":
                continue
            start = self._event("START", begun, own, name, parent=self._self)
            kind = "COMPLETE" if is_fine else "FAIL"
            end = self._event(kind, time, own, name, parent=self._self)
            if model.get("message"):
                end["run"]["facets"]["errorMessage"] = facet(
                    "1-0-1/ErrorMessageRunFacet",
                    message=str(model["message"]),
                    programmingLanguage="SQL",
                )
            found += [start, {**end, "inputs": inputs, "outputs": [output]}]
        return found

    def _event(
        self,
        kind: str,
        time: str,
        run_id: str,
        job: str,
        parent: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        facets = {}
        parent = parent or self._above
        if parent is not None:
            facets["parent"] = facet("1-2-0/ParentRunFacet", **parent, root=self._root)
        is_pipeline = job == self._pipeline
        job_type = facet(
            "2-0-4/JobTypeJobFacet",
            processingType="BATCH",
            integration="FLEXCORE",
            jobType="PIPELINE" if is_pipeline else "STEP",
        )
        return {
            "eventType": kind,
            "eventTime": time,
            "run": {"runId": run_id, "facets": facets},
            "job": {
                "namespace": self._namespace,
                "name": job,
                "facets": {"jobType": job_type},
            },
            "inputs": [],
            "outputs": [],
            "producer": PRODUCER,
            "schemaURL": SCHEMA,
        }


def _named(run: LineageRun) -> dict[str, Any]:
    job = {"namespace": run.namespace, "name": run.job}
    return {"run": {"runId": run.run_id}, "job": job}


def _earlier(time: str, seconds: float | None) -> str:
    at = dt.datetime.fromisoformat(time) - dt.timedelta(seconds=seconds or 0)
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")

"""Exports a run as a trace: a span per run, step, stream and dbt model.

OTLP over HTTP in its JSON encoding (https://opentelemetry.io/docs/specs/otlp/), sent
once the run has ended; taps and targets that were given TRACEPARENT are children of
the same run. Standard variables: `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`,
`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_SERVICE_NAME`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from flexcore_gen.events.destinations import DestinationError, timeout_of
from flexcore_gen.events.http_post import post

if TYPE_CHECKING:
    from flexcore_gen.events.destinations import Destination
    from flexcore_gen.events.run_event import StoredEvent
    from flexcore_gen.events.sending import Surroundings

_INTERNAL = 1
_OK, _ERROR = 1, 2
_STEPS = {
    "DataExtracted": "extract-load",
    "DataTransformationCompleted": "transformation",
    "CommandCompleted": "command",
}
_NANO = 1_000_000_000


def otlp(destination: Destination, stored: StoredEvent, around: Surroundings) -> str:
    """Send the trace of a run that has ended; other events are of no concern."""
    if not stored.event.is_terminal:
        return "at the end of the run"
    history = list(around.store.events(stored.event.aggregate_id))
    if not history or not history[0].event.data.get("trace_id"):
        return "no trace"
    traces = trace_of(history)
    url = destination.optional("url") or os.environ.get(
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
    )
    if not url:
        base = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
        if not base:
            raise DestinationError(f"{destination.name}: url is not set")
        url = f"{base.rstrip('/')}/v1/traces"
    headers = {"Content-Type": "application/json"}
    for pair in os.environ.get("OTEL_EXPORTER_OTLP_HEADERS", "").split(","):
        name, equals, value = pair.partition("=")
        if equals:
            headers[name.strip()] = unquote(value.strip())
            destination.secrets.add([unquote(value.strip())])
    post(
        url,
        json.dumps(traces, ensure_ascii=False).encode(),
        headers,
        timeout_of(destination),
        allow_plain=bool(destination.settings.get("insecure_plain_text")),
    )
    spans = traces["resourceSpans"][0]["scopeSpans"][0]["spans"]
    return f"{len(spans)} spans"


def trace_of(history: list[StoredEvent]) -> dict[str, Any]:
    """Return the ExportTraceServiceRequest of a run, from all of its events."""
    first, last = history[0].event, history[-1].event
    trace = _Trace(first.data["trace_id"])
    root = first.data["span_id"]
    trace.add(
        f"run {first.subject}",
        root,
        first.data.get("parent_span_id"),
        (_nanoseconds(first.time), _nanoseconds(last.time)),
        {
            "flexcore.run_id": first.aggregate_id,
            "flexcore.correlation_id": first.correlation_id,
            "flexcore.environment": first.data.get("environment"),
            "flexcore.rows": last.data.get("rows"),
        },
        error=None if last.name == "PipelineCompleted" else last.data.get("error"),
    )
    for stored in history:
        event = stored.event
        if event.name in _STEPS:
            trace.add_step(event.data, _nanoseconds(event.time), root)
    failed = last.data.get("failed_step")
    if isinstance(failed, dict) and failed.get("name"):
        trace.add_step(
            failed, _nanoseconds(last.time), root, error=last.data.get("error")
        )
    attributes = {
        "service.name": os.environ.get("OTEL_SERVICE_NAME") or "flexcore",
        "host.name": first.data.get("host"),
    }
    scope = {"scope": {"name": "flexcore"}, "spans": trace.spans}
    resource = {"attributes": _attributes(attributes)}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]}


class _Trace:
    def __init__(self, trace_id: str) -> None:
        self.spans: list[dict[str, Any]] = []
        self._trace_id = trace_id

    def add_step(
        self, data: dict[str, Any], end: int, root: str, error: str | None = None
    ) -> None:
        """Add a step's span, and below it one per stream or model."""
        own = _span_id(root, f"step {data.get('step')}")
        begin = end - int((data.get("duration_seconds") or 0) * _NANO)
        about = {"flexcore.step": data.get("step"), "flexcore.kind": data.get("kind")}
        self.add(f"step {data['name']}", own, root, (begin, end), about, error=error)
        for stream, numbers in (data.get("streams") or {}).items():
            length = int((numbers.get("seconds") or 0) * _NANO) or end - begin
            self.add(
                f"stream {stream}",
                _span_id(own, f"stream {stream}"),
                own,
                (begin, min(end, begin + length)),
                {
                    "flexcore.rows_extracted": numbers.get("extracted"),
                    "flexcore.rows_loaded": numbers.get("loaded"),
                    "flexcore.rows_rejected": numbers.get("rejected"),
                },
            )
        for model in data.get("models") or ():
            length = int((model.get("seconds") or 0) * _NANO)
            is_bad = model.get("status") not in {"success", "pass", "skipped"}
            self.add(
                f"model {model['name']}",
                _span_id(own, str(model["unique_id"])),
                own,
                (max(begin, end - length), end),
                {
                    "dbt.unique_id": model["unique_id"],
                    "flexcore.rows": model.get("rows"),
                },
                error=(model.get("message") or model["status"]) if is_bad else None,
            )

    def add(
        self,
        name: str,
        span_id: str,
        parent: str | None,
        times: tuple[int, int],
        about: dict[str, Any],
        *,
        error: str | None = None,
    ) -> None:
        """Add one span."""
        status: dict[str, Any] = {"code": _OK}
        if error is not None:
            status = {"code": _ERROR, "message": str(error)}
        span = {
            "traceId": self._trace_id,
            "spanId": span_id,
            "name": name,
            "kind": _INTERNAL,
            "startTimeUnixNano": str(times[0]),
            "endTimeUnixNano": str(max(times)),
            "attributes": _attributes(about),
            "status": status,
        }
        if parent:
            span["parentSpanId"] = parent
        self.spans.append(span)


def _attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for key, value in values.items():
        if isinstance(value, int):
            found.append({"key": key, "value": {"intValue": str(value)}})
        elif value is not None:
            found.append({"key": key, "value": {"stringValue": str(value)}})
    return found


def _span_id(parent: str, name: str) -> str:
    """Return an id that is the same when the export is repeated."""
    return hashlib.sha256(f"{parent}\n{name}".encode()).hexdigest()[:16]


def _nanoseconds(time: str) -> int:
    at = dt.datetime.fromisoformat(time)
    since = at - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return (since.days * 86_400 + since.seconds) * _NANO + since.microseconds * 1000

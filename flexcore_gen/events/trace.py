"""The ids under which taps, targets and dbt of one run find each other.

W3C Trace Context (https://www.w3.org/TR/trace-context/, version 00), carried in
the environment as OpenTelemetry's environment carriers describe.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import uuid
from dataclasses import dataclass

from flexcore_gen.events.lineage_ids import PARENT_VARIABLE, ROOT_VARIABLE

CORRELATION_VARIABLE = "FLEXCORE_CORRELATION_ID"
RUN_VARIABLE = "FLEXCORE_RUN_ID"
TRACE_VARIABLE = "TRACEPARENT"
ENGINE_RUN_VARIABLE = "FLEXCORE_ENGINE_RUN"
"""What an engine gives as `--run-id` too: a UUID that is new for each try."""
DBT_RUN_VARIABLE = "DBT_ENV_CUSTOM_ENV_FLEXCORE_RUN_ID"
"""dbt copies DBT_ENV_CUSTOM_ENV_* into the metadata of its artifacts."""

_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})"
)


@dataclass(frozen=True)
class Trace:
    """The trace a run belongs to, and the run's own span in it."""

    correlation_id: str
    trace_id: str
    span_id: str
    parent_span_id: str | None
    flags: str = "01"

    @property
    def traceparent(self) -> str:
        """The header that makes others children of this run's span."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"

    def export(self, run_id: str) -> None:
        """Put the ids where the processes that Meltano starts inherit them."""
        os.environ[CORRELATION_VARIABLE] = self.correlation_id
        os.environ[RUN_VARIABLE] = run_id
        os.environ[DBT_RUN_VARIABLE] = run_id
        os.environ[TRACE_VARIABLE] = self.traceparent


_handed_in: dict[str, str] = {}


def set_aside() -> None:
    """Take what the caller handed in out of the environment, until the run begins.

    Meltano copies the environment for each plugin before the run begins, and lets
    the copy win: a variable that is in it could not be set for plugins any more.
    """
    for name in (
        CORRELATION_VARIABLE,
        ENGINE_RUN_VARIABLE,
        RUN_VARIABLE,
        DBT_RUN_VARIABLE,
        TRACE_VARIABLE,
        PARENT_VARIABLE,
        ROOT_VARIABLE,
    ):
        if name in os.environ:
            _handed_in[name] = os.environ.pop(name)


def put_back() -> None:
    """Undo `set_aside`: the run goes on without the hook."""
    os.environ.update(_handed_in)


def handed_in(name: str) -> str | None:
    """Return what the caller handed in under a name, if it did."""
    return _handed_in.get(name)


def hand_on(name: str) -> None:
    """Let the processes that Meltano starts have what the caller handed in."""
    if name in _handed_in:
        os.environ[name] = _handed_in[name]


def engine_run_id() -> str | None:
    """The id that the engine which started the run made for it, if one did."""
    with contextlib.suppress(ValueError):
        return str(uuid.UUID(_handed_in.get(ENGINE_RUN_VARIABLE, "")))
    return None


def begin_trace(meltano_run_id: str) -> Trace:
    """Start the run's span: in the trace handed in, else in one of its own.

    The correlation id is Meltano's run id, unless the environment hands one in
    (an engine that runs the steps of a pipeline as several processes). A trace id
    is 128 bits like a UUID, so an own trace has the correlation id's digits.
    """
    correlation_id = meltano_run_id
    handed_in = _handed_in.get(CORRELATION_VARIABLE)
    if handed_in:
        with contextlib.suppress(ValueError):
            correlation_id = str(uuid.UUID(handed_in))
    span_id = secrets.token_hex(8)
    incoming = _TRACEPARENT.fullmatch(_handed_in.get(TRACE_VARIABLE, "").strip())
    if incoming:
        trace_id, parent, flags = incoming.groups()
        return Trace(correlation_id, trace_id, span_id, parent, flags)
    return Trace(correlation_id, uuid.UUID(correlation_id).hex, span_id, None)

"""Writes in flight: many at once, never two that could meet.

A server may carry out the outstanding operations of one connection in any
order (RFC 4511 section 3.1). So an operation waits while another one on the
same entry, on an entry above it or below it, is unanswered. OpenLDAP closes a
connection with more than 100 outstanding operations (1000 once bound; slapd.conf
conn_max_pending), so the window stays below that.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flext_ldap import dn as names
from flext_ldap.operations import Rename
from flext_ldap.results import ConnectionLostError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flext_ldap.connection import Connection
    from flext_ldap.messages import Response
    from flext_ldap.operations import Operation

DEFAULT_WINDOW = 64
MAX_WINDOW = 90


@dataclass
class Job:
    """Operations of one record, done one after the other.

    The first failure ends the job: what follows would build on it.
    """

    operations: list[Operation]
    tag: object = None
    done: int = 0
    failure: Response | None = None
    keys: frozenset[str] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        """Work out which entries the job touches."""
        self.keys = frozenset(
            key for operation in self.operations for key in _touched(operation)
        )

    @property
    def operation(self) -> Operation:
        """The operation that is due, or that failed."""
        return self.operations[self.done]


def _touched(operation: Operation) -> list[str]:
    keys = [names.normalise(operation.dn)]
    if isinstance(operation, Rename):
        above = operation.new_parent
        if above is None:
            above = names.parent(operation.dn)
        new = f"{operation.new_rdn},{above}" if above else operation.new_rdn
        keys.append(names.normalise(new))
    return keys


def ancestors(key: str) -> list[str]:
    """Return the normalised DNs above a normalised DN, nearest first."""
    if "\\" in key:
        rdns = names.parse(key)
        return [names.unparse(rdns[at:]) for at in range(1, len(rdns))]
    parts = key.split(",")
    return [",".join(parts[at:]) for at in range(1, len(parts))]


class Pipeline:
    """Runs jobs over one connection with a bounded window.

    Args:
        connection: Carries nothing else meanwhile.
        window: Outstanding operations at most.
    """

    def __init__(self, connection: Connection, window: int = DEFAULT_WINDOW) -> None:
        self._connection = connection
        self._window = max(1, min(window, MAX_WINDOW))
        self._flying: dict[int, Job] = {}
        self._keys: set[str] = set()
        self._above: Counter[str] = Counter()

    def run(self, jobs: Iterable[Job], on_done: Callable[[Job], None]) -> None:
        """Run all jobs; `on_done` is called for each, failed or not.

        Raises:
            ConnectionLostError: Jobs `on_done` was not called for may or may
                not have been carried out.
        """
        waiting = deque(jobs)
        ready: list[Job] = []
        low = self._window * 3 // 4
        while waiting or ready or self._flying:
            if len(self._flying) <= low:
                while waiting and len(self._flying) + len(ready) < self._window:
                    if not waiting[0].operations:
                        on_done(waiting.popleft())
                        continue
                    if self._clashes(waiting[0]):
                        break
                    job = waiting.popleft()
                    self._enter(job)
                    ready.append(job)
                if ready:
                    self._send(ready)
                    ready = []
            if self._flying:
                job = self._receive()
                if job.failure is None and job.done < len(job.operations):
                    self._send([job])
                    continue
                self._leave(job)
                on_done(job)

    def _clashes(self, job: Job) -> bool:
        """Whether a job meets one in flight: same entry, above it, or below."""
        for key in job.keys:
            if key in self._keys or self._above[key]:
                return True
            if any(above in self._keys for above in ancestors(key)):
                return True
        return False

    def _enter(self, job: Job) -> None:
        self._keys |= job.keys
        for key in job.keys:
            self._above.update(ancestors(key))

    def _leave(self, job: Job) -> None:
        self._keys -= job.keys
        for key in job.keys:
            self._above.subtract(ancestors(key))

    def _send(self, jobs: list[Job]) -> None:
        ids = self._connection.send_many([job.operation.request() for job in jobs])
        self._flying.update(zip(ids, jobs, strict=True))

    def _receive(self) -> Job:
        response = self._connection.receive()
        job = self._flying.pop(response.message_id, None)
        if job is None:
            raise ConnectionLostError(
                f"answer to message {response.message_id}, which nobody sent"
            )
        if response.code:
            job.failure = response
        else:
            job.done += 1
        return job

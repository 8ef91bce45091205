"""Writing through init_stage_interface: submit, then see what became of it.

A submit whose answer is lost may have been received. It is not sent again blindly:
the records are looked for first, and only those without a trace are sent again.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from flext_oracle_wms.documents import Header, Prepared, document, read_answer, split
from flext_oracle_wms.errors import TransientError
from flext_oracle_wms.reconciling import (
    Baseline,
    Policy,
    Reconciler,
    baseline,
    identity,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flext_oracle_wms.client import Client
    from flext_oracle_wms.interfaces import Interface

logger = logging.getLogger("flext-oracle-wms")

MAX_PARALLEL_SUBMITS = 9  # "less than 10 parallel requests"
TRACE_SECONDS = 10.0
SENDINGS = 3


@dataclasses.dataclass(frozen=True)
class Options:
    """How documents are sent."""

    header: Header
    records_per_document: int = 200
    parallel_submits: int = 4
    is_async: bool = True
    is_validated: bool = True
    trace_seconds: float = TRACE_SECONDS


@dataclasses.dataclass
class Sent:
    """What submitting a group came to."""

    received: list[Prepared] = dataclasses.field(default_factory=list)
    unknown: list[Prepared] = dataclasses.field(default_factory=list)
    refused: list[tuple[Prepared, str]] = dataclasses.field(default_factory=list)

    def add(self, other: Sent) -> None:
        """Takes in another group's."""
        self.received += other.received
        self.unknown += other.unknown
        self.refused += other.refused


class Stager:
    """Writes records of one entity."""

    def __init__(
        self,
        client: Client,
        interface: Interface,
        options: Options,
        policy: Policy,
    ) -> None:
        """Takes the connection and how to send and wait."""
        self.client = client
        self.interface = interface
        self.options = options
        self.policy = policy
        self.reconciler = Reconciler(client, interface, policy)
        self._messages = itertools.count(1)
        self._run = uuid.uuid4().hex[:12]

    def write(
        self,
        records: Sequence[Prepared],
        reject: Callable[[Prepared, str], None],
    ) -> int:
        """Submits records and waits for their verdicts.

        Args:
            records: Of several with one key the last one counts: the service does
                not promise an order between documents.
            reject: Called for each record that was not accepted, with the reason.

        Returns:
            How many were accepted.
        """
        latest = {identity(record): record for record in records}
        left = list(latest.values())
        before = baseline(self.client, self.interface, left)
        accepted = 0
        for sending in range(1, SENDINGS + 1):
            sent = self.submit(left)
            for record, reason in sent.refused:
                reject(record, reason)
            done, left = self.settle(sent, before, reject)
            accepted += done
            if not left:
                return accepted
            if sending < SENDINGS:
                logger.warning(
                    "%s: no trace of %d records after a lost answer, sending again",
                    self.interface.entity,
                    len(left),
                )
        for record in left:
            reject(record, f"sent {SENDINGS} times without an answer or a trace")
        return accepted

    def settle(
        self,
        sent: Sent,
        before: Baseline,
        reject: Callable[[Prepared, str], None],
    ) -> tuple[int, list[Prepared]]:
        """Waits for verdicts; gives how many were accepted and what to send again."""
        again: list[Prepared] = []
        followed = list(sent.received)
        accepted = 0
        if sent.unknown:
            first = self.reconciler.follow(
                sent.unknown, before, self.options.trace_seconds
            )
            decided = first.accepted | first.rejected.keys()
            for record in sent.unknown:
                name = identity(record)
                if name in first.rejected:
                    reject(record, first.rejected[name])
                elif name not in decided:
                    (followed if name in first.seen else again).append(record)
            accepted += len(first.accepted)
        if not followed:
            return accepted, again
        verdicts = self.reconciler.follow(followed, before, self.policy.timeout_seconds)
        for record in followed:
            name = identity(record)
            if name in verdicts.rejected:
                reject(record, verdicts.rejected[name])
            elif name not in verdicts.accepted:
                reject(
                    record,
                    "received, but after"
                    f" {self.policy.timeout_seconds:.0f} s neither processed nor"
                    f" rejected; look at {self.interface.stage_entity}",
                )
        return accepted + len(verdicts.accepted), again

    def submit(self, records: Sequence[Prepared]) -> Sent:
        """Sends all documents, some at a time."""
        groups = list(split(records, self.options.records_per_document))
        workers = min(self.options.parallel_submits, MAX_PARALLEL_SUBMITS)
        total = Sent()
        with ThreadPoolExecutor(max(1, workers), "wms-submit") as pool:
            for part in pool.map(self.submit_group, groups):
                total.add(part)
        return total

    def submit_group(self, group: list[Prepared]) -> Sent:
        """Sends one document; a refused one is halved to find what is wrong in it."""
        try:
            success, message = self.post(group)
        except TransientError as error:
            logger.warning("%s", error)
            return Sent(unknown=group)
        if success:
            return Sent(received=group)
        reason = f"the interface refused it: {message or 'without a message'}"
        if len(group) == 1:
            return Sent(refused=[(group[0], reason)])
        middle = len(group) // 2
        first, second = (
            self.submit_group(part) for part in (group[:middle], group[middle:])
        )
        first.add(second)
        return first

    def post(self, group: list[Prepared]) -> tuple[bool, str]:
        """One POST; success is in the body, not in the status."""
        message_id = f"{self._run}-{next(self._messages)}"
        text = document(self.interface, group, self.options.header, message_id)
        answer = self.client.send_form(
            f"{self.client.legacy_path}/init_stage_interface/",
            {
                "xml_data": text,
                "async": str(self.options.is_async),
                "validate_xml": str(self.options.is_validated),
            },
            is_repeatable=False,
        )
        if answer.status in {408, 500, 502, 503, 504}:
            raise TransientError(
                f"init_stage_interface answered HTTP {answer.status};"
                " whether it was received is not known"
            )
        return read_answer(answer.content)

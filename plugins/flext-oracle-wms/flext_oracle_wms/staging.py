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

from flext_oracle_wms.answers import retry_after
from flext_oracle_wms.comparing import find, holds_all
from flext_oracle_wms.documents import (
    Header,
    Prepared,
    document,
    prepare,
    split,
)
from flext_oracle_wms.earlier_runs import wait_for_earlier
from flext_oracle_wms.entities import list_entities
from flext_oracle_wms.errors import TransientError, WmsError
from flext_oracle_wms.interface_answers import read_answer
from flext_oracle_wms.reconciling import Baseline, Reconciler, settled
from flext_oracle_wms.stage_statuses import as_named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from flext_oracle_wms.client import Client
    from flext_oracle_wms.interfaces import Interface
    from flext_oracle_wms.stage_statuses import Policy

logger = logging.getLogger("flext-oracle-wms")

MAX_PARALLEL_SUBMITS = 9  # "less than 10 parallel requests"
TRACE_SECONDS = 10.0
SENDINGS = 3
SERVER_ERRORS = 500
CLIENT_ERRORS = 400
REDIRECTS = 300
MISPLACED = frozenset({404, 405, 415})


@dataclasses.dataclass(frozen=True)
class Options:
    """How documents are sent.

    Attributes:
        header: What stands at the head of each.
        records_per_document: At most so many records each.
        parallel_submits: Documents under way at once, at most 9.
        is_async: Whether the service answers before it processes.
        is_validated: Whether it checks a document's structure while it receives it.
        upsert_action: CREATE, UPDATE, or auto: by whether the record exists.
        trace_seconds: How long to look for records whose submit got no answer.
    """

    header: Header
    records_per_document: int = 200
    parallel_submits: int = 4
    is_async: bool = True
    is_validated: bool = True
    upsert_action: str = "auto"
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


def waves(records: Iterable[Prepared]) -> list[list[Prepared]]:
    """Groups of records that may be sent together, in their order.

    The service promises no order between documents, and stage rows are told apart by
    business key: so each wave holds a key once. Of several records of one thing with
    one action the last counts, if it has all fields of the earlier one; another
    action, company or facility begins a new wave.
    """
    out: list[dict[str, Prepared]] = []
    place: dict[str, int] = {}
    for record in records:
        index = place.get(record.key, -1)
        if index >= 0:
            last = out[index][record.key]
            is_same = (last.identity, last.action) == (record.identity, record.action)
            if is_same and last.record.keys() <= record.record.keys():
                out[index][record.key] = record
                continue
        index += 1
        if index == len(out):
            out.append({})
        out[index][record.key] = record
        place[record.key] = index
    return [list(wave.values()) for wave in out]


class Stager:
    """Writes records of one entity.

    Args:
        client: The connection.
        interface: The entity.
        options: How documents are sent.
        policy: How long to wait, and what statuses mean.
    """

    def __init__(
        self, client: Client, interface: Interface, options: Options, policy: Policy
    ) -> None:
        self.client = client
        self.interface = interface
        self.options = options
        self.policy = policy
        self.reconciler = Reconciler(client, interface, policy)
        self._is_settled = False
        self._not_before = 0.0
        self._messages = itertools.count(1)
        self._run = uuid.uuid4().hex[:12]

    def write(
        self,
        records: Iterable[Prepared],
        reject: Callable[[Prepared, str], None],
    ) -> int:
        """Submits records and waits for their verdicts.

        Args:
            records: In the order they came.
            reject: Called for each record that was not accepted, with the reason.

        Returns:
            How many were accepted.
        """
        groups = waves(records)
        if groups and not self._is_settled:
            every = set(list_entities(self.client))
            self.policy = as_named(self.client, every, self.policy)
            key = groups[0][0].key
            self.interface = settled(self.client, self.interface, key, every)
            self.reconciler = Reconciler(self.client, self.interface, self.policy)
            self._is_settled = True
        return sum(self.write_wave(wave, reject) for wave in groups)

    def write_wave(
        self,
        records: Sequence[Prepared],
        reject: Callable[[Prepared, str], None],
    ) -> int:
        """Writes records of different keys; gives how many were accepted."""
        before, held = wait_for_earlier(self.reconciler, records)
        for record in (record for record in records if record.key in held):
            reject(record, held[record.key])
        wanted = [record for record in records if record.key not in held]
        left = [self.decided(r, before) for r in wanted if not self.is_idle(r, before)]
        accepted = len(wanted) - len(left)
        if accepted:
            logger.info(
                "%s: %d records are there as they are, not sent",
                self.interface.entity,
                accepted,
            )
        if not left:
            return accepted
        for sending in range(1, SENDINGS + 1):
            sent = self.submit(left, before)
            for record, reason in sent.refused:
                reject(record, reason)
            done, left = self.settle(sent, before, reject, is_repeat=sending > 1)
            accepted += done
            if not left:
                return accepted
            if sending < SENDINGS:
                self.wait_as_asked()
                logger.warning(
                    "%s: no trace of %d records after a lost answer, sending again",
                    self.interface.entity,
                    len(left),
                )
        for record in left:
            reject(record, f"sent {SENDINGS} times without an answer or a trace")
        return accepted

    def wait_as_asked(self) -> None:
        """Waits out what a Retry-After asked for, less the time since."""
        rest = self._not_before - self.reconciler.clock()
        if rest > 0:
            self.reconciler.sleep(rest)

    def is_idle(self, record: Prepared, before: Baseline) -> bool:
        """Whether an upsert finds all that it would write."""
        if record.action != "UPSERT" or self.options.upsert_action != "auto":
            return False
        row = find(record, before.final.get(record.key, ()))
        return row is not None and holds_all(record.record, row)

    def decided(self, record: Prepared, before: Baseline) -> Prepared:
        """A record with its action code: UPSERT becomes what the record needs."""
        if record.action != "UPSERT":
            return record
        action = self.options.upsert_action
        if action == "auto":
            is_there = find(record, before.final.get(record.key, ())) is not None
            action = "UPDATE" if is_there else "CREATE"
        return prepare(self.interface, record.record, action, record.source)

    def settle(
        self,
        sent: Sent,
        before: Baseline,
        reject: Callable[[Prepared, str], None],
        *,
        is_repeat: bool,
    ) -> tuple[int, list[Prepared]]:
        """Waits for verdicts; gives how many were accepted and what to send again."""
        again: list[Prepared] = []
        followed = list(sent.received)
        accepted = 0
        if sent.unknown:
            first = self.reconciler.follow(
                sent.unknown, before, self.options.trace_seconds
            )
            accepted += len(first.accepted)
            for record in sent.unknown:
                name = record.identity
                if name in first.rejected:
                    reject(record, first.rejected[name])
                elif name not in first.accepted:
                    (followed if name in first.seen else again).append(record)
        if not followed:
            return accepted, again
        verdicts = self.reconciler.follow(followed, before, self.policy.timeout_seconds)
        accepted += len(verdicts.accepted)
        for record in followed:
            name = record.identity
            if name in verdicts.accepted:
                continue
            if is_repeat and self.reconciler.is_in_place(record, before):
                accepted += 1  # the first sending had come through, only late
                continue
            reject(record, verdicts.rejected.get(name) or self.no_verdict())
        return accepted, again

    def no_verdict(self) -> str:
        """The reason for what was received and then not heard of."""
        return (
            f"received, but after {self.policy.timeout_seconds:.0f} s neither processed"
            f" nor rejected; look at {self.interface.stage_entity}"
        )

    def submit(self, records: Sequence[Prepared], before: Baseline) -> Sent:
        """Sends all documents, some at a time."""
        groups = list(split(records, self.options.records_per_document))
        workers = min(self.options.parallel_submits, MAX_PARALLEL_SUBMITS)
        total = Sent()
        with ThreadPoolExecutor(max(1, workers), "wms-submit") as pool:
            for part in pool.map(self.submit_group, groups, itertools.repeat(before)):
                total.add(part)
        return total

    def submit_group(self, group: list[Prepared], before: Baseline) -> Sent:
        """Sends one document; a refused one is halved to find what is wrong in it.

        Unless some of it was carried out nevertheless, as when the service answers
        after it has processed: then each record is looked for.
        """
        try:
            success, message = self.post(group)
        except TransientError as error:
            logger.warning("%s", error)
            return Sent(unknown=group)
        if success:
            # It names the file group, and whatever it complains about nevertheless.
            logger.info("%s: %s", self.interface.entity, message)
            return Sent(received=group)
        reason = f"the interface refused it: {message or 'without a message'}"
        if len(group) == 1:
            return Sent(refused=[(group[0], reason)])
        if self.reconciler.has_trace(group, before):
            logger.warning("%s: %s", self.interface.entity, reason)
            return Sent(unknown=group)
        middle = len(group) // 2
        first, second = (
            self.submit_group(part, before) for part in (group[:middle], group[middle:])
        )
        first.add(second)
        return first

    def form(self, group: Iterable[Prepared]) -> dict[str, str]:
        """The form of one document."""
        message_id = f"{self._run}-{next(self._messages)}"
        return {
            "xml_data": document(
                self.interface, group, self.options.header, message_id
            ),
            "async": str(self.options.is_async),
            "validate_xml": str(self.options.is_validated),
        }

    @property
    def path(self) -> str:
        """Where documents go; the last slash belongs to it."""
        return f"{self.client.legacy_path}/init_stage_interface/"

    def post(self, group: Iterable[Prepared]) -> tuple[bool, str]:
        """One POST; success is in the body, not in the status.

        Raises:
            TransientError: Whether it was received is not known.
            WmsError: There is no such interface at this address.
        """
        answer = self.client.send_form(self.path, self.form(group), is_repeatable=False)
        status, where = answer.status, f"POST {self.path}"
        if status >= SERVER_ERRORS or status == 408:  # noqa: PLR2004 - time is over
            asked = retry_after(answer.headers) or 0.0
            end = self.reconciler.clock() + asked
            self._not_before = max(self._not_before, end)
            raise TransientError(
                f"HTTP {status}; whether it was received is not known", where=where
            )
        read = read_answer(answer.content)
        if read is not None:
            return read
        if status < REDIRECTS:
            raise TransientError(
                f"HTTP {status} with something else than the interface's answer;"
                " whether it was received is not known",
                where=where,
            )
        if status < CLIENT_ERRORS or status in MISPLACED:
            raise WmsError(
                f"HTTP {status}: the interface is not there",
                where=where,
                fix="check base_url: it ends in the environment's name",
            )
        return False, f"HTTP {status}"

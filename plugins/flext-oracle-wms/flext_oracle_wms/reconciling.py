"""What became of staged records: the service only says that it received them.

A staged row is listed in `stage_<entity>` until it is processed: then it vanishes,
or stays with a final status; a rejected one stays with status 99 or 101 and a
reason. The final entity shows what was done. Rows from before the submit are known
by their ids and do not count.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from typing import TYPE_CHECKING, Any

from flext_oracle_wms.listing import read_pages

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from flext_oracle_wms.client import Client
    from flext_oracle_wms.documents import Prepared
    from flext_oracle_wms.interfaces import Interface

logger = logging.getLogger("flext-oracle-wms")

KEYS_PER_REQUEST = 50
FIRST_POLL_SECONDS = 0.2
MAX_POLL_SECONDS = 15.0
REASON_FIELDS = ("error_message", "error_str", "error_msg")


@dataclasses.dataclass(frozen=True)
class Policy:
    """How long to wait, and which statuses mean what."""

    timeout_seconds: float = 1200.0
    rejected: frozenset[int] = frozenset({99, 101})
    processed: frozenset[int] = frozenset({90})


@dataclasses.dataclass
class Baseline:
    """What there was before a submit."""

    stage_ids: set[int]
    final: dict[str, Any]
    """Business key (with company) -> mod_ts of the final row."""


@dataclasses.dataclass
class Verdicts:
    """What became of each record, by business key and company."""

    accepted: set[tuple[str, str]] = dataclasses.field(default_factory=set)
    rejected: dict[tuple[str, str], str] = dataclasses.field(default_factory=dict)
    seen: set[tuple[str, str]] = dataclasses.field(default_factory=set)
    """Records of which some trace was found."""


def identity(record: Prepared) -> tuple[str, str]:
    """What makes two records the same thing."""
    return record.key, record.company


def chunks(keys: Collection[str]) -> Iterator[list[str]]:
    """Keys in groups that a query string can hold."""
    ordered = sorted(set(keys))
    # A comma separates the values of `__in`, so such a key is asked for alone.
    plain = [key for key in ordered if "," not in key]
    for start in range(0, len(plain), KEYS_PER_REQUEST):
        yield plain[start : start + KEYS_PER_REQUEST]
    for key in ordered:
        if "," in key:
            yield [key]


def rows_of(
    client: Client, entity: str, field: str, keys: Collection[str]
) -> Iterator[dict[str, Any]]:
    """Rows of an entity by a key column."""
    for group in chunks(keys):
        query = (
            {f"{field}__in": ",".join(group)} if len(group) > 1 else {field: group[0]}
        )
        for page in read_pages(client, entity, query, page_size=1000):
            yield from page


def company_of(row: Mapping[str, Any]) -> str:
    """The company's code of a final row."""
    company = row.get("company_id")
    return str(company.get("key") or "") if isinstance(company, dict) else ""


def baseline(
    client: Client, interface: Interface, records: Iterable[Prepared]
) -> Baseline:
    """Looks before the submit, so that what is found afterwards can be told apart."""
    keys = {record.key for record in records}
    stage = rows_of(client, interface.stage_entity, interface.stage_key, keys)
    return Baseline({row["id"] for row in stage}, final_rows(client, interface, keys))


def final_rows(
    client: Client, interface: Interface, keys: Collection[str]
) -> dict[str, Any]:
    """mod_ts of the final rows, by key and by key with company."""
    out: dict[str, Any] = {}
    for row in rows_of(client, interface.final_entity, interface.final_key, keys):
        key = str(row.get(interface.final_key))
        out[f"{key}\x00{company_of(row)}"] = row.get("mod_ts")
        out[key] = row.get("mod_ts")
    return out


def place_of(record: Prepared) -> str:
    """Where `final_rows` holds a record: company counts when it is given."""
    return f"{record.key}\x00{record.company}" if record.company else record.key


class Reconciler:
    """Follows submitted records until each is accepted, rejected or given up."""

    def __init__(
        self,
        client: Client,
        interface: Interface,
        policy: Policy,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Takes how to wait; tests pass their own."""
        self.client = client
        self.interface = interface
        self.policy = policy
        self._sleep = sleep
        self._clock = clock

    def follow(
        self, records: Iterable[Prepared], before: Baseline, give_up_after: float
    ) -> Verdicts:
        """Polls until every record has its verdict, or the time is over.

        Args:
            records: What was submitted.
            before: What there was before.
            give_up_after: Seconds; what has no verdict then is in neither set.
        """
        waiting = {identity(record): record for record in records}
        verdicts = Verdicts()
        end = self._clock() + give_up_after
        pause = FIRST_POLL_SECONDS
        while True:
            self.look(waiting, before, verdicts)
            for key in [*verdicts.accepted, *verdicts.rejected]:
                waiting.pop(key, None)
            if not waiting or self._clock() >= end:
                return verdicts
            logger.info("%s: %d records staged", self.interface.entity, len(waiting))
            self._sleep(pause)
            pause = min(pause * 1.6, MAX_POLL_SECONDS)

    def look(
        self,
        waiting: Mapping[tuple[str, str], Prepared],
        before: Baseline,
        verdicts: Verdicts,
    ) -> None:
        """One round: the stage first, then the final entity for what left it."""
        by_key: dict[str, list[Prepared]] = {}
        for record in waiting.values():
            by_key.setdefault(record.key, []).append(record)
        staged: dict[str, Mapping[str, Any]] = {}
        rows = rows_of(
            self.client, self.interface.stage_entity, self.interface.stage_key, by_key
        )
        for row in rows:
            if row["id"] not in before.stage_ids:
                key = str(row.get(self.interface.stage_key))
                # The latest row speaks: a repeat may have mended an earlier one.
                if key not in staged or row["id"] > staged[key]["id"]:
                    staged[key] = row
        gone: list[Prepared] = []
        for key, group in by_key.items():
            row_of_key = staged.get(key)
            if row_of_key is None:
                gone += group
                continue
            for record in group:
                verdicts.seen.add(identity(record))
                self.judge(record, row_of_key, verdicts)
        if gone:
            self.judge_final(gone, before, verdicts)

    def judge(
        self, record: Prepared, row: Mapping[str, Any], verdicts: Verdicts
    ) -> None:
        """What a staged row says."""
        status = row.get("status_id")
        if status in self.policy.rejected:
            reason = next((str(row[f]) for f in REASON_FIELDS if row.get(f)), "")
            verdicts.rejected[identity(record)] = (
                reason or f"rejected with status {status} and no reason"
            )
        elif status in self.policy.processed:
            verdicts.accepted.add(identity(record))

    def judge_final(
        self, gone: list[Prepared], before: Baseline, verdicts: Verdicts
    ) -> None:
        """What the final entity says of records that the stage no longer lists."""
        now = final_rows(self.client, self.interface, {record.key for record in gone})
        for record in gone:
            place = place_of(record)
            is_there = place in now
            has_changed = now.get(place) != before.final.get(place)
            was_seen = identity(record) in verdicts.seen
            if record.action == "DELETE":
                is_done = not is_there and (place in before.final or was_seen)
            else:
                # A row that was there before counts when it moved, or when the
                # stage had held the record: it left the stage without a complaint.
                is_done = is_there and (has_changed or was_seen)
            if is_done:
                verdicts.seen.add(identity(record))
                verdicts.accepted.add(identity(record))

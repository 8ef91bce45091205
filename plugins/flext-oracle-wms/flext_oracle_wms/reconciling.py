"""What became of staged records: the service only says that it received them.

A staged row is listed in `stage_<entity>` until it is processed: then it vanishes,
or stays with a final status; a rejected one stays with status 99 or 101 and a
reason. The final entity shows what was done. Rows from before the submit are known
by their ids and do not count. A record is only called accepted on evidence: a staged
row with a good end, a final row that moved, or one that holds what was sent.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from typing import TYPE_CHECKING

from flext_oracle_wms.comparing import Row, agrees, find
from flext_oracle_wms.errors import NotFoundError, RequestRefusedError, WmsError
from flext_oracle_wms.listing import read_pages
from flext_oracle_wms.stage_statuses import reason_of, status_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from flext_oracle_wms.client import Client
    from flext_oracle_wms.documents import Prepared
    from flext_oracle_wms.interfaces import Interface
    from flext_oracle_wms.stage_statuses import Policy

logger = logging.getLogger("flext-oracle-wms")

KEYS_PER_REQUEST = 100
CHARACTERS_PER_REQUEST = 1500
FIRST_POLL_SECONDS = 0.2
MAX_POLL_SECONDS = 15.0
UNMOVED_SECONDS = 5.0
"""So long a record must be out of the stage before a final row that did not move, but
holds what was sent, counts: a staged row may show up late."""

Identity = tuple[str, str, str]


@dataclasses.dataclass
class Baseline:
    """What there was before a submit."""

    staged: list[Row]
    """Rows that the stage lists of these keys."""
    final: dict[str, list[Row]]
    """Final rows by business key."""

    def __post_init__(self) -> None:
        """Keeps the ids at hand."""
        self.stage_ids = {row["id"] for row in self.staged}


@dataclasses.dataclass
class Verdicts:
    """What became of each record, by its identity."""

    accepted: set[Identity] = dataclasses.field(default_factory=set)
    rejected: dict[Identity, str] = dataclasses.field(default_factory=dict)
    seen: set[Identity] = dataclasses.field(default_factory=set)
    """Records of which some trace was found."""


def chunks(keys: Collection[str]) -> Iterator[list[str]]:
    """Keys in groups that a query string can hold."""
    group: list[str] = []
    size = 0
    for key in sorted(set(keys)):
        if "," in key:
            # A comma separates the values of `__in`: such a key is asked for alone.
            yield [key]
            continue
        if group and (
            len(group) >= KEYS_PER_REQUEST or size + len(key) > CHARACTERS_PER_REQUEST
        ):
            yield group
            group, size = [], 0
        group.append(key)
        size += len(key) + 1
    if group:
        yield group


def rows_of(
    client: Client, entity: str, field: str, keys: Collection[str]
) -> Iterator[Row]:
    """Rows of an entity by a key column."""
    for group in chunks(keys):
        query = (
            {f"{field}__in": ",".join(group)} if len(group) > 1 else {field: group[0]}
        )
        for page in read_pages(client, entity, query, page_size=1000):
            yield from page


def settled(
    client: Client, interface: Interface, key: str, every: Collection[str]
) -> Interface:
    """An interface with the stage's names as this environment has them.

    Only stage_item, stage_store, stage_order_hdr and stage_ib_shipment are known from
    clients; the other names are likely ones, so what the service lists decides.

    Args:
        client: The connection.
        interface: The entity.
        key: Any business key, to try the key column with.
        every: Names of all entities.
    """
    names = (
        interface.stage_entity,
        f"stage_{interface.entity}",
        f"stage_{interface.entity}_hdr",
        f"stage_{interface.final_entity}",
    )
    stage = next((name for name in names if name in every), "")
    if not stage:
        logger.warning(
            "%s: this environment lists no stage of it, so the reason of a reject will"
            " not be known",
            interface.entity,
        )
        return interface
    columns = dict.fromkeys((interface.stage_key, interface.key, interface.final_key))
    if len(columns) == 1:
        return dataclasses.replace(interface, stage_entity=stage)
    for column in columns:
        try:
            client.get_json(client.entity_path(stage), {column: key, "page_size": "1"})
        except NotFoundError:
            pass  # no such row, but such a column
        except RequestRefusedError:
            continue
        return dataclasses.replace(interface, stage_entity=stage, stage_key=column)
    raise WmsError(
        f"none of {', '.join(columns)} is a column that rows can be found by",
        where=f"entity {stage!r}",
        fix="the interface cannot be reconciled here; see the environment's API guide",
    )


def baseline(
    client: Client, interface: Interface, records: Iterable[Prepared]
) -> Baseline:
    """Looks before the submit, so that what is found afterwards can be told apart."""
    keys = {record.key for record in records}
    stage = rows_of(client, interface.stage_entity, interface.stage_key, keys)
    return Baseline(list(stage), final_rows(client, interface, keys))


def final_rows(
    client: Client, interface: Interface, keys: Collection[str]
) -> dict[str, list[Row]]:
    """The final rows by business key: several companies or facilities may have it."""
    out: dict[str, list[Row]] = {}
    for row in rows_of(client, interface.final_entity, interface.final_key, keys):
        out.setdefault(str(row.get(interface.final_key)), []).append(row)
    return out


class Reconciler:
    """Follows submitted records until each is accepted, rejected or given up.

    Args:
        client: The connection.
        interface: The entity.
        policy: How long to wait, and what statuses mean.
        sleep: How waiting is done.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        client: Client,
        interface: Interface,
        policy: Policy,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.client = client
        self.interface = interface
        self.policy = policy
        self.sleep = sleep
        self.clock = clock

    def follow(
        self, records: Iterable[Prepared], before: Baseline, give_up_after: float
    ) -> Verdicts:
        """Polls until every record has its verdict, or the time is over.

        Args:
            records: What was submitted; no two of one business key.
            before: What there was before.
            give_up_after: Seconds; what has no verdict then is in neither set.
        """
        waiting = {record.key: record for record in records}
        verdicts = Verdicts()
        begin = self.clock()
        end = begin + give_up_after
        pause = FIRST_POLL_SECONDS
        while True:
            is_late = self.clock() - begin >= min(UNMOVED_SECONDS, give_up_after / 2)
            self.look(waiting, before, verdicts, is_late=is_late)
            for identity in [*verdicts.accepted, *verdicts.rejected]:
                waiting.pop(identity[0], None)
            if not waiting or self.clock() >= end:
                return verdicts
            logger.info("%s: %d records staged", self.interface.entity, len(waiting))
            self.sleep(pause)
            pause = min(pause * 1.6, MAX_POLL_SECONDS)

    def look(
        self,
        waiting: Mapping[str, Prepared],
        before: Baseline,
        verdicts: Verdicts,
        *,
        is_late: bool,
    ) -> None:
        """One round: the stage first, then the final entity for what left it."""
        staged = self.staged(waiting, before)
        gone: list[Prepared] = []
        for key, record in waiting.items():
            if key in staged:
                verdicts.seen.add(record.identity)
                self.judge(record, staged[key], verdicts)
            else:
                gone.append(record)
        if gone:
            self.judge_final(gone, before, verdicts, is_late=is_late)

    def staged(
        self, waiting: Mapping[str, Prepared], before: Baseline
    ) -> dict[str, Row]:
        """The latest staged row of each key: a repeat may have mended an earlier."""
        out: dict[str, Row] = {}
        stage, column = self.interface.stage_entity, self.interface.stage_key
        for row in rows_of(self.client, stage, column, waiting.keys()):
            key = str(row.get(column))
            if row["id"] in before.stage_ids or key not in waiting:
                continue
            if find(waiting[key], [row]) is None:
                continue
            if key not in out or row["id"] > out[key]["id"]:
                out[key] = row
        return out

    def judge(self, record: Prepared, row: Row, verdicts: Verdicts) -> None:
        """What a staged row says."""
        status = status_of(row)
        if status in self.policy.rejected:
            verdicts.rejected[record.identity] = reason_of(row)
        elif status in self.policy.processed:
            verdicts.accepted.add(record.identity)

    def judge_final(
        self,
        gone: list[Prepared],
        before: Baseline,
        verdicts: Verdicts,
        *,
        is_late: bool,
    ) -> None:
        """What the final entity says of records that the stage no longer lists."""
        now = final_rows(self.client, self.interface, {record.key for record in gone})
        for record in gone:
            was = find(record, before.final.get(record.key, ()))
            is_now = find(record, now.get(record.key, ()))
            was_seen = record.identity in verdicts.seen
            has_moved = stamp(was) != stamp(is_now)
            if record.action == "DELETE":
                is_done = has_moved or (is_now is None and was_seen)
            else:
                # It left the stage without a complaint, or it moved, or it holds
                # what was sent although nothing moved: an update that changes none.
                is_done = is_now is not None and (
                    was_seen
                    or has_moved
                    or (
                        is_late
                        and agrees(record.record, is_now, self.interface.final_key)
                    )
                )
            if is_done:
                verdicts.seen.add(record.identity)
                verdicts.accepted.add(record.identity)

    def has_trace(self, records: Iterable[Prepared], before: Baseline) -> bool:
        """Whether any of the records is staged, or its final row moved."""
        waiting = {record.key: record for record in records}
        if self.staged(waiting, before):
            return True
        now = final_rows(self.client, self.interface, waiting.keys())
        return any(
            stamp(find(record, before.final.get(key, ())))
            != stamp(find(record, now.get(key, ())))
            for key, record in waiting.items()
        )

    def is_in_place(self, record: Prepared, before: Baseline) -> bool:
        """Whether a record that was not there before is there now, as it was sent."""
        if find(record, before.final.get(record.key, ())) is not None:
            return False
        rows = final_rows(self.client, self.interface, [record.key])
        row = find(record, rows.get(record.key, ()))
        return row is not None and agrees(record.record, row, self.interface.final_key)


def stamp(row: Row | None) -> object:
    """What tells two states of a final row apart."""
    return None if row is None else (row.get("id"), row.get("mod_ts"))

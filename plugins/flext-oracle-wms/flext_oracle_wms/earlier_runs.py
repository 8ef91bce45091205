"""What a run that was killed left in the stage.

It may have submitted records and died before it heard what became of them. They are
still on their way: sent again beside them, the older content could come last, and a
CREATE would meet what they create. So a new run waits for them, says what became of
them, and sends its own after that.
"""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING

from flext_oracle_wms.comparing import find
from flext_oracle_wms.errors import WmsError
from flext_oracle_wms.instants import parse_instant
from flext_oracle_wms.reconciling import (
    FIRST_POLL_SECONDS,
    MAX_POLL_SECONDS,
    Baseline,
    Reconciler,
    baseline,
)
from flext_oracle_wms.stage_statuses import reason_of, status_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flext_oracle_wms.comparing import Row
    from flext_oracle_wms.documents import Prepared

logger = logging.getLogger("flext-oracle-wms")

LEFT_OVER = dt.timedelta(days=1)
"""So old, an unprocessed row is no longer on its way; nobody processes it."""


def wait_for_earlier(
    reconciler: Reconciler, records: Sequence[Prepared]
) -> tuple[Baseline, dict[str, str]]:
    """Looks before a submit, until nothing of these keys is on its way.

    Args:
        reconciler: Of the entity.
        records: What will be sent; no two of one business key.

    Returns:
        What there is before the submit, and by business key why a record cannot be
        sent: an earlier one of it is neither processed nor rejected yet.
    """
    column = reconciler.interface.stage_key
    ours = {record.key: record for record in records}
    earlier: set[int] = set()
    end = reconciler.clock() + reconciler.policy.timeout_seconds
    pause = FIRST_POLL_SECONDS
    while True:
        before = baseline(reconciler.client, reconciler.interface, records)
        report(reconciler, earlier, before.staged, column)
        waiting = {
            str(row.get(column)): row
            for row in before.staged
            if is_under_way(reconciler, row, ours.get(str(row.get(column))))
        }
        earlier |= {row["id"] for row in waiting.values()}
        if not waiting or reconciler.clock() >= end:
            return before, {
                key: f"an earlier run staged it (row {row['id']} of"
                f" {reconciler.interface.stage_entity}, status {status_of(row)}), which"
                " is neither processed nor rejected; see to that row, then run again"
                for key, row in waiting.items()
            }
        logger.info(
            "%s: waiting for %d records that an earlier run staged",
            reconciler.interface.entity,
            len(waiting),
        )
        reconciler.sleep(pause)
        pause = min(pause * 1.6, MAX_POLL_SECONDS)


def is_under_way(reconciler: Reconciler, row: Row, record: Prepared | None) -> bool:
    """Whether a staged row of ours still waits to be processed."""
    policy = reconciler.policy
    if status_of(row) in policy.rejected | policy.processed:
        return False
    is_another_s = record is not None and find(record, [row]) is None
    return not is_another_s and not is_left_over(row, reconciler.client.now())


def is_left_over(row: Mapping[str, object], now: dt.datetime) -> bool:
    """Whether a row has been there so long that nothing will come of it."""
    try:
        return now - parse_instant(str(row.get("create_ts"))) > LEFT_OVER
    except WmsError:
        return False  # it does not say


def report(
    reconciler: Reconciler, earlier: set[int], staged: Iterable[Row], column: str
) -> None:
    """Says which of an earlier run's rows were rejected; each once."""
    for row in staged:
        if row["id"] in earlier and status_of(row) in reconciler.policy.rejected:
            earlier.discard(row["id"])
            logger.warning(
                "%s=%s of an earlier run was rejected: %s",
                column,
                row.get(column),
                reason_of(row),
            )

"""What the statuses of staged rows mean.

Numbers are documented for output records only (10 ready, 90 processed, 99 failed, 101
cancelled) and seen by clients for staged ones. `stage_status`, where an environment
lists it, names its own: those that no setting knows are told by their names.
"""

from __future__ import annotations

import dataclasses
import logging
import re
from typing import TYPE_CHECKING, Any

from flext_oracle_wms.errors import PermissionDeniedError, RequestRefusedError
from flext_oracle_wms.listing import read_pages

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from flext_oracle_wms.client import Client

logger = logging.getLogger("flext-oracle-wms")

STATUSES = "stage_status"
STATUS_FIELDS = ("status_id", "stage_status_id", "stage_record_status_id")
REASON_FIELDS = ("error_message", "error_str", "error_msg")
_REJECTED = re.compile(r"fail|reject|cancel|error|invalid", re.IGNORECASE)
_PROCESSED = re.compile(
    r"^\W*(successfully )?(processed|completed?)\W*$", re.IGNORECASE
)


@dataclasses.dataclass(frozen=True)
class Policy:
    """How long to wait, and which statuses mean what."""

    timeout_seconds: float = 1200.0
    rejected: frozenset[int] = frozenset({99, 101})
    processed: frozenset[int] = frozenset({90})


def as_named(client: Client, every: Collection[str], policy: Policy) -> Policy:
    """A policy with the statuses that this environment names.

    What the settings say of a status counts more than its name.

    Args:
        client: The connection.
        every: Names of all entities.
        policy: What the settings say.
    """
    if STATUSES not in every:
        return policy
    rejected, processed = set(policy.rejected), set(policy.processed)
    known = rejected | processed
    try:
        pages = list(read_pages(client, STATUSES, {}, page_size=1000))
    except (PermissionDeniedError, RequestRefusedError) as error:
        logger.warning("%s cannot be read: %s", STATUSES, error.what)
        return policy
    for row in (row for page in pages for row in page):
        number, name = row.get("id"), str(row.get("description") or "")
        if not isinstance(number, int) or number in known:
            continue
        if _REJECTED.search(name):
            rejected.add(number)
        elif _PROCESSED.fullmatch(name):
            processed.add(number)
    return dataclasses.replace(
        policy, rejected=frozenset(rejected), processed=frozenset(processed)
    )


def status_of(row: Mapping[str, Any]) -> object:
    """A staged row's status: a bare number, perhaps as text, or a relation."""
    status = next((row[f] for f in STATUS_FIELDS if row.get(f) is not None), None)
    if isinstance(status, dict):
        status = status.get("id")
    if isinstance(status, str) and status.strip().isdigit():
        return int(status)
    return status


def reason_of(row: Mapping[str, Any]) -> str:
    """Why a staged row was rejected, in the service's words."""
    reason = next((str(row[f]) for f in REASON_FIELDS if row.get(f)), "")
    return reason or f"rejected with status {status_of(row)} and no reason"

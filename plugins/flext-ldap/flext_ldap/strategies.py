"""Which strategy finds the changes of a stream on this kind of server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flext_ldap import filters
from flext_ldap.dirsync import DirSync
from flext_ldap.read_plan import (
    ENTRY_CSN,
    MODIFY_TIMESTAMP,
    SYNCREPL,
    EntryCsn,
    ModifyTimestamp,
    UsnChanged,
)
from flext_ldap.server_kind import ServerKind
from flext_ldap.syncrepl import Syncrepl

if TYPE_CHECKING:
    from flext_ldap.read_plan import Strategy

_STRATEGIES: dict[str, type[Strategy]] = {
    MODIFY_TIMESTAMP: ModifyTimestamp,
    ENTRY_CSN: EntryCsn,
    SYNCREPL: Syncrepl,
}
#: What the same wish means to a domain controller.
_ACTIVE_DIRECTORY_STRATEGIES: dict[str, type[Strategy]] = {
    MODIFY_TIMESTAMP: UsnChanged,
    ENTRY_CSN: UsnChanged,
    SYNCREPL: DirSync,
}


def strategy_for(incremental: str, kind: ServerKind) -> Strategy:
    """Return how this kind of server is asked for changes."""
    if kind is ServerKind.ACTIVE_DIRECTORY:
        return _ACTIVE_DIRECTORY_STRATEGIES[incremental]()
    return _STRATEGIES[incremental]()


def id_filter(kind: ServerKind, uuid: str) -> bytes:
    """Return the filter that finds one entry by its id."""
    digits = uuid.replace("-", "")
    if kind is ServerKind.ACTIVE_DIRECTORY:
        raw = bytes.fromhex(digits)
        little = raw[3::-1] + raw[5:3:-1] + raw[7:5:-1] + raw[8:]
        return filters.equality("objectGUID", little)
    if kind is ServerKind.DS389:
        parts = (digits[at : at + 8] for at in range(0, 32, 8))
        return filters.equality("nsUniqueId", "-".join(parts))
    if kind is ServerKind.OID:
        return filters.equality("orclGUID", digits.upper())
    return filters.equality("entryUUID", uuid)

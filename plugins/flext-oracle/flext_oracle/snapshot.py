"""One point in time for a whole sync, and what to do where there is none."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

import oracledb

from flext_oracle.errors import NOT_GRANTED, OracleError, code_of
from flext_oracle.sql import CURRENT_SCN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flext_oracle.connection import Connections

logger = logging.getLogger(__name__)

MODES = ("none", "scn", "read_only")
FALLBACKS = ("fail", "current", "read_only")
READ_ONLY = "SET TRANSACTION READ ONLY"


def mode_of(setting: object) -> str:
    """The mode that the setting `snapshot` names; true means scn."""
    if isinstance(setting, bool) or setting is None:
        return "scn" if setting else "none"
    text = str(setting).strip().lower()
    return {"true": "scn", "false": "none", "": "none"}.get(text, text)


class Snapshot:
    """The system change number that every stream of a sync reads as of.

    It is asked for once, by whoever needs it first, and stays. With `snapshot_scn`
    it is given, so that several processes read one snapshot.
    """

    def __init__(self, config: Mapping[str, Any], connections: Connections) -> None:
        self.mode = mode_of(config.get("snapshot"))
        self.fallback = str(config.get("snapshot_fallback") or "fail")
        given = config.get("snapshot_scn")
        self._scn = None if given is None else int(given)
        if self._scn is not None:
            self.mode = "scn"
        self._connections = connections
        self._lock = threading.Lock()

    def scn(self) -> int | None:
        """The SCN to read as of, or None to read without one.

        Raises:
            OracleError: None can be had, and `snapshot_fallback` is fail.
        """
        if self.mode != "scn":
            return None
        with self._lock:
            if self._scn is None:
                self._scn = self._ask()
            return self._scn

    def _ask(self) -> int | None:
        refusals = []
        with self._connections.session() as connection:
            for statement in CURRENT_SCN:
                try:
                    with connection.cursor() as cursor:
                        row = cursor.execute(statement).fetchone()
                except oracledb.DatabaseError as error:
                    if code_of(error) not in NOT_GRANTED:
                        raise
                    refusals.append(code_of(error))
                else:
                    logger.info("Reading as of SCN %d", row[0])
                    return int(row[0])
        problem = OracleError(
            f"{refusals[-1]}: no system change number to read as of",
            "snapshot",
            "GRANT SELECT ON V_$DATABASE (or EXECUTE ON DBMS_FLASHBACK) TO <user>,"
            " or set snapshot_fallback to read_only or current",
            refusals[-1],
        )
        self.give_up(problem)
        return None

    def give_up(self, reason: OracleError) -> None:
        """Go on without flashback from here, if the settings allow it.

        Raises:
            OracleError: `reason`, when `snapshot_fallback` is fail.
        """
        if self.fallback == "fail":
            raise reason
        logger.warning(
            "%s; going on without flashback (snapshot_fallback: %s)",
            reason.what,
            self.fallback,
        )
        self.mode = "read_only" if self.fallback == "read_only" else "none"

    @property
    def is_read_only(self) -> bool:
        """Whether a read-only transaction stands in, which holds one session."""
        return self.mode == "read_only"

"""Schedules of integrations: started, stopped, paused, resumed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flext_oracle_oic.artefacts import Sender, needed
from flext_oracle_oic.errors import NotFoundError, RecordError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What each action leads to. Oracle's pages do not list the states; these are the
#: words that clients were seen to compare with.
_RUNNING = frozenset({"ACTIVE", "STARTED", "RUNNING"})
_STOPPED = frozenset({"STOPPED", "INACTIVE", "NOT_STARTED"})
_PAUSED = frozenset({"PAUSED"})
LEADS_TO = {
    "start": _RUNNING,
    "stop": _STOPPED,
    "pause": _PAUSED,
    "resume": _RUNNING,
}
_ACTION = dict.fromkeys(_RUNNING, "start") | dict.fromkeys(_STOPPED, "stop")
_ACTION |= dict.fromkeys(_PAUSED, "pause")


class ScheduleWriter:
    """Starts and stops schedules.

    Args:
        sender: Where requests go.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def write(self, record: Mapping[str, Any]) -> None:
        """Bring a schedule into the state that a record asks for.

        Args:
            record: `id` of the integration; `action`, or `state` as the tap reads it.

        Raises:
            RecordError: It asks for nothing that can be done, there is no schedule,
                or the service refuses.
        """
        key = needed(record, "id")
        action = self._action(record)
        there = self._state(key)
        if there in LEADS_TO[action]:
            return
        if action == "start" and there in _PAUSED:
            action = "resume"
        try:
            self._sender.send("POST", "integrations", key, "schedule", action)
        except RecordError as error:
            # A repeat after a lost answer is refused as already done.
            if self._state(key) in LEADS_TO[action]:
                return
            raise RecordError(
                f"{error.what}; its schedule is {there or 'without a state'}"
            ) from error

    def _action(self, record: Mapping[str, Any]) -> str:
        named = record.get("action")
        if named in LEADS_TO:
            return str(named)
        if named is None and str(record.get("state")).upper() in _ACTION:
            return _ACTION[str(record["state"]).upper()]
        asked = f"action {named!r}" if named else f"state {record.get('state')!r}"
        raise RecordError(
            f"{asked} cannot be asked for: start, stop, pause and resume can, or the"
            f" states {', '.join(sorted(_ACTION))}"
        )

    def _state(self, key: str) -> str:
        try:
            found = self._sender.client.get("integrations", key, "schedule")
        except NotFoundError as error:
            raise RecordError("it has no schedule") from error
        return str(found.get("state")).upper() if isinstance(found, dict) else ""

"""How far a full-table sync has come, kept in the stream's state.

Only windows whose rows have all been handed on are noted, so that a STATE message
never runs ahead of its records. A rerun skips them as long as the SCN is readable.
"""

from __future__ import annotations

from typing import Any

from flext_oracle.chunks import Window, from_prefixes

KEY = "full_table"


class Progress:
    """The part of a stream's state that a full-table sync owns.

    Args:
        state: The stream's state; changed in place.
    """

    def __init__(self, state: dict[str, Any]) -> None:
        self._state = state

    @property
    def _entry(self) -> dict[str, Any]:
        entry = self._state.get(KEY)
        return entry if isinstance(entry, dict) else {}

    @property
    def scn(self) -> int | None:
        """The SCN of an unfinished sync."""
        value = self._entry.get("scn")
        return None if value is None else int(value)

    @property
    def version(self) -> int | None:
        """The table version of an unfinished sync."""
        value = self._entry.get("version")
        return None if value is None else int(value)

    def resumes(self, digits: int, share: str) -> bool:
        """Whether an unfinished sync cut the table as this one would."""
        entry = self._entry
        return entry.get("digits") == digits and entry.get("share", "") == share

    def begin(self, scn: int, version: int | None, digits: int, share: str) -> None:
        """Note a new sync."""
        self._state[KEY] = {
            "scn": scn,
            "version": version,
            "digits": digits,
            "share": share,
            "upto": None,
            "also": [],
        }

    def left(self, windows: list[Window]) -> list[Window]:
        """The windows that are still to be read, in order."""
        entry = self._entry
        upto = entry.get("upto")
        also = set(entry.get("also") or ())
        floor = -1 if upto is None else Window(upto).order
        return [w for w in windows if w.order > floor and w.prefix not in also]

    def finish(self, window: Window, windows: list[Window]) -> None:
        """Note that all rows of a window have been handed on.

        Workers finish out of order: what is done without gaps is kept as one mark,
        so that the state stays small however many windows there are.
        """
        entry = self._entry
        if not entry:
            return
        also = {*(entry.get("also") or ()), window.prefix}
        upto = entry.get("upto")
        floor = -1 if upto is None else Window(upto).order
        for candidate in windows:
            if candidate.order <= floor:
                continue
            if candidate.prefix not in also:
                break
            also.discard(candidate.prefix)
            upto = candidate.prefix
        entry["upto"] = upto
        entry["also"] = [w.prefix for w in from_prefixes(also)]

    def end(self) -> None:
        """Forget the sync: it is whole."""
        self._state.pop(KEY, None)

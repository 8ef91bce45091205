"""Monitoring lists in windows of time that stay below the offset ceiling.

The service shows the last hour unless it is asked for more, and past an offset of
some hundreds its pages end without a word. So each request names a window, a window
with more rows than can be paged is made smaller, and where one second holds more the
window is taken apart by status and by integration, or the read fails and says so.
"""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flext_oracle_oic.errors import OicError
from flext_oracle_oic.paging import Page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

logger = logging.getLogger("flext-oracle-oic")

#: Rows that a window may hold. MCP clients met the ceiling at an offset of 500.
MOST_ROWS = 450
_AIM_ROWS = 400
MAX_PASSES = 5
SECOND = dt.timedelta(seconds=1)


@dataclass(frozen=True)
class Window:
    """From `start` to `end`, both within, to the second, with further conditions."""

    start: dt.datetime
    end: dt.datetime
    conditions: tuple[tuple[str, str], ...] = ()

    def query(self) -> str:
        """The service's `q`."""
        pairs = [
            ("startdate", _stamp(self.start)),
            ("enddate", _stamp(self.end)),
            *self.conditions,
        ]
        return "{" + ",".join(f"{name}:'{value}'" for name, value in pairs) + "}"

    def __str__(self) -> str:
        """As people read it."""
        more = "".join(f", {name} {value}" for name, value in self.conditions)
        return f"{_stamp(self.start)} to {_stamp(self.end)} UTC{more}"


@dataclass
class WindowReader:
    """Reads one monitoring list.

    Args:
        ask: Gives the answer for a `q` and an offset.
        where: What is asked, for messages.
        most_rows: Rows that a window may hold.
        statuses: Every status that rows may have; empty if the list knows none.
        codes: Gives the codes of all integrations, for the last resort.
    """

    ask: Callable[[str, int], Any]
    where: str
    most_rows: int = MOST_ROWS
    statuses: Sequence[str] = ()
    codes: Callable[[], Sequence[str]] | None = None
    _codes: list[str] = field(default_factory=list)

    def read(self, start: dt.datetime, end: dt.datetime) -> Iterator[list[Any]]:
        """Yields the rows of each window, in the order of time; neighbours overlap.

        Raises:
            OicError: A window cannot be read whole.
        """
        start = start.replace(microsecond=0)
        end = end.replace(microsecond=0) + SECOND
        at, length = start, end - start
        while at < end:
            until = min(at + length, end)
            window = Window(at, until)
            first = Page(self.ask(window.query(), 0), self.where)
            total = first.total
            if self._is_too_much(first):
                if length > SECOND:
                    length = _shorter(until - at, total)
                    continue
                yield list(self._apart(window, total))
            else:
                yield self._rest(window, first)
            at = until
            length = _next_length(length, total)

    def _is_too_much(self, first: Page) -> bool:
        if first.total is not None:
            return first.total > self.most_rows
        # Without a total, more than one page may be more than can be paged.
        return first.has_more is True

    def _rest(self, window: Window, first: Page, turn: int = 1) -> list[Any]:
        """All rows of a window, whose first page is there already.

        A row that goes on while pages are read leaves the window, or moves to its
        front, and another one slips past the page's end. The total, or a row that
        comes with two pages, tells: then the window is read again.
        """
        rows = list(first.rows)
        page = first
        totals = {first.total}
        seen = {_identity(row) for row in rows}
        repeats = 0
        while page.has_more is True or (page.has_more is None and page.rows):
            if first.total is not None and len(rows) >= first.total:
                break
            if len(rows) > self.most_rows:
                break
            page = Page(self.ask(window.query(), len(rows)), self.where)
            if page.has_more is True and (
                not page.rows or rows[-len(page.rows) :] == page.rows
            ):
                raise OicError(
                    f"the service repeats its page at offset {len(rows)}",
                    where=f"{self.where}, {window}",
                )
            rows += page.rows
            totals.add(page.total)
            came = {_identity(row) for row in page.rows}
            repeats += len(came & seen)
            seen |= came
        distinct = len(seen)
        if page.has_more is True and distinct < (first.total or distinct + 1):
            raise self._unreadable(window, first.total)
        if len(rows) > len(first.rows) and (repeats or len(totals) > 1):
            if turn == MAX_PASSES:
                raise OicError(
                    f"the window changed each of {MAX_PASSES} times it was read",
                    where=f"{self.where}, {window}",
                    fix="run again when less is going on, or lower max_window_rows",
                )
            again = Page(self.ask(window.query(), 0), self.where)
            return rows + self._rest(window, again, turn + 1)
        if first.total is not None and distinct < first.total:
            # What moved out of the window meanwhile is met again later on.
            logger.info(
                "%s, %s: %d rows of %d; the others changed meanwhile",
                self.where,
                window,
                distinct,
                first.total,
            )
            self._check_moved(window, distinct)
        return rows

    def _check_moved(self, window: Window, found: int) -> None:
        """Rows that are missing must have left the window, not been withheld."""
        again = Page(self.ask(window.query(), 0), self.where)
        if again.total is not None and found < again.total:
            raise OicError(
                f"the service says there are {again.total} rows and sends {found}",
                where=f"{self.where}, {window}",
            )

    def _apart(self, window: Window, total: int | None) -> Iterator[Any]:
        """The rows of one crowded second, by status, then by integration."""
        if not self.statuses:
            raise self._unreadable(window, total)
        found = 0
        for status in self.statuses:
            part = Window(
                window.start, window.end, (*window.conditions, ("status", status))
            )
            first = Page(self.ask(part.query(), 0), self.where)
            if not self._is_too_much(first):
                rows = self._rest(part, first)
            else:
                rows = list(self._by_code(part, first.total))
            found += len({_identity(row) for row in rows})
            yield from rows
        if total is not None and found < total:
            raise self._unreadable(window, total)

    def _by_code(self, window: Window, total: int | None) -> Iterator[Any]:
        if self.codes is None:
            raise self._unreadable(window, total)
        self._codes = self._codes or sorted(set(self.codes()))
        found = 0
        for code in self._codes:
            part = Window(
                window.start, window.end, (*window.conditions, ("code", code))
            )
            first = Page(self.ask(part.query(), 0), self.where)
            if self._is_too_much(first):
                raise self._unreadable(part, first.total)
            rows = self._rest(part, first)
            found += len({_identity(row) for row in rows})
            yield from rows
        if total is not None and found < total:
            raise self._unreadable(window, total)

    def _unreadable(self, window: Window, total: int | None) -> OicError:
        return OicError(
            f"{total or 'more'} rows, of which the service pages {self.most_rows}",
            where=f"{self.where}, {window}",
            fix="nothing of this window was emitted; raise max_window_rows if your"
            " service pages deeper",
        )


def _shorter(length: dt.timedelta, total: int | None) -> dt.timedelta:
    share = _AIM_ROWS / total if total else 0.5
    seconds = max(1, int(length.total_seconds() * min(share, 0.5)))
    return dt.timedelta(seconds=seconds)


def _next_length(length: dt.timedelta, total: int | None) -> dt.timedelta:
    """As long as the last window's density suggests, and no more than four times."""
    share = min(4.0, _AIM_ROWS / total) if total else 4.0
    return dt.timedelta(seconds=max(1, int(length.total_seconds() * share)))


def _identity(row: Any) -> object:  # noqa: ANN401 - JSON
    name = row.get("id") if isinstance(row, dict) else None
    return repr(row) if name is None else name


def _stamp(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%S")

"""Whole lists out of `limit` and `offset`, although the service plays tricks.

A page may be shorter than asked and not be the last; `offset` may be ignored; a row
that changes while we read moves to the front, so one row comes twice and another one
is passed over; one that is deleted hides the next. So: the next offset counts what
came, `hasMore` decides, pages without anything new are an error, and a list that moved
is read again until it stands.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from flext_oracle_oic.errors import OicError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

logger = logging.getLogger("flext-oracle-oic")

MAX_PASSES = 5
#: Pages in a row without a new row; a row that moves can make one or two of them.
MAX_STALE_PAGES = 3


class Page:
    """One answer of a list: its rows, and what it says of the whole.

    Args:
        document: The answer, keys in camel case.
        where: What was asked, for messages.

    Raises:
        OicError: It is no list.
    """

    def __init__(self, document: Any, where: str) -> None:  # noqa: ANN401 - JSON
        if isinstance(document, dict) and isinstance(document.get("content"), dict):
            document = document["content"]
        if isinstance(document, list):
            document = {"items": document, "hasMore": False}
        if not isinstance(document, dict) or not isinstance(
            document.get("items", []), list
        ):
            raise OicError("the service's answer holds no list", where=where)
        if "items" not in document and not {"hasMore", "totalResults"} & set(document):
            raise OicError("the service's answer holds no list", where=where)
        self.rows: list[Any] = document.get("items") or []
        more = str(document.get("hasMore")).lower()
        self.has_more = {"true": True, "false": False}.get(more)
        total = str(document.get("totalRecordsCount", document.get("totalResults")))
        self.total = int(total) if total.isdigit() else None
        if self.has_more and self.total is not None and self.total <= len(self.rows):
            self.total = None  # it counts this page: hasMore says there are others


class ListReader:
    """Reads one design-time list until it stands still.

    Args:
        ask: Gives the answer for an offset.
        key: What tells rows apart; rows without one are yielded as they come.
        where: What is asked, for messages.
    """

    def __init__(
        self, ask: Callable[[int], Any], key: Callable[[Any], object], where: str
    ) -> None:
        self._ask = ask
        self._key = key
        self._where = where
        self._seen: dict[object, tuple[Any, int]] = {}
        self._news = self._repeats = 0
        self._totals: list[int | None] = []

    def read(self) -> Iterator[Any]:
        """Yields every row: each key at its first sight, and again if it changed.

        Raises:
            OicError: The service repeats itself, or the list never stood still.
        """
        for turn in range(MAX_PASSES):
            self._news = self._repeats = 0
            self._totals = []
            yield from self._pass(turn)
            if not self._is_doubtful() or (turn and not self._news):
                return
            logger.info("%s: the list changed meanwhile; reading it again", self._where)
        raise OicError(
            f"the list changed each of {MAX_PASSES} times it was read",
            where=self._where,
            fix="run again when nobody deploys",
        )

    def _is_doubtful(self) -> bool:
        """Whether rows may have been passed over in the last pass.

        A row that came twice was pushed down by another one; a row that was deleted
        pulls the next page's first one up unseen, and shows in the total, if at all.
        """
        if self._repeats or len(set(self._totals)) > 1:
            return True
        total = self._totals[-1]
        if total is None:
            return len(self._totals) > 1
        return total > len(self._seen)

    def _pass(self, turn: int) -> Iterator[Any]:
        offset = stale = 0
        while True:
            page = Page(self._ask(offset), self._where)
            self._totals.append(page.total)
            before = self._news
            repeats = self._repeats
            for row in page.rows:
                if self._is_new(row, turn):
                    yield row
            offset += len(page.rows)
            if page.has_more is False or (page.has_more is None and not page.rows):
                return
            if not page.rows:
                raise OicError(
                    "the service says there is more, and sends nothing",
                    where=self._where,
                )
            is_repeated = self._repeats - repeats == len(page.rows)
            stale = stale + 1 if is_repeated and self._news == before else 0
            if stale == MAX_STALE_PAGES:
                raise OicError(
                    f"the service repeats its page at offset {offset}",
                    where=self._where,
                    fix="report it to Oracle: the rest of the list cannot be reached",
                )

    def _is_new(self, row: Any, turn: int) -> bool:  # noqa: ANN401 - JSON
        """Note a row; whether it, or what it says, was not seen before."""
        name = self._key(row)
        if name is None:
            return turn == 0
        known = self._seen.get(name)
        self._seen[name] = (row, turn)
        if known is None:
            self._news += 1
            return True
        self._repeats += known[1] == turn
        return bool(known[0] != row)

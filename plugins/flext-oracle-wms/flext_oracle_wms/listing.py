"""Reading a list to its end, whatever the pages do.

`sequenced` pages are a cursor over ascending ids, so rows that change, come or go
while we read shift nothing; their `next_page` is followed as it is. `paged` pages
count rows, so a row that goes while we read would hide another one: here each page
asks for what comes after the last id, in the order of ids, and next_page only says
whether there is more. The end is where next_page is missing; a short page is not the
end, because the service may cap page_size.
"""

from __future__ import annotations

import logging
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NoReturn

from flext_oracle_wms.errors import NotFoundError, RequestRefusedError, WmsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flext_oracle_wms.client import Client

logger = logging.getLogger("flext-oracle-wms")

Row = dict[str, Any]
KEYSET = {"page_mode": "paged", "ordering": "id"}


def read_pages(
    client: Client,
    entity: str,
    filters: Mapping[str, str],
    *,
    page_size: int,
    page_mode: str = "sequenced",
) -> Iterator[list[Row]]:
    """Yields the rows of a list, a page at a time.

    Args:
        client: The connection.
        entity: Name as discovery gives it; that it exists is known.
        filters: Query parameters of the list.
        page_size: Rows asked for per request; the service takes up to 1,250.
        page_mode: `sequenced` or `paged`.

    Raises:
        WmsError: The pages run in a circle, lead elsewhere, or are not lists.
    """
    params = {**filters, "page_size": str(page_size), "page_mode": page_mode}
    is_keyset = page_mode == "paged"
    if is_keyset:
        params |= KEYSET
    path, query = client.entity_path(entity), dict(params)
    seen: set[str] = set()
    last_id: int | None = None
    before: list[Any] = []
    is_ascending, is_resumed = True, False
    while True:
        try:
            rows, next_page, is_counted = read_page(client, entity, path, query)
        except (NotFoundError, RequestRefusedError) as error:
            if is_end(
                error, entity, last_id, is_ascending=is_ascending, is_again=is_resumed
            ):
                return
            # The end, or a cursor that went stale: asking for what comes after the
            # last id tells which, and goes on from there.
            logger.info("%s: going on after id %s: %s", entity, last_id, error)
            path, query = client.entity_path(entity), resumed(params, last_id)
            is_resumed = True
            continue
        if is_counted and next_page and not is_keyset:
            # Its order is none at all, so rows would repeat and others be missing.
            logger.warning(
                "%s: the service knows no page_mode sequenced; reading by id", entity
            )
            is_keyset, params = True, params | KEYSET
            path = client.entity_path(entity)
            query = resumed(params, last_id) if last_id else dict(params)
            continue
        ids = [row.get("id") for row in rows]
        if ids and ids == before:
            raise_loop(entity, path)
        is_ascending = is_ascending and ascending(ids, last_id)
        check_order(entity, is_needed=is_keyset, is_ascending=is_ascending)
        before = ids
        last_id = ids[-1] if ids and isinstance(ids[-1], int) else last_id
        yield rows
        if not next_page:
            return
        path, query = client.link(next_page, path), {}
        is_resumed = is_keyset
        if is_keyset:
            path, query = client.entity_path(entity), resumed(params, last_id)
        elif path in seen:
            raise_loop(entity, path)
        seen.add(path)


def is_end(
    error: NotFoundError | RequestRefusedError,
    entity: str,
    last_id: int | None,
    *,
    is_ascending: bool,
    is_again: bool,
) -> bool:
    """Whether a refused page means that there are no more rows.

    Args:
        error: How the page was refused.
        entity: Whose list it is.
        last_id: Id of the last row so far; None before the first.
        is_ascending: Whether all ids so far went up.
        is_again: Whether the page was asked for by `last_id` already.

    Returns:
        True at the end; False when the list may go on after `last_id`.
    """
    if last_id is None or is_again:
        if isinstance(error, NotFoundError):
            return True  # documented: no rows is a 404
        raise error
    if not is_ascending:
        raise WmsError(
            f"a page after id {last_id} was refused and its rows are not in the order"
            f" of ids, so the list cannot go on: {error}",
            where=f"entity {entity!r}",
            fix="leave `ordering` out of the filters",
        ) from error
    return False


def check_order(entity: str, *, is_needed: bool, is_ascending: bool) -> None:
    """Refuses pages by id whose ids do not go up."""
    if is_needed and not is_ascending:
        raise WmsError(
            "the service ignores ordering=id or id__gt, so pages cannot be told apart",
            where=f"entity {entity!r}",
            fix="set page_mode to sequenced",
        )


def raise_loop(entity: str, path: str) -> NoReturn:
    """Refuses to read a page again."""
    raise WmsError(
        f"the service sent the same page twice ({path[:200]}); the list would never"
        " end",
        where=f"entity {entity!r}",
    )


def resumed(params: Mapping[str, str], last_id: int | None) -> dict[str, str]:
    """The list's parameters for what comes after an id."""
    return {**params, "id__gt": str(last_id or 0)}


def read_page(
    client: Client, entity: str, path: str, query: Mapping[str, str]
) -> tuple[list[Row], str | None, bool]:
    """One page: its rows, the link to the next, and whether it is a counted page."""
    answer = client.get_json(path, query or None)
    rows = answer.get("results") if isinstance(answer, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise WmsError(
            "the service's answer is no page of rows", where=f"entity {entity!r}"
        )
    next_page = answer.get("next_page") or None
    if next_page is not None and not isinstance(next_page, str):
        raise WmsError(
            f"next_page is {type(next_page).__name__}, not a link",
            where=f"entity {entity!r}",
        )
    is_counted = "page_nbr" in answer
    if is_counted and next_page is None and has_more_pages(answer):
        next_page = path  # it counts more pages than it links
    return rows, next_page, is_counted


def has_more_pages(answer: Mapping[str, Any]) -> bool:
    """Whether a counted page says that it is not the last one."""
    number, count = answer.get("page_nbr"), answer.get("page_count")
    return isinstance(number, int) and isinstance(count, int) and number < count


def ascending(ids: list[Any], last_id: int | None) -> bool:
    """Whether a page's ids go up, and on from the page before."""
    if not all(isinstance(number, int) for number in ids):
        return False
    chain = ids if last_id is None else [last_id, *ids]
    return all(a < b for a, b in pairwise(chain))

"""Reading a list to its end, whatever the pages do.

`sequenced` pages are a cursor over ascending ids, so rows that change, come or go
while we read shift nothing. `paged` pages have no order of their own: they are only
read with `ordering=id`. The end is where `next_page` is missing; a short page is not
the end, because the service may cap page_size.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from flext_oracle_wms.errors import NotFoundError, RequestRefusedError, WmsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flext_oracle_wms.client import Client

logger = logging.getLogger("flext-oracle-wms")

Row = dict[str, Any]


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
    if page_mode == "paged":
        params.setdefault("ordering", "id")
    path, query = client.entity_path(entity), dict(params)
    seen: set[str] = set()
    last_id: int | None = None
    is_ascending = page_mode == "sequenced"
    while True:
        try:
            rows, next_page = read_page(client, entity, path, query)
        except (NotFoundError, RequestRefusedError) as error:
            if last_id is None:
                if isinstance(error, NotFoundError):
                    return  # documented: no rows is a 404
                raise
            if not is_ascending:
                raise WmsError(
                    f"{entity}: a page after id {last_id} was refused and its rows are"
                    f" not in the order of ids, so the list cannot go on: {error}"
                ) from error
            # The end, or a cursor that went stale: asking for what comes after the
            # last id tells which, and goes on from there.
            logger.info("%s: going on after id %d: %s", entity, last_id, error)
            path, query = client.entity_path(entity), resumed(params, last_id)
            last_id = None
            continue
        ids = [row.get("id") for row in rows]
        if is_ascending and ids:
            is_ascending = ascending(ids, last_id)
        last_id = ids[-1] if ids and isinstance(ids[-1], int) else last_id
        yield rows
        if not next_page:
            return
        path, query = client.link(next_page), {}
        if path in seen:
            raise WmsError(
                f"{entity}: the service sent the same next_page twice"
                f" ({path[:200]}); the list would never end"
            )
        seen.add(path)


def resumed(params: Mapping[str, str], last_id: int) -> dict[str, str]:
    """The list's parameters for what comes after an id."""
    query = dict(params)
    query["id__gt"] = str(last_id)
    return query


def read_page(
    client: Client, entity: str, path: str, query: Mapping[str, str]
) -> tuple[list[Row], str | None]:
    """One page: its rows and the link to the next."""
    answer = client.get_json(path, query or None)
    rows = answer.get("results") if isinstance(answer, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise WmsError(f"{entity}: the service's answer is no page of rows")
    next_page = answer.get("next_page")
    if next_page is not None and not isinstance(next_page, str):
        raise WmsError(f"{entity}: next_page is {type(next_page).__name__}, not a link")
    return rows, next_page


def ascending(ids: list[Any], last_id: int | None) -> bool:
    """Whether a page's ids go up, and on from the page before."""
    if not all(isinstance(number, int) for number in ids):
        return False
    chain = ids if last_id is None else [last_id, *ids]
    return all(a < b for a, b in zip(chain, chain[1:], strict=False))

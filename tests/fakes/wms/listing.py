"""Lists, single rows and how a row looks on the wire."""

from __future__ import annotations

import base64
import datetime as dt
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit
from zoneinfo import ZoneInfo

from fakes.wms.errors import Refused, invalid, not_found
from fakes.wms.filters import RESERVED, resolve, select

if TYPE_CHECKING:
    from fakes.wms.entities import Entity, Row, Rows
    from fakes.wms.switches import Switches

MAX_HISTORY = (
    {"company_id__code", "facility_id__code", "group_nbr"},
    {"company_id__code", "facility_id__code", "history_activity_id", "status_id"},
    {"company_id__code", "facility_id__code", "history_activity_id", "item_code"},
)


LISTED_SETS = {"order_lock_set", "inventory_lock_set", "serial_nbr_set"}
"""Small sets that come as the rows themselves (seen on the wire)."""
NOT_ENTITIES = {"company_type"}
"""Relations to these have a blank url: the API does not offer them."""


class Listing:
    """Answers GET for one server; knows nothing of HTTP beyond query pairs."""

    def __init__(self, rows: Rows, switches: Switches) -> None:
        self.rows = rows
        self.switches = switches

    # -- representation ----------------------------------------------------------
    def represent(
        self,
        entity: Entity,
        row: Row,
        base: str,
        zone: str,
        children: dict[str, dict[int, list[Row]]] | None = None,
    ) -> dict[str, Any]:
        if children is None:
            children = self.children(entity)
        out: dict[str, Any] = {
            "id": row["id"],
            "url": f"{base}/{entity.name}/{row['id']}",
        }
        for name, kind in entity.fields.items():
            if name in out:
                continue
            if name in entity.sets:
                child, pointer = entity.sets[name]
                rows = children[name].get(row["id"], [])
                if not rows:
                    out[name] = None
                elif name in LISTED_SETS:
                    out[name] = [{"id": c["id"], "code": c.get("code")} for c in rows]
                else:
                    out[name] = {
                        "result_count": len(rows),
                        "url": f"{base}/{child}/?{pointer}={row['id']}",
                    }
            elif name in entity.relations:
                out[name] = self.relation(entity.relations[name], row.get(name), base)
            else:
                out[name] = self.scalar(row.get(name), kind, zone)
        for name in entity.undescribed:
            if row["id"] % 3 == 0:
                out[name] = row.get(name, f"note {row['id']}")
        raw, dropped = self.rows.raw.get((entity.name, row["id"]), ({}, []))
        out |= raw
        for name in dropped:
            out.pop(name, None)
        return out

    def children(self, entity: Entity) -> dict[str, dict[int, list[Row]]]:
        """The child rows of every set, by parent."""
        return {
            name: self.rows.children(child, pointer)
            for name, (child, pointer) in entity.sets.items()
        }

    def relation(
        self, target: str, number: int | None, base: str
    ) -> dict[str, Any] | None:
        related = self.rows.get(target, number)
        if related is None:
            return None
        key = related.get(
            self.rows.entities[target].key_field, related.get("description", number)
        )
        url = "" if target in NOT_ENTITIES else f"{base}/{target}/{number}"
        return {"id": number, "key": str(key), "url": url}

    def scalar(self, value: Any, kind: str, zone: str) -> Any:
        if isinstance(value, dt.datetime):
            local = value.astimezone(ZoneInfo(zone))
            if not self.switches.has_offsets:
                local = local.replace(tzinfo=None)
            return local.isoformat()  # microseconds only when there are any
        if isinstance(value, dt.date):
            return value.isoformat()
        if isinstance(value, Decimal):
            how = self.switches.decimals_as
            is_text = how == "string" or (how == "mixed" and value == int(value))
            return str(value) if is_text else value
        if value is None and kind == "string":
            return ""
        return value

    def project(
        self,
        entity: Entity,
        row: Row,
        query: dict[str, str],
        base: str,
        zone: str,
        children: dict[str, dict[int, list[Row]]] | None = None,
    ) -> dict[str, Any]:
        if "values_list" in query:
            return self.values_list(entity, row, query["values_list"], zone)
        whole = self.represent(entity, row, base, zone, children)
        if "fields" in query:
            wanted = query["fields"].split(",")
            unknown = [
                name
                for name in wanted
                if name not in whole and name not in entity.undescribed
            ]
            if unknown:
                raise invalid(dict.fromkeys(unknown, "Invalid field."))
            return {name: whole.get(name) for name in wanted}
        return whole

    def values_list(
        self, entity: Entity, row: Row, text: str, zone: str
    ) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for part in text.split(","):
            name, _, alias = part.partition(":")
            if name.split("__")[-1] in entity.sets:
                raise invalid({name: "Set fields are not supported."})
            alias = alias or name
            if alias in out:
                raise Refused(400, "Values list alias names must be unique.")
            value_of, kind, _ = resolve(self.rows, entity, name)
            out[alias] = self.scalar(value_of(row), kind, zone)
        return out

    # -- one row -----------------------------------------------------------------
    def retrieve(
        self,
        entity: Entity,
        number: int,
        query: list[tuple[str, str]],
        base: str,
        zone: str,
    ) -> dict[str, Any]:
        pairs = dict(query)
        extra = pairs.keys() - {"format", "fields", "values_list"}
        if extra:
            raise invalid(dict.fromkeys(sorted(extra), "Not allowed with an id."))
        row = next(
            (r for r in self.rows.visible(entity.name) if r["id"] == number), None
        )
        if row is None:
            raise not_found()
        return self.project(entity, row, pairs, base, zone)

    # -- lists -------------------------------------------------------------------
    def list(
        self, entity: Entity, query: list[tuple[str, str]], base: str, zone: str
    ) -> dict[str, Any]:
        pairs = dict(query)
        guard_history(entity, pairs)
        size = self.page_size(pairs)
        found = select(self.rows, entity, query, zone)
        if not found:
            raise not_found("No data found.")
        if self.switches.page_modes == "paged":
            pairs.pop("cursor", None)
        elif pairs.get("page_mode", "paged") == "sequenced":
            return self.sequenced(entity, found, pairs, size, base, zone)
        return self.paged(entity, found, pairs, size, base, zone)

    def page_size(self, pairs: dict[str, str]) -> int:
        text = pairs.get("page_size", str(self.switches.default_page_size))
        try:
            size = int(text)
        except ValueError:
            raise invalid({"page_size": "A whole number is required."}) from None
        if size < 1:
            raise invalid({"page_size": "Must be at least 1."})
        if size > self.switches.max_page_size:
            if self.switches.page_size_above == "400":
                raise invalid(
                    {"page_size": f"Must be at most {self.switches.max_page_size}."}
                )
            return self.switches.max_page_size
        return size

    def ordered(self, entity: Entity, found: list[Row], text: str) -> list[Row]:
        for name in reversed(text.split(",")):
            value_of, _, _ = resolve(self.rows, entity, name.removeprefix("-"))
            found = sorted(
                found,
                key=lambda row: (
                    (v := value_of(row)) is not None,
                    v if v is not None else 0,
                ),
                reverse=name.startswith("-"),
            )
        return found

    def paged(
        self,
        entity: Entity,
        found: list[Row],
        pairs: dict[str, str],
        size: int,
        base: str,
        zone: str,
    ) -> dict[str, Any]:
        try:
            page = int(pairs.get("page", "1"))
        except ValueError:
            raise invalid({"page": "A whole number is required."}) from None
        pages = math.ceil(len(found) / size)
        if page < 1 or page > pages:
            raise not_found("Invalid page.")
        if "ordering" in pairs:
            found = self.ordered(entity, found, pairs["ordering"])
        elif self.switches.unordered_pages:
            found = list(found)
            self.rows.random.shuffle(found)
        part = found[(page - 1) * size : page * size]
        link = {**pairs, "page": str(page)}
        return {
            "result_count": len(found),
            "page_count": pages,
            "page_nbr": page,
            "next_page": self.link(entity, {**link, "page": str(page + 1)}, base)
            if page < pages
            else None,
            "previous_page": self.link(entity, {**link, "page": str(page - 1)}, base)
            if page > 1
            else None,
            "results": self.projected(entity, part, pairs, base, zone),
        }

    def sequenced(
        self,
        entity: Entity,
        found: list[Row],
        pairs: dict[str, str],
        size: int,
        base: str,
        zone: str,
    ) -> dict[str, Any]:
        after = 0
        if "cursor" in pairs:
            after = self.read_cursor(pairs["cursor"])
        order = pairs.get("ordering")
        if order and self.switches.sequenced_ordering == "followed":
            found = self.ordered(entity, found, order)
            start = after  # a position instead of an id
            part, rest = found[start : start + size], found[start + size :]
            position = start + size
        else:
            found = [row for row in found if row["id"] > after]
            part, rest = found[:size], found[size:]
            position = part[-1]["id"] if part else after
            if self.switches.empty_pages and after and "x" not in pairs:
                part, rest, position = [], part, after
                pairs = {**pairs, "x": "1"}
            else:
                pairs.pop("x", None)
        if not part and not rest:
            raise not_found("No data found.")
        has_next = bool(rest) or (
            len(part) == size and self.switches.empty_last_page == "next_is_404"
        )
        keep = {
            name: text for name, text in pairs.items() if name not in {"cursor", "page"}
        }
        return {
            "next_page": self.link(
                entity, {**keep, "cursor": self.write_cursor(position)}, base
            )
            if has_next
            else None,
            "previous_page": self.link(
                entity, {**keep, "cursor": self.write_cursor(after, reverse=True)}, base
            )
            if after
            else None,
            "results": self.projected(entity, part, pairs, base, zone),
        }

    def projected(
        self,
        entity: Entity,
        part: list[Row],
        pairs: dict[str, str],
        base: str,
        zone: str,
    ) -> list[dict[str, Any]]:
        children = self.children(entity)
        shown = [self.project(entity, row, pairs, base, zone, children) for row in part]
        if "values_list" in pairs and pairs.get("distinct") in {"1", "true"}:
            shown = [row for n, row in enumerate(shown) if row not in shown[:n]]
        return shown

    def write_cursor(self, position: int, *, reverse: bool = False) -> str:
        stamp = (
            f"&t={self.rows.clock.seconds():.3f}"
            if self.switches.cursor_ttl_seconds
            else ""
        )
        text = f"{'r=1&' if reverse else ''}p={position}{stamp}"
        return base64.b64encode(text.encode()).decode()

    def read_cursor(self, text: str) -> int:
        try:
            parts = dict(
                p.split("=", 1)
                for p in base64.b64decode(text, validate=True).decode().split("&")
            )
            position = int(parts["p"])
        except (ValueError, KeyError):
            raise not_found("Invalid cursor") from None
        ttl = self.switches.cursor_ttl_seconds
        if ttl and self.rows.clock.seconds() - float(parts.get("t", "0")) > ttl:
            raise Refused(400, "Cursor has expired.", code="CURSOR_EXPIRED")
        return position

    def link(self, entity: Entity, pairs: dict[str, str], base: str) -> str:
        form = self.switches.links_form
        query = urlencode(pairs)
        if form == "query":
            return f"?{query}"
        if form == "reordered":
            query = urlencode(dict(sorted(pairs.items(), reverse=True)))
        where = f"{base}/{entity.name}/"
        if form == "path":
            where = urlsplit(where).path
        return f"{where}?{query}"


def guard_history(entity: Entity, pairs: dict[str, str]) -> None:
    """inventory_history is only listed with one of the documented combinations."""
    if entity.name != "inventory_history":
        return
    given = pairs.keys() - RESERVED
    if not any(needed <= given for needed in MAX_HISTORY):
        raise invalid(
            {"inventory_history": "One of the required filter combinations is missing."}
        )

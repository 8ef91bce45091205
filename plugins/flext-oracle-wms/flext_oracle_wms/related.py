"""Rows that others refer to: found by their key, and remembered.

A REST write takes foreign keys as ids (WMS REST API Guide 25B, "POST"). Ids differ
between environments, so where a record names a key (`item_key`, `item_code`), the id
is looked up by it; an id alone is taken as it is.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from flext_oracle_wms.errors import RecordError
from flext_oracle_wms.listing import read_pages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flext_oracle_wms.client import Client

KEY_FIELDS = {
    "item": "item_alternate_code",
    "location": "barcode",
    "container": "container_nbr",
    "iblpn": "container_nbr",
    "oblpn": "container_nbr",
    "order_hdr": "order_nbr",
    "purchase_order_hdr": "po_nbr",
    "ib_shipment": "shipment_nbr",
    "load": "load_nbr",
    "trailer": "trailer_nbr",
    "wave": "run_nbr",
    "batch_number": "batch_nbr",
    "serial_nbr": "serial_nbr",
}
"""The natural key of an entity that others refer to; `code` for all others."""
ENTITIES = {
    "container": "container",
    "curr_location": "location",
    "prev_location": "location",
    "order": "order_hdr",
    "purchase_order": "purchase_order_hdr",
    "parent_company": "company",
    "dest_facility": "facility",
    "shipto_facility": "facility",
}
"""Entities of relations that are not named like them."""
OF_A_COMPANY = frozenset({"item", "vendor"})
ENDINGS = ("_key", "_code")
OWN_FIELDS = frozenset({"parm_key"})
"""Fields that look like a relation's key and are none."""


class Related:
    """Finds ids.

    Args:
        client: The connection.
        lookups: `{column stem: "entity.field"}` beside the usual ones.
    """

    def __init__(self, client: Client, lookups: Mapping[str, str]) -> None:
        self.client = client
        self.lookups = lookups
        self._known: dict[tuple[str, str, str, str], int] = {}
        self._lock = threading.Lock()

    def resolve(self, fields: Mapping[str, Any], company: str) -> dict[str, Any]:
        """Fields with an id for each relation that a key names.

        Raises:
            RecordError: A key finds no row, or several.
        """
        out = dict(fields)
        code = str(fields.get("company_key") or fields.get("company_code") or company)
        for name, value in fields.items():
            stem = self.stem(name, fields)
            if not stem:
                continue
            del out[name]
            if value is not None and value != "":
                out[f"{stem}_id"] = self.find(stem, str(value), code)
        return out

    def stem(self, name: str, fields: Mapping[str, Any]) -> str:
        """`item` of `item_key`; "" when the column is a field of its own."""
        if name in OWN_FIELDS:
            return ""
        for ending in ENDINGS:
            stem = name.removesuffix(ending)
            if stem == name:
                continue
            if stem in self.lookups or ending == "_key" or f"{stem}_id" in fields:
                return stem
            if stem in {"company", "facility", "item"}:
                return stem
        return ""

    def place(self, stem: str) -> tuple[str, str]:
        """Entity and key field of a relation."""
        entity, _, field = self.lookups.get(stem, "").partition(".")
        entity = entity or ENTITIES.get(stem, stem)
        return entity, field or KEY_FIELDS.get(entity, "code")

    def find(self, stem: str, key: str, company: str) -> int:
        """The id of a related row."""
        entity, field = self.place(stem)
        scope = company if entity in OF_A_COMPANY and company not in {"", "*"} else ""
        name = (entity, field, key, scope)
        with self._lock:
            if name in self._known:
                return self._known[name]
        query = {field: key} | ({"company_id__code": scope} if scope else {})
        rows = find_rows(self.client, entity, query)
        ids = [int(row["id"]) for row in rows]
        if len(ids) != 1:
            found = f"{len(ids)} rows have" if ids else "no row has"
            raise RecordError(f"{stem}: {found} {field} {key!r} in {entity}")
        with self._lock:
            self._known[name] = ids[0]
        return ids[0]


def find_rows(
    client: Client, entity: str, query: Mapping[str, str]
) -> list[dict[str, Any]]:
    """The rows that a query finds; two are enough to know it is ambiguous."""
    found: list[dict[str, Any]] = []
    for rows in read_pages(client, entity, query, page_size=2):
        found += rows
        if len(found) > 1:
            break
    return found

"""The entities and their rows: the truth a client's output is compared with."""

from __future__ import annotations

import dataclasses
import datetime as dt
import random
import threading
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fakes.http_service.clock import Clock

Row = dict[str, Any]
UTC = dt.UTC


@dataclasses.dataclass
class Entity:
    """One entity: field types as `describe` names them, and what it allows."""

    name: str
    fields: dict[str, str]
    relations: dict[str, str] = dataclasses.field(default_factory=dict)
    sets: dict[str, tuple[str, str]] = dataclasses.field(default_factory=dict)
    """`order_dtl_set` -> (child entity, child's field that points here)."""
    is_described: bool = True
    is_forbidden: bool = False
    undescribed: frozenset[str] = frozenset()
    """Columns that rows carry and `describe` leaves out (schema drift)."""
    post: bool = False
    patch: frozenset[str] = frozenset()
    key_field: str = "code"

    @property
    def has_mod_ts(self) -> bool:
        return "mod_ts" in self.fields


AUDIT = {
    "id": "integer",
    "url": "string",
    "create_user": "string",
    "create_ts": "datetime",
    "mod_user": "string",
    "mod_ts": "datetime",
}


DEFAULT_STATUSES = {10: "Created", 20: "In progress", 30: "Done"}
STATUSES = {
    "stage_status": {
        10: "Ready",
        20: "In progress",
        90: "Processed",
        99: "Failed",
        101: "Cancelled",
        120: "Rejected by validation",
    }
}


def reference(name: str) -> Entity:
    """A reference table: id and description, no mod_ts."""
    return Entity(name, {"id": "integer", "url": "string", "description": "string"})


def catalogue() -> dict[str, Entity]:
    """Every entity this server knows."""
    main = [
        Entity(
            "company",
            {
                **AUDIT,
                "code": "string",
                "name": "string",
                "company_type_id": "relation",
            },
            {"company_type_id": "company_type"},
        ),
        Entity(
            "facility",
            {
                **AUDIT,
                "code": "string",
                "name": "string",
                "parent_company_id": "relation",
                "cust_field_1": "string",
            },
            {"parent_company_id": "company"},
            patch=frozenset({"cust_field_1"}),
        ),
        Entity(
            "item",
            {
                **AUDIT,
                "company_id": "relation",
                "item_alternate_code": "string",
                "part_a": "string",
                "barcode": "string",
                "description": "string",
                "unit_cost": "decimal",
                "unit_weight": "decimal",
                "std_case_qty": "decimal",
                "handle_decimal_qty_flg": "boolean",
                "lpn_qty": "integer",
            },
            {"company_id": "company"},
            undescribed=frozenset({"hazmat_note"}),
            key_field="item_alternate_code",
        ),
        Entity(
            "vendor",
            {**AUDIT, "company_id": "relation", "code": "string", "name": "string"},
            {"company_id": "company"},
        ),
        Entity(
            "location",
            {
                **AUDIT,
                "facility_id": "relation",
                "area": "string",
                "aisle": "string",
                "bay": "string",
                "level": "string",
                "position": "string",
                "bin": "string",
                "barcode": "string",
                "locn_str": "string",
                "to_be_counted_flg": "boolean",
                "to_be_counted_ts": "datetime",
                "type_id": "relation",
                "item_id": "relation",
                "min_units": "decimal",
                "max_units": "decimal",
                "max_lpns": "integer",
                "length": "decimal",
                "width": "decimal",
                "height": "decimal",
                "lock_for_putaway_flg": "boolean",
                "last_count_ts": "datetime",
            },
            {
                "facility_id": "facility",
                "type_id": "location_type",
                "item_id": "item",
            },
            patch=frozenset({"to_be_counted_flg", "to_be_counted_ts"}),
            key_field="barcode",
        ),
        Entity(
            "iblpn",
            {
                **AUDIT,
                "facility_id": "relation",
                "company_id": "relation",
                "container_nbr": "string",
                "type": "string",
                "status_id": "integer",
                "rcvd_ts": "datetime",
                "weight": "decimal",
                "volume": "decimal",
                "priority_date": "date",
                "comments": "string",
                "curr_location_id": "relation",
                "rcvd_shipment_id": "relation",
                "inventory_lock_set": "relation",
            },
            {
                "facility_id": "facility",
                "company_id": "company",
                "curr_location_id": "location",
                "rcvd_shipment_id": "ib_shipment",
            },
            {"inventory_lock_set": ("inventory_lock", "container_id")},
            patch=frozenset({"comments"}),
            key_field="container_nbr",
        ),
        Entity(
            "inventory",
            {
                **AUDIT,
                "facility_id": "relation",
                "item_id": "relation",
                "location_id": "relation",
                "container_id": "relation",
                "priority_date": "date",
                "curr_qty": "decimal",
                "orig_qty": "decimal",
                "pack_qty": "decimal",
                "case_qty": "decimal",
                "status_id": "integer",
                "manufacture_date": "date",
                "expiry_date": "date",
                "batch_number_id": "relation",
                "serial_nbr_set": "relation",
            },
            {
                "facility_id": "facility",
                "item_id": "item",
                "location_id": "location",
                "container_id": "iblpn",
                "batch_number_id": "batch_number",
            },
            {"serial_nbr_set": ("serial_nbr", "inventory_id")},
            post=True,
            key_field="id",
        ),
        Entity(
            "inventory_lock",
            {**AUDIT, "container_id": "relation", "code": "string"},
            {"container_id": "iblpn"},
            post=True,
        ),
        Entity(
            "serial_nbr",
            {**AUDIT, "inventory_id": "relation", "serial_nbr": "string"},
            {"inventory_id": "inventory"},
            key_field="serial_nbr",
        ),
        Entity(
            "allocation",
            {
                **AUDIT,
                "order_dtl_id": "relation",
                "from_inventory_id": "relation",
                "to_inventory_id": "relation",
                "alloc_qty": "decimal",
                "status_id": "integer",
                "wave_id": "relation",
                "picked_qty": "decimal",
            },
            {
                "order_dtl_id": "order_dtl",
                "from_inventory_id": "inventory",
                "to_inventory_id": "inventory",
                "wave_id": "wave",
            },
            key_field="id",
        ),
        Entity(
            "order_hdr",
            {
                **AUDIT,
                "facility_id": "relation",
                "company_id": "relation",
                "order_nbr": "string",
                "order_type_id": "relation",
                "status_id": "integer",
                "ord_date": "date",
                "req_ship_date": "date",
                "cust_name": "string",
                "cust_nbr": "string",
                "customer_po_nbr": "string",
                "priority": "integer",
                "total_orig_ord_qty": "decimal",
                "orig_sale_price": "decimal",
                "order_shipped_ts": "datetime",
                "cust_field_1": "string",
                "cust_field_2": "string",
                "stop_ship_flg": "boolean",
                "order_dtl_set": "relation",
                "order_lock_set": "relation",
            },
            {
                "facility_id": "facility",
                "company_id": "company",
                "order_type_id": "order_type",
            },
            {
                "order_dtl_set": ("order_dtl", "order_id"),
                "order_lock_set": ("order_lock", "order_id"),
            },
            patch=frozenset(
                {
                    "cust_field_1",
                    "cust_field_2",
                    "priority",
                    "req_ship_date",
                    "stop_ship_flg",
                }
            ),
            key_field="order_nbr",
        ),
        Entity(
            "order_dtl",
            {
                **AUDIT,
                "order_id": "relation",
                "seq_nbr": "integer",
                "item_id": "relation",
                "ord_qty": "decimal",
                "orig_ord_qty": "decimal",
                "alloc_qty": "decimal",
                "cost": "decimal",
                "sale_price": "decimal",
                "status_id": "integer",
            },
            {"order_id": "order_hdr", "item_id": "item"},
            patch=frozenset({"ord_qty"}),
            key_field="seq_nbr",
        ),
        Entity(
            "order_lock",
            {**AUDIT, "order_id": "relation", "code": "string"},
            {"order_id": "order_hdr"},
        ),
        Entity(
            "purchase_order_hdr",
            {
                **AUDIT,
                "facility_id": "relation",
                "company_id": "relation",
                "po_nbr": "string",
                "status_id": "integer",
                "ord_date": "date",
                "vendor_id": "relation",
                "cust_field_1": "string",
                "purchase_order_dtl_set": "relation",
            },
            {"facility_id": "facility", "company_id": "company", "vendor_id": "vendor"},
            {"purchase_order_dtl_set": ("purchase_order_dtl", "purchase_order_id")},
            patch=frozenset({"cust_field_1"}),
            key_field="po_nbr",
        ),
        Entity(
            "purchase_order_dtl",
            {
                **AUDIT,
                "purchase_order_id": "relation",
                "seq_nbr": "integer",
                "item_id": "relation",
                "ord_qty": "decimal",
            },
            {"purchase_order_id": "purchase_order_hdr", "item_id": "item"},
            key_field="seq_nbr",
        ),
        Entity(
            "ib_shipment",
            {
                **AUDIT,
                "facility_id": "relation",
                "company_id": "relation",
                "shipment_nbr": "string",
                "status_id": "integer",
                "shipped_date": "date",
                "orig_shipped_units": "decimal",
                "cust_field_1": "string",
                "ib_shipment_dtl_set": "relation",
            },
            {"facility_id": "facility", "company_id": "company"},
            {"ib_shipment_dtl_set": ("ib_shipment_dtl", "ib_shipment_id")},
            patch=frozenset({"cust_field_1"}),
            key_field="shipment_nbr",
        ),
        Entity(
            "ib_shipment_dtl",
            {
                **AUDIT,
                "ib_shipment_id": "relation",
                "seq_nbr": "integer",
                "item_id": "relation",
                "shipped_qty": "decimal",
            },
            {"ib_shipment_id": "ib_shipment", "item_id": "item"},
            key_field="seq_nbr",
        ),
        Entity(
            "wave",
            {**AUDIT, "run_nbr": "string", "status_id": "integer"},
            key_field="run_nbr",
        ),
        Entity("wave_template", {**AUDIT, "code": "string"}),
        Entity(
            "inventory_history",
            {
                **AUDIT,
                "facility_id": "relation",
                "company_id": "relation",
                "group_nbr": "string",
                "history_activity_id": "integer",
                "status_id": "integer",
                "item_code": "string",
            },
            {"facility_id": "facility", "company_id": "company"},
        ),
        Entity(
            "trailer",
            {**AUDIT, "trailer_nbr": "string", "facility_id": "relation"},
            {"facility_id": "facility"},
            post=True,
            key_field="trailer_nbr",
        ),
        Entity(
            "batch_number",
            {
                **AUDIT,
                "facility_id": "relation",
                "company_id": "relation",
                "item_id": "relation",
                "batch_nbr": "string",
                "expiry_date": "date",
            },
            {"facility_id": "facility", "company_id": "company", "item_id": "item"},
            post=True,
            patch=frozenset({"expiry_date"}),
            key_field="batch_nbr",
        ),
        Entity(
            "putaway_type", {**AUDIT, "code": "string"}, is_described=False, post=True
        ),
        Entity("user", {**AUDIT, "auth_user_id": "integer"}, is_forbidden=True),
        Entity(
            "load",
            {**AUDIT, "load_nbr": "string", "cust_field_1": "string"},
            patch=frozenset({"cust_field_1"}),
            key_field="load_nbr",
        ),
    ]
    main += [
        Entity(
            name,
            {
                **AUDIT,
                key: "string",
                "status_id": "integer",
                "error_message": "string",
                "file_group": "string",
            },
            key_field=key,
        )
        for name, key in (
            ("stage_item", "item_alternate_code"),
            ("stage_store", "code"),
            ("stage_site", "code"),
            ("stage_vendor", "code"),
            ("stage_order_hdr", "order_nbr"),
            ("stage_purchase_order_hdr", "po_nbr"),
            ("stage_ib_shipment", "shipment_nbr"),
        )
    ]
    main += [
        reference(name)
        for name in (
            "order_status",
            "container_status",
            "order_type",
            "company_type",
            "facility_type",
            "inventory_status",
            "stage_status",
            "wave_status",
            "task_status",
            "location_type",
            "hazmat_regulation_type",
            "uom",
            "language",
            "time_zone",
            "reason_code_type",
            "asset_status",
            "bridge_status",
            "load_status",
            "invoice_status",
            "value_type",
        )
    ]
    return {entity.name: entity for entity in sorted(main, key=lambda e: e.name)}


class Rows:
    """All rows, keyed by entity and id. Thread-safe; every change is seen at once."""

    def __init__(self, clock: Clock, seed: int = 7) -> None:
        self.clock = clock
        self.entities = catalogue()
        self.lock = threading.RLock()
        self.random = random.Random(seed)
        self._rows: dict[str, dict[int, Row]] = {name: {} for name in self.entities}
        self._next: dict[str, int] = dict.fromkeys(self.entities, 1)
        self.hidden: set[tuple[str, int]] = set()
        """Rows outside the user's eligible facilities."""
        self.raw: dict[tuple[str, int], tuple[Row, list[str]]] = {}
        """What a row shows instead of its values, and fields that it lacks."""
        self._unordered: set[str] = set()

    def insert(
        self, entity: str, values: Row, mod_ts: dt.datetime | None = None
    ) -> Row:
        """Adds a row; gives it as stored (relations as bare ids, instants in UTC)."""
        with self.lock:
            spec = self.entities[entity]
            number = values.get("id") or self._next[entity]
            if number < self._next[entity]:
                self._unordered.add(entity)
            self._next[entity] = max(self._next[entity], number) + 1
            now = mod_ts or self.clock.now()
            row: Row = {"id": number}
            for name, kind in spec.fields.items():
                if name in {"id", "url"} or name in spec.sets:
                    continue
                row[name] = "" if kind == "string" else None
            if spec.has_mod_ts:
                row |= {
                    "create_user": "SIM",
                    "create_ts": now,
                    "mod_user": "SIM",
                    "mod_ts": now,
                }
            row |= values
            row["id"] = number
            self._rows[entity][number] = row
            return row

    def update(
        self, entity: str, number: int, values: Row, mod_ts: dt.datetime | None = None
    ) -> Row:
        with self.lock:
            row = self._rows[entity][number] | values
            if self.entities[entity].has_mod_ts:
                row["mod_ts"] = mod_ts or self.clock.now()
                row["mod_user"] = "SIM2"
            self._rows[entity][number] = row
            return row

    def delete(self, entity: str, number: int) -> None:
        with self.lock:
            self._rows[entity].pop(number, None)

    def get(self, entity: str, number: int | None) -> Row | None:
        with self.lock:
            return None if number is None else self._rows[entity].get(number)

    def visible(self, entity: str) -> list[Row]:
        """Rows the user may see, by id."""
        with self.lock:
            rows = self._rows[entity]
            if entity in self._unordered:
                rows = self._rows[entity] = dict(sorted(rows.items()))
                self._unordered.discard(entity)
            if not self.hidden:
                return list(rows.values())
            return [
                row
                for number, row in rows.items()
                if (entity, number) not in self.hidden
            ]

    def children(self, entity: str, pointer: str) -> dict[int, list[Row]]:
        """Visible rows of an entity by what a relation of theirs points to."""
        out: dict[int, list[Row]] = {}
        for row in self.visible(entity):
            if row.get(pointer) is not None:
                out.setdefault(row[pointer], []).append(row)
        return out

    def find(self, entity: str, **values: object) -> Row | None:
        with self.lock:
            for number, row in self._rows[entity].items():
                if all(row.get(k) == v for k, v in values.items()) and (
                    (entity, number) not in self.hidden
                ):
                    return row
        return None

    def fill(self, scale: int) -> None:
        """The standard data set: `scale` rows in the transactional entities."""
        start = dt.datetime(
            2024, 10, 20, 12, 0, 0, 123456, tzinfo=UTC
        )  # spans the end of DST in New York
        company = self.insert("company", {"code": "C1", "name": "Acme"}, start)
        other = self.insert("company", {"code": "C2", "name": "Bolt"}, start)
        facility = self.insert(
            "facility",
            {"code": "F1", "name": "Main", "parent_company_id": company["id"]},
            start,
        )
        self.insert(
            "facility",
            {"code": "F2", "name": "South", "parent_company_id": other["id"]},
            start,
        )
        self.insert(
            "vendor",
            {"code": "V1", "name": "Väg & Söner", "company_id": company["id"]},
            start,
        )
        for name in self.entities:
            if set(self.entities[name].fields) == {"id", "url", "description"}:
                for number, text in STATUSES.get(name, DEFAULT_STATUSES).items():
                    self.insert(name, {"id": number, "description": text})
        items = [
            self.insert(
                "item",
                {
                    "company_id": company["id"],
                    "item_alternate_code": f"ITM{n:05d}",
                    "part_a": f"ITM{n:05d}",
                    "barcode": f"789{n:010d}",
                    "description": f"Item “{n}” <&> ü",
                    "unit_cost": Decimal(n) * Decimal("0.1") + Decimal("0.0000000001"),
                    "unit_weight": Decimal("12345678901234567890.123456789"),
                    "std_case_qty": Decimal(12),
                    "handle_decimal_qty_flg": n % 2 == 0,
                    "lpn_qty": 2**53 + n,
                },
                start + dt.timedelta(minutes=n),
            )
            for n in range(1, min(scale, 400) + 1)
        ]
        location = self.insert(
            "location",
            {
                "facility_id": facility["id"],
                "area": "A",
                "aisle": "01",
                "bay": "02",
                "level": "03",
                "position": "1",
                "barcode": "A01020301",
                "locn_str": "A-01-02-03-1",
                "to_be_counted_flg": False,
                "max_units": Decimal("99.5"),
                "length": Decimal("1.20"),
            },
            start,
        )
        step = dt.timedelta(seconds=max(1, 20 * 86400 // max(scale, 1)))
        for n in range(1, scale + 1):
            at = start + n * step
            item = items[n % len(items)]
            box = self.insert(
                "iblpn",
                {
                    "facility_id": facility["id"],
                    "company_id": company["id"],
                    "container_nbr": f"LPN{n:08d}",
                    "type": "I",
                    "status_id": 30,
                    "rcvd_ts": at,
                    "weight": Decimal("1.5"),
                    "priority_date": at.date(),
                },
                at,
            )
            stock = self.insert(
                "inventory",
                {
                    "facility_id": facility["id"],
                    "item_id": item["id"],
                    "location_id": location["id"] if n % 5 == 0 else None,
                    "container_id": None if n % 5 == 0 else box["id"],
                    "curr_qty": Decimal(n) / 4,
                    "orig_qty": Decimal(n),
                    "status_id": 0,
                },
                at,
            )
            order = self.insert(
                "order_hdr",
                {
                    "facility_id": facility["id"],
                    "company_id": company["id"],
                    "order_nbr": f"ORD{n:08d}",
                    "status_id": 90 if n % 3 == 0 else 0,
                    "ord_date": at.date(),
                    "cust_name": f"Customer {n % 17}",
                    "total_orig_ord_qty": Decimal(2),
                    "orig_sale_price": Decimal("19.990"),
                    "order_shipped_ts": at if n % 3 == 0 else None,
                    "stop_ship_flg": False,
                },
                at,
            )
            line = self.insert(
                "order_dtl",
                {
                    "order_id": order["id"],
                    "seq_nbr": 1,
                    "item_id": item["id"],
                    "ord_qty": Decimal(2),
                    "orig_ord_qty": Decimal(2),
                    "alloc_qty": Decimal(1),
                    "cost": Decimal("9.999"),
                    "status_id": 0,
                },
                at,
            )
            self.insert(
                "allocation",
                {
                    "order_dtl_id": line["id"],
                    "from_inventory_id": stock["id"],
                    "alloc_qty": Decimal("0.5"),
                    "status_id": 90,
                },
                at,
            )
            if n % 7 == 0:
                self.insert(
                    "inventory_lock", {"container_id": box["id"], "code": "QC"}, at
                )
            if n % 10 == 0:
                self.insert(
                    "ib_shipment",
                    {
                        "facility_id": facility["id"],
                        "company_id": company["id"],
                        "shipment_nbr": f"SHP{n:08d}",
                        "status_id": 0,
                        "shipped_date": at.date(),
                        "orig_shipped_units": Decimal(n),
                    },
                    at,
                )

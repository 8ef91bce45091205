"""Legacy init_stage_interface: receipt now, business validation later."""

from __future__ import annotations

import datetime as dt
import json
import threading
import xml.etree.ElementTree as ET
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from fakes.wms.entities import Row, Rows
    from fakes.wms.switches import Switches

# interface entity -> (stage entity, final entity, business key, list tag, row tag)
INTERFACES = {
    "item": ("stage_item", "item", "item_alternate_code", "ListOfItems", "item"),
    "vendor": ("stage_vendor", "vendor", "vendor_code", "ListOfVendors", "vendor"),
    "store": ("stage_store", "facility", "facility_code", "ListOfStores", "store"),
    "site": ("stage_site", "facility", "facility_code", "ListOfSites", "site"),
    "purchase_order": (
        "stage_purchase_order_hdr",
        "purchase_order_hdr",
        "po_nbr",
        "ListOfPurchaseOrders",
        "purchase_order",
    ),
    "ib_shipment": (
        "stage_ib_shipment",
        "ib_shipment",
        "shipment_nbr",
        "ListOfIbShipments",
        "ib_shipment",
    ),
    "order": ("stage_order_hdr", "order_hdr", "order_nbr", "ListOfOrders", "order"),
}
READY, PROCESSED = 10, 90


def answer(success: bool, message: str) -> str:
    root = ET.Element("root")
    ET.SubElement(root, "success").text = str(success)
    response = ET.SubElement(root, "response")
    ET.SubElement(response, "message").text = message
    ET.SubElement(response, "errors")
    ET.SubElement(response, "data")
    return '<?xml version="1.0" encoding="utf-8"?>' + ET.tostring(
        root, encoding="unicode"
    )


class Staging:
    """Takes submits, and moves staged rows on as the clock goes by."""

    def __init__(self, rows: Rows, switches: Switches) -> None:
        self.rows = rows
        self.switches = switches
        self.groups = 41415471
        self.submits = 0
        self.in_flight = 0
        self.most_in_flight = 0
        self.processed: list[dict[str, Any]] = []
        self._due: list[tuple[float, str, int, Row]] = []
        self._lock = threading.RLock()

    def enter(self) -> bool:
        """Counts a submit in; False when it is over the documented ten."""
        with self._lock:
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            return (
                self.in_flight <= self.switches.stage_max_parallel
                or self.switches.stage_over_parallel == "accept"
            )

    def leave(self) -> None:
        with self._lock:
            self.in_flight -= 1

    def submit(self, content_type: str, body: bytes) -> tuple[int, str]:
        """One POST: (status, answer in the form that is set)."""
        status, text = self.receive(content_type, body)
        how = self.switches.stage_answer_as
        if how == "json":
            root = ET.fromstring(text.partition("?>")[2])  # noqa: S314 - our own
            text = json.dumps(
                {
                    "success": root.findtext("success") == "True",
                    "response": {"message": root.findtext("response/message")},
                }
            )
        elif how == "loose":
            text = text.replace(">True<", "> true\n<").replace(">False<", "> false <")
            text = "\ufeff" + text.replace("<root>", "<root>\n ")
        return status, text

    def receive(self, content_type: str, body: bytes) -> tuple[int, str]:
        """One POST: (status, XML answer)."""
        failed = 200 if self.switches.stage_status_mode == "pre21D" else 400
        if not content_type.startswith("application/x-www-form-urlencoded"):
            return 415, answer(False, "Unsupported media type")
        if len(body) > 10 * 2**20 and self.switches.stage_body_over_10mb == "413":
            return 413, answer(False, "Request Entity Too Large")
        form = {
            name: values[-1]
            for name, values in parse_qs(
                body.decode("utf-8"), keep_blank_values=True
            ).items()
        }
        if bool(form.get("xml_data")) == bool(form.get("flat_data")):
            return failed, answer(False, "Either xml_data or flat_data is required")
        if form.get("flat_data"):
            return failed, answer(False, "flat_data is not supported by this server")
        is_validated = form.get("validate_xml", "False").lower() == "true"
        try:
            name, records = self.parse(form["xml_data"])
        except ValueError as error:
            # Without validation a broken document is accepted and rejected later.
            if is_validated:
                return failed, answer(False, str(error))
            self.rows.insert(
                "stage_item",
                {
                    "status_id": self.switches.stage_rejected_status,
                    "error_message": str(error),
                },
            )
            return 200, answer(
                True, f"Process stage submitted for file group {self.group()}"
            )
        group = self.group()
        is_async = form.get("async", "True").lower() != "false"
        with self._lock:
            self.submits += 1
            for record in records:
                self.stage(name, record, group, is_async=is_async)
        if not is_async:
            before = len(self.processed)
            self.settle(force=True)
            errors = [e["error"] for e in self.processed[before:] if e["error"]]
            if errors and self.switches.stage_sync_failure == "answered":
                return failed, answer(False, "; ".join(errors))
        return 200, answer(
            True, f"Process stage {name} submitted for file group {group}"
        )

    def group(self) -> int:
        with self._lock:
            self.groups += 1
            return self.groups

    def parse(self, text: str) -> tuple[str, list[Row]]:
        try:
            root = ET.fromstring(text)  # noqa: S314 - a test server on loopback
        except ET.ParseError as error:
            raise ValueError(f"XML is not well formed: {error}") from None
        name = (root.findtext("Header/Entity") or "").strip()
        if name not in INTERFACES:
            raise ValueError(f"Unknown entity {name!r}")
        if not root.findtext("Header/MessageId"):
            raise ValueError("MessageId is required")
        _, _, _, list_tag, row_tag = INTERFACES[name]
        holder = root.find(list_tag)
        if holder is None:
            raise ValueError(f"{list_tag} is missing")
        return name, [flatten(element) for element in holder.findall(row_tag)]

    def stage(self, name: str, record: Row, group: int, *, is_async: bool) -> None:
        stage_entity, _, key, _, _ = INTERFACES[name]
        column = self.rows.entities[stage_entity].key_field
        row = self.rows.insert(
            stage_entity,
            {
                column: record.get(key) or record.get(column) or "",
                "status_id": READY,
                "error_message": "",
                "file_group": str(group),
            },
        )
        due = self.rows.clock.seconds() + (
            self.switches.stage_delay_seconds if is_async else 0.0
        )
        self._due.append((due, name, row["id"], record))

    def settle(self, *, force: bool = False) -> None:
        """Processes what is due; called before every read of the server."""
        with self._lock:
            now = self.rows.clock.seconds()
            due = [entry for entry in self._due if force or entry[0] <= now]
            if not due:
                return
            self._due = [] if force else [e for e in self._due if e[0] > now]
            if self.switches.stage_reorder:
                self.rows.random.shuffle(due)
            for _, name, number, record in due:
                self.process(name, number, record)

    def process(self, name: str, number: int, record: Row) -> None:
        stage_entity, final, key, _, _ = INTERFACES[name]
        error = self.apply(final, key, record)
        self.processed.append({"entity": name, "record": record, "error": error})
        if error:
            self.rows.update(
                stage_entity,
                number,
                {
                    "status_id": self.switches.stage_rejected_status,
                    "error_message": error,
                },
            )
        elif self.switches.stage_stays_listed:
            self.rows.update(stage_entity, number, {"status_id": PROCESSED})
        else:
            self.rows.delete(stage_entity, number)

    def apply(self, final: str, key: str, record: Row) -> str:
        """Creates, updates or deletes the final row; gives the reason if it cannot."""
        spec = self.rows.entities[final]
        business = record.get(key) or record.get(spec.key_field)
        if not business:
            return f"{key} is required"
        company = None
        if "company_id" in spec.relations:
            company = self.rows.find("company", code=record.get("company_code"))
            if company is None:
                return f"Invalid company_code {record.get('company_code')!r}"
        action = (record.get("action_code") or "CREATE").upper()
        if action not in {"CREATE", "UPDATE", "DELETE"}:
            return f"Invalid action_code {action!r}"
        where = {spec.key_field: business} | (
            {"company_id": company["id"]} if company else {}
        )
        if "facility_id" in spec.relations:
            facility = self.rows.find("facility", code=record.get("facility_code"))
            if facility is None:
                return f"Invalid facility_code {record.get('facility_code')!r}"
            where["facility_id"] = facility["id"]
        existing = self.rows.find(final, **where)
        if action == "DELETE":
            if existing is None:
                return "Record not found"
            self.rows.delete(final, existing["id"])
            return ""
        if existing is None and action == "UPDATE":
            return "Record not found"
        if (
            existing is not None
            and action == "CREATE"
            and self.switches.stage_create_existing == "reject"
        ):
            return "Record already exists"
        values, error = self.values(final, record)
        if error:
            return error
        if existing is None:
            self.rows.insert(final, {**where, **values})
        else:
            self.rows.update(final, existing["id"], values)
        return ""

    def values(self, final: str, record: Row) -> tuple[Row, str]:
        spec = self.rows.entities[final]
        out: Row = {}
        for name, text in record.items():
            kind = spec.fields.get(name)
            if (
                kind is None
                or name in {"id", "url"}
                or name in spec.relations
                or name in spec.sets
                or not isinstance(text, str)
            ):
                continue
            try:
                out[name] = converted(text, kind)
            except (ValueError, InvalidOperation, KeyError):
                return {}, f"Invalid value for {name}: {text!r}"
        return out, ""


def converted(text: str, kind: str) -> Any:
    if text == "" and kind != "string":
        return None
    if kind == "integer":
        return int(text)
    if kind == "decimal":
        return Decimal(text)
    if kind == "boolean":
        return {
            "true": True,
            "false": False,
            "1": True,
            "0": False,
            "y": True,
            "n": False,
        }[text.lower()]
    if kind == "date":
        return dt.date.fromisoformat(text[:10])
    if kind == "datetime":
        value = dt.datetime.fromisoformat(text)
        return value if value.tzinfo else value.replace(tzinfo=dt.UTC)
    return text


def flatten(element: ET.Element) -> Row:
    """Header and rows of one record: a `*_hdr` child is lifted, `*_dtl` are a list."""
    out: Row = {}
    for child in element:
        if len(child) and child.tag.endswith("_hdr"):
            out |= flatten(child)
        elif len(child):
            out.setdefault(child.tag, []).append(flatten(child))
        else:
            out[child.tag] = child.text or ""
    return out

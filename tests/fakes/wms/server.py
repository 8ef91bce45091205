"""HTTP: routing, and the control side of the WMS stand-in."""

from __future__ import annotations

import datetime as dt
import json
import re
import xml.etree.ElementTree as ET
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit
from zoneinfo import ZoneInfo

from fakes.http_service.handler import Handler, Reply, Server, Service, dump
from fakes.wms.auth import CLIENT, USER, Auth
from fakes.wms.entities import Rows
from fakes.wms.errors import Refused, invalid, not_found
from fakes.wms.listing import Listing
from fakes.wms.staging import Staging

if TYPE_CHECKING:
    from fakes.wms.entities import Entity, Row
    from fakes.wms.switches import Switches

ENVIRONMENT = "acme_test"


class Simulator(Service):
    """All state of one server."""

    def __init__(self, switches: Switches, rows: int, seed: int = 7) -> None:
        super().__init__()
        self.switches = switches
        self.rows = Rows(self.clock, seed)
        self.rows.fill(rows)
        self.auth = Auth(switches, self.clock)
        self.listing = Listing(self.rows, switches)
        self.staging = Staging(self.rows, switches)
        self.inventory_posts = 0
        self.schedule: list[dict[str, Any]] = []
        """Changes during a read: {"after_lists": n, "entity", "op", "id", "values"}."""
        self.lists = 0
        self.waves: dict[int, float] = {}

    def after_list(self) -> None:
        """Applies the scheduled changes that are due after this many list answers."""
        with self.lock:
            self.lists += 1
            due = [
                change
                for change in self.schedule
                if change["after_lists"] <= self.lists
            ]
            self.schedule = [change for change in self.schedule if change not in due]
        for change in due:
            self.change(change)

    def change(self, change: dict[str, Any]) -> None:
        entity, operation = change["entity"], change["op"]
        late = dt.timedelta(
            seconds=change.get("late_seconds", self.switches.late_commit_seconds)
        )
        at = self.clock.now() - late
        if operation == "insert":
            for _ in range(change.get("count", 1)):
                self.rows.insert(entity, dict(change.get("values", {})), at)
        elif operation == "raw":
            shown = (change.get("values", {}), change.get("drop", []))
            self.rows.raw[entity, change["id"]] = shown
        elif operation == "update":
            self.rows.update(entity, change["id"], change.get("values", {}), at)
        elif operation == "delete":
            self.rows.delete(entity, change["id"])
        elif operation == "hide":
            self.rows.hidden.add((entity, change["id"]))
        else:
            msg = f"unknown operation {operation!r}"
            raise ValueError(msg)

    def run_wave(self) -> dict[str, str]:
        """Starts a wave, which is done when its time is over."""
        number = f"WAVE{len(self.rows.visible('wave')) + 1:03d}"
        row = self.rows.insert("wave", {"run_nbr": number, "status_id": 10})
        self.waves[row["id"]] = self.clock.seconds() + self.switches.wave_seconds
        return {"run_nbr": number}

    def end_waves(self) -> None:
        with self.lock:
            over = [n for n, at in self.waves.items() if at <= self.clock.seconds()]
            for number in over:
                del self.waves[number]
                self.rows.update("wave", number, {"status_id": 90})

    def truth(self, entity: str) -> list[dict[str, Any]]:
        """Every visible row, typed for JSON: instants in UTC, decimals as text."""
        self.staging.settle()
        return [
            {name: plain(value) for name, value in row.items()}
            for row in self.rows.visible(entity)
        ]

    def counters(self) -> dict[str, Any]:
        return {
            "requests": len(self.log),
            "lists": self.lists,
            "token_requests": self.auth.token_requests,
            "is_locked": self.auth.is_locked,
            "requests_after_lock": self.auth.requests_after_lock,
            "submits": self.staging.submits,
            "most_parallel_submits": self.staging.most_in_flight,
            "inventory_posts": self.inventory_posts,
            "processed": self.staging.processed,
        }

    def control(self, name: str, rest: str, data: Any) -> Any:
        if name == "truth":
            return self.truth(rest)
        if name == "counters":
            return self.counters()
        if name == "switches":
            for key, text in data.items():
                self.switches.set(key, str(text))
        elif name == "schedule":
            self.schedule += data["changes"]
        elif name == "change":
            self.change(data)
        elif name == "deny":
            self.auth.denied = set(data["verbs"])
        elif name == "expire_tokens":
            self.auth.tokens.clear()
        elif name == "credentials":
            return {
                "user": USER[0],
                "password": USER[1],
                "client_id": CLIENT[0],
                "client_secret": CLIENT[1],
            }
        else:
            return super().control(name, rest, data)
        return {"ok": True}


def plain(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat()
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    return value


def to_xml(tag: str, value: Any) -> ET.Element:
    element = ET.Element(tag)
    if isinstance(value, dict):
        for name, item in value.items():
            element.append(to_xml(name, item))
    elif isinstance(value, list):
        for item in value:
            element.append(to_xml("list-item", item))
    elif value is not None:
        element.text = str(value)
    return element


class WmsHandler(Handler):
    """Routes one request of the service."""

    server: WmsServer
    last_modified = ""

    def answer(self, method: str, body: bytes) -> Reply:
        parts = urlsplit(self.path)
        query = parse_qsl(parts.query, keep_blank_values=True)
        self.last_modified = ""
        try:
            status, kind, payload = self.route(method, parts.path, query, body)
        except Refused as refused:
            return self.refusal(refused)
        modified = {"Last-Modified": self.last_modified} if self.last_modified else {}
        return Reply(status, payload, kind, modified)

    def refusal(self, refused: Refused) -> Reply:
        details = refused.body.get("details")
        how = self.server.service.switches.error_details_as
        if details and how == "list":
            refused.body["details"] = [f"{k}: {v}" for k, v in details.items()]
        elif details and how == "none":
            del refused.body["details"]
        headers = (
            {"WWW-Authenticate": 'Basic realm="api"'} if refused.status == 401 else {}
        )
        if self.wants_xml():
            payload = ET.tostring(to_xml("error", refused.body))
            return Reply(refused.status, payload, "application/xml", headers)
        return Reply(refused.status, dump(refused.body), headers=headers)

    def error(self, status: int, headers: dict[str, str]) -> Reply:
        texts = {
            500: "Internal error",
            409: "Record Changed. Please Try again",
            401: "Invalid token.",
        }
        reply = self.refusal(Refused(status, texts[status], code="ERROR"))
        reply.headers |= headers
        return reply

    def wants_xml(self) -> bool:
        parts = urlsplit(self.path)
        return dict(parse_qsl(parts.query)).get("format") == "xml" or parts.path.rstrip(
            "/"
        ).endswith(".xml")

    def route(
        self, method: str, path: str, query: list[tuple[str, str]], body: bytes
    ) -> tuple[int, str, bytes]:
        simulator = self.server.service
        if path in {f"/{ENVIRONMENT}/api/oauth2/token/", "/oauth2/v1/token"}:
            status, reply = simulator.auth.token(
                body, self.headers.get("Authorization")
            )
            return status, "application/json", dump(reply)
        user = simulator.auth.check(self.headers.get("Authorization"))
        zone = simulator.auth.zone(user)
        simulator.staging.settle()
        simulator.end_waves()
        legacy = re.fullmatch(rf"/{ENVIRONMENT}/wms/api/(\w+)(/?)", path)
        if legacy:
            return self.legacy(method, legacy[1], legacy[2], body)
        found = re.fullmatch(
            rf"/{ENVIRONMENT}/wms/lgfapi/(v9|v10)/entity(?:/(.*?))?/?", path
        )
        if not found:
            raise not_found()
        rest = [unquote(part) for part in (found[2] or "").split("/") if part]
        status, reply = self.entity(method, rest, query, body, zone)
        if self.wants_xml():
            return status, "application/xml", ET.tostring(to_xml("response", reply))
        return status, "application/json", b"" if reply is None else dump(reply)

    def base(self) -> str:
        """The absolute address that links are built on, written as the switches say."""
        switches = self.server.service.switches
        host, _, port = self.headers.get("Host", "").partition(":")
        if switches.links_host:
            return f"http://{switches.links_host}/{ENVIRONMENT}/wms/lgfapi/v10/entity"
        if switches.links_port == "other_name":
            host = {"127.0.0.1": "LOCALHOST", "localhost": "LocalHost"}.get(
                host, host.upper()
            )
        if switches.links_port == "none":
            return f"http://{host}/{ENVIRONMENT}/wms/lgfapi/v10/entity"
        if switches.links_port == "https":
            return f"https://{host}:443/{ENVIRONMENT}/wms/lgfapi/v10/entity"
        return f"http://{host}:{port}/{ENVIRONMENT}/wms/lgfapi/v10/entity"

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The Date header, by the server's own clock."""
        at = self.server.service.clock.seconds() if timestamp is None else timestamp
        return super().date_time_string(at)

    def entity(
        self,
        method: str,
        rest: list[str],
        query: list[tuple[str, str]],
        body: bytes,
        zone: str,
    ) -> tuple[int, Any]:
        simulator = self.server.service
        base = self.base()
        verbs = {
            "GET": "read",
            "HEAD": "read",
            "POST": "create",
            "PATCH": "update",
            "DELETE": "delete",
        }
        if method not in verbs:
            raise Refused(405, "Method not allowed.", code="METHOD_NOT_ALLOWED")
        simulator.auth.permit(verbs[method])
        if not rest:
            names = sorted(simulator.rows.entities)
            forms: dict[str, object] = {
                "dict": {name: f"{base}/{name}" for name in names},
                "list": names,
                "named": [{"name": name, "url": f"{base}/{name}"} for name in names],
                "addresses": [f"{base}/{name}" for name in names],
                "nested": {
                    "base_url": base,
                    "entities": {name: f"{base}/{name}" for name in names},
                },
                "wrapped": {"base_url": base, "entities": names},
            }
            return 200, forms[simulator.switches.discovery_as]
        spec = simulator.rows.entities.get(
            rest[0].removesuffix(".json").removesuffix(".xml")
        )
        if spec is None:
            raise not_found()
        if method in {"GET", "HEAD"}:
            return self.read(method, spec, rest, query, base, zone)
        try:
            payload = json.loads(body or b"{}", parse_float=Decimal)
        except ValueError:
            raise Refused(400, "Malformed JSON.") from None
        if not self.headers.get("Content-Type", "").startswith("application/json"):
            raise Refused(400, "Content-Type must be application/json.")
        if method == "POST" and len(rest) == 1:
            return self.create(spec, payload, base, zone)
        if method == "PATCH" and len(rest) == 2:
            return self.patch(spec, int(rest[1]), payload, base, zone)
        if method == "POST" and len(rest) == 2 and rest[1].startswith("bulk_"):
            return self.bulk(spec, payload)
        if method == "POST" and rest == ["wave_template", "run_template"]:
            return 202, simulator.run_wave()
        if method == "POST" and len(rest) == 3 and rest[1].isdigit():
            if simulator.rows.get(spec.name, int(rest[1])) is None:
                raise not_found()
            return 204, None
        raise Refused(405, "Method not allowed.", code="METHOD_NOT_ALLOWED")

    def read(
        self,
        method: str,
        spec: Entity,
        rest: list[str],
        query: list[tuple[str, str]],
        base: str,
        zone: str,
    ) -> tuple[int, Any]:
        simulator = self.server.service
        if len(rest) == 1:
            forbidden = simulator.switches.forbidden_entity
            if spec.is_forbidden or spec.name == forbidden:
                raise Refused(
                    403,
                    "You do not have permission to perform this action.",
                    code="PERMISSION_DENIED",
                )
            reply = simulator.listing.list(spec, query, base, zone)
            if simulator.switches.next_page_loop and reply["next_page"]:
                reply["next_page"] = f"http://{self.headers['Host']}{self.path}"
            simulator.after_list()
            return 200, reply
        if rest[1] == "describe":
            form = simulator.switches.describe_as
            if form == "403":
                raise Refused(403, "You do not have permission")
            if not spec.is_described:
                raise not_found()
            keys = simulator.switches.describe_keys_as
            kinds = {"relation": keys}
            name, _, other = simulator.switches.describe_more.partition("=")
            own = {
                field: other for field in spec.fields if name == f"{spec.name}.{field}"
            }
            fields = {
                name: {
                    "type": own.get(name) or kinds.get(kind, kind),
                    "required": name == "id",
                    "max_length": None,
                    "choices": None,
                    "default": None,
                }
                for name, kind in spec.fields.items()
            }
            listed = [{"name": name, **about} for name, about in fields.items()]
            return 200, {
                "parameters": sorted(spec.fields),
                "fields": listed if form == "list" else fields,
            }
        if not rest[1].isdigit():
            raise not_found()
        reply = simulator.listing.retrieve(spec, int(rest[1]), query, base, zone)
        row = simulator.rows.get(spec.name, int(rest[1])) or {}
        if spec.has_mod_ts:
            self.last_modified = row["mod_ts"].astimezone(ZoneInfo(zone)).isoformat()
        since = self.headers.get("If-Modified-Since")
        if method == "HEAD" and since and spec.has_mod_ts:
            try:
                moment = dt.datetime.fromisoformat(since)
            except ValueError:
                raise Refused(400, "Invalid If-Modified-Since.") from None
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=ZoneInfo(zone))
            if row["mod_ts"] <= moment:
                return 304, None
        return 200, reply

    def create(
        self, spec: Entity, payload: dict[str, Any], base: str, zone: str
    ) -> tuple[int, Any]:
        simulator = self.server.service
        if not spec.post:
            raise Refused(405, "Method not allowed.", code="METHOD_NOT_ALLOWED")
        values = self.checked(
            spec, payload.get("fields") or {}, allowed=set(spec.fields)
        )
        if spec.name == "inventory":
            if not (payload.get("options") or {}).get("reason_code"):
                raise invalid({"reason_code": "Invalid Reason code"})
            simulator.inventory_posts += 1
        if spec.name == "batch_number":
            same = {
                name: values.get(name)
                for name in ("facility_id", "company_id", "item_id", "batch_nbr")
            }
            existing = simulator.rows.find(spec.name, **same)
            if existing and existing.get("expiry_date") != values.get("expiry_date"):
                raise invalid({"expiry_date": "Batch exists with another expiry date."})
            if existing:
                return 200, simulator.listing.represent(spec, existing, base, zone)
        row = simulator.rows.insert(spec.name, values)
        return 201, simulator.listing.represent(spec, row, base, zone)

    def patch(
        self, spec: Entity, number: int, payload: dict[str, Any], base: str, zone: str
    ) -> tuple[int, Any]:
        simulator = self.server.service
        if not spec.patch:
            raise Refused(405, "Method not allowed.", code="METHOD_NOT_ALLOWED")
        row = next(
            (r for r in simulator.rows.visible(spec.name) if r["id"] == number), None
        )
        if row is None:
            raise not_found()
        values = self.checked(
            spec, payload.get("fields") or {}, allowed=set(spec.patch)
        )
        if spec.name == "order_hdr" and (row.get("status_id") or 0) >= 90:
            raise invalid({"status_id": "Order is shipped."})
        row = simulator.rows.update(spec.name, number, values)
        return 200, simulator.listing.represent(spec, row, base, zone)

    def checked(self, spec: Entity, fields: dict[str, Any], allowed: set[str]) -> Row:
        """Typed values of a write, or 400 with every bad field named."""
        simulator = self.server.service
        out: Row = {}
        problems: dict[str, str] = {}
        for name, value in fields.items():
            if name not in allowed or name in {"id", "url"}:
                problems[name] = "Invalid field."
            elif value is None:
                out[name] = None
            elif name in spec.relations:
                if (
                    not isinstance(value, int)
                    or simulator.rows.get(spec.relations[name], value) is None
                ):
                    problems[name] = f"Invalid {spec.relations[name]}."
                else:
                    out[name] = value
            elif spec.fields[name] == "decimal":
                out[name] = Decimal(str(value))
            elif spec.fields[name] == "date":
                out[name] = dt.date.fromisoformat(str(value))
            elif spec.fields[name] == "datetime":
                out[name] = dt.datetime.fromisoformat(str(value))
            else:
                out[name] = value
        if problems:
            raise invalid(problems)
        return out

    def bulk(self, spec: Entity, payload: dict[str, Any]) -> tuple[int, Any]:
        """A bulk operation: ids from `parameters.id__in`; shipped rows fail."""
        simulator = self.server.service
        ids = [
            int(part)
            for part in str(payload.get("parameters", {}).get("id__in", "")).split(",")
            if part
        ]
        most = simulator.switches.default_page_size
        if len(ids) > most and simulator.switches.bulk_over_limit == "400":
            raise invalid({"parameters": f"At most {most} rows."})
        ids = ids[:most]
        bad = {
            str(n): "Invalid status."
            for n in ids
            if (simulator.rows.get(spec.name, n) or {}).get("status_id") == 90
        }
        if payload.get("options", {}).get("commit_frequency", 0) == 0 and bad:
            raise invalid(dict([next(iter(bad.items()))]))
        return 200, {
            "record_count": len(ids),
            "success_count": len(ids) - len(bad),
            "failure_count": len(bad),
            "details": bad,
        }

    def legacy(
        self, method: str, operation: str, slash: str, body: bytes
    ) -> tuple[int, str, bytes]:
        simulator = self.server.service
        if not slash:
            if simulator.switches.legacy_without_slash == "301":
                raise Refused(301, "Moved.", code="MOVED")
            raise not_found()
        simulator.auth.permit("update")
        if method != "POST" or operation != "init_stage_interface":
            raise not_found()
        allowed = simulator.staging.enter()
        try:
            if not allowed:
                return 503, "text/html", b"<html>busy</html>"
            status, text = simulator.staging.submit(
                self.headers.get("Content-Type", ""), body
            )
        finally:
            simulator.staging.leave()
        return status, "application/xml", text.encode("utf-8")


class WmsServer(Server):
    """The one listener of the service."""

    service: Simulator

    def __init__(self, port: int, simulator: Simulator) -> None:
        super().__init__(port, simulator, WmsHandler, "wms")

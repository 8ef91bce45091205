"""HTTP: four listeners, routing, and the control side of the OIC stand-in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from fakes.http_service.handler import Handler, Reply, Server, Service, dump
from fakes.oic.data import SECRET, Contents
from fakes.oic.errors import Refused
from fakes.oic.reading import Reading
from fakes.oic.tokens import AUDIENCE, CLIENT, USER, Tokens
from fakes.oic.wire import shape
from fakes.oic.writing import Writing

if TYPE_CHECKING:
    from fakes.oic.switches import Switches

INSTANCE = "acme-oic"
ROOT = "/ic/api/integration/v1/"
DESIGN_KINDS = {
    "integrations",
    "connections",
    "lookups",
    "libraries",
    "packages",
    "projects",
    "certificates",
    "adapters",
}


class Simulator(Service):
    """All state of one instance."""

    def __init__(self, switches: Switches, profile: str, instances: int) -> None:
        super().__init__()
        self.switches = switches
        self.profile = profile
        self.tokens = Tokens(switches, self.clock)
        self.contents = Contents(self.clock, profile, instances)
        self.reading = Reading(self.contents, switches)
        self.writing = Writing(self.contents, switches)
        self.urls: dict[str, str] = {}

    def control(self, name: str, rest: str, data: Any) -> Any:
        if name == "truth":
            return self.truth(rest)
        if name == "counters":
            leaks = [
                e
                for e in self.log
                if e["listener"] == "evil" and e["has_authorization"]
            ]
            return {
                "requests": len(self.log),
                "token_requests": self.tokens.requests,
                "evil_requests": sum(e["listener"] == "evil" for e in self.log),
                "leaks": len(leaks),
                "applied": self.writing.applied,
                "resubmits": self.contents.resubmits,
            }
        if name == "switches":
            for key, text in data.items():
                self.switches.set(key, str(text))
        elif name == "expire_tokens":
            self.tokens.issued.clear()
        elif name == "delete":
            row = self.contents.find(data["kind"], data["id"])
            self.contents.rows[data["kind"]].remove(row)
        elif name == "credentials":
            return {
                "client_id": CLIENT[0],
                "client_secret": CLIENT[1],
                "username": USER[0],
                "password": USER[1],
                "scope": f"{AUDIENCE}/ic/api/",
                "integration_instance": INSTANCE,
                "planted_secret": SECRET,
            }
        else:
            return super().control(name, rest, data)
        return {"ok": True}

    def truth(self, kind: str) -> Any:
        rows = {
            "instances": self.contents.instances,
            "errors": self.contents.errors,
            "audit": self.contents.audit,
        }.get(kind) or self.contents.rows[kind]
        return shape(rows, type(self.switches)(timestamps="Z"), is_kebab=False)


class OicHandler(Handler):
    """Routes one request of one of the listeners."""

    server: OicServer

    def answer(self, method: str, body: bytes) -> Reply:
        service = self.server.service
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        try:
            if self.server.name == "idcs" and parts.path != "/oauth2/v1/token":
                return Reply(404)
            if self.server.name == "idcs":
                header = self.headers.get("Authorization")
                status, reply = service.tokens.issue(body, header)
                return Reply(status, dump(reply))
            if self.server.name == "evil":
                return Reply(200, dump({"items": [], "hasMore": False}))
            return self.guarded(method, parts.path, query, body)
        except Refused as refused:
            return refused.reply(service.switches)

    def error(self, status: int, headers: dict[str, str]) -> Reply:
        reply = Refused(status, "Injected.").reply(self.server.service.switches)
        reply.headers |= headers
        return reply

    def guarded(
        self, method: str, path: str, query: dict[str, str], body: bytes
    ) -> Reply:
        service = self.server.service
        if not path.startswith(ROOT):
            raise Refused(404, "Not found.")
        if redirect := self.redirect(path):
            return Reply(307, headers={"Location": redirect})
        header = self.headers.get("Authorization")
        if not service.tokens.accepts(header, service.profile):
            raise Refused(401, "Invalid or expired token.")
        if service.switches.role == "missing":
            raise Refused(401, "Unauthorized.")
        if service.switches.role == "low":
            raise Refused(403, "Role is too low.")
        if service.profile == "oic3":
            instance = query.pop("integrationInstance", None)
            if instance is None:
                raise Refused(400, "integrationInstance is required.")
            if instance != INSTANCE:
                raise Refused(404, f"No service instance {instance}.")
        raw = path.removeprefix(ROOT)
        if "|" in raw and service.switches.quoted_id == "400":
            raise Refused(400, "Illegal character in path.")
        rest = [unquote(part) for part in raw.split("/") if part]
        service.writing.settle()
        if method == "GET" and rest[2:] == ["archive"] and rest[0] == "integrations":
            headers = {"Content-Disposition": 'attachment; filename="export.iar"'}
            content = service.reading.archive(rest[1])
            return Reply(200, content, "application/octet-stream", headers)
        if method in {"GET", "HEAD"}:
            return Reply(200, dump(self.read(rest, query)))
        return self.write(method, rest, query, body)

    def redirect(self, path: str) -> str | None:
        """Oracle Integration 3 answers design calls on the instance host with 307."""
        service = self.server.service
        is_design = not path.startswith(f"{ROOT}monitoring/")
        wanted = service.switches.redirect
        if service.profile != "oic3" or self.server.name != "instance" or not is_design:
            return None
        if wanted == "none":
            return None
        target = {"design": "design", "evil": "evil", "loop": "instance"}[wanted]
        return f"{service.urls[target]}{self.path}"

    def read(self, rest: list[str], query: dict[str, str]) -> Any:
        service = self.server.service
        reading = service.reading
        match rest:
            case ["projects", *_] if service.profile == "gen2":
                raise Refused(404, "Not found.")
            case [kind] if kind in DESIGN_KINDS:
                return reading.design_list(kind, query)
            case ["integrations", key, "schedule"]:
                return reading.schedule(key)
            case ["integrations", key, "activationStatus"]:
                return service.writing.activation_status(key)
            case [kind, key] if kind in DESIGN_KINDS:
                return reading.detail(kind, key)
            case ["monitoring", "instances"]:
                return reading.monitoring(
                    service.contents.instances, query, "lastTrackedTime"
                )
            case [
                "monitoring",
                "instances",
                key,
                "activityStreamDetails" | "activityStream" as path,
            ]:
                return reading.activity(key, path)
            case ["monitoring", "instances" | "errors" as kind, key]:
                rows = getattr(service.contents, kind)
                found = [r for r in rows if r["id"] == key]
                if found:
                    row = dict(found[0])
                    if query.get("return") == "minimal" and kind == "instances":
                        row |= {"integrationName": "not known", "projectFound": False}
                    return shape(row, service.switches, is_kebab=False)
            case ["monitoring", "errors"]:
                return reading.monitoring(
                    service.contents.errors, query, "lastTrackedTime"
                )
            case ["monitoring", "auditRecords"]:
                return reading.monitoring(service.contents.audit, query, "timestamp")
            case ["monitoring", "history"]:
                return reading.history(query)
            case ["monitoring", "integrations"]:
                return reading.monitoring_integrations(query)
            case ["monitoring", "agentgroups"]:
                return reading.design_list("agentgroups", query)
            case ["monitoring", "agentgroups", key, "agents"]:
                return reading.agents(key)
        raise Refused(404, "Not found.")

    def write(
        self, method: str, rest: list[str], query: dict[str, str], body: bytes
    ) -> Reply:
        service = self.server.service
        writing = service.writing
        content_type = self.headers.get("Content-Type", "")
        if rest[1:] == ["archive"]:
            return writing.archive(method, rest[0], body, content_type)
        if rest[2:3] == ["schedule"] and method == "POST":
            return writing.schedule(rest[1], rest[3])
        data: Any = {}
        if body:
            try:
                data = json.loads(body)
            except ValueError:
                raise Refused(400, "Malformed JSON.") from None
        is_patch = self.headers.get("X-HTTP-Method-Override", "").upper() == "PATCH"
        match method, rest:
            case ("POST", ["lookups"]):
                return writing.lookup("POST", None, data)
            case ("PUT" | "DELETE", ["lookups", name]):
                return writing.lookup(method, name, data)
            case ("POST", ["connections", key, "test"]):
                return writing.connection_test(key)
            case ("POST", ["connections" | "integrations" as kind, key]):
                if not is_patch:
                    status = int(service.switches.post_without_override)
                    raise Refused(status, "Method not allowed.")
                if kind == "connections":
                    return writing.connection(key, data)
                return writing.integration(key, data)
            case ("POST", ["monitoring", "errors", "resubmit"]):
                return writing.resubmit([str(i) for i in data.get("ids", [])], query)
            case ("POST", ["monitoring", "errors", key, "resubmit"]):
                return writing.resubmit([key], query)
        raise Refused(405, "Method not allowed.")


class OicServer(Server):
    """One of the four listeners."""

    service: Simulator


def listeners(simulator: Simulator, ports: dict[str, int]) -> list[OicServer]:
    """All four, with their addresses written into the simulator."""
    names = ("idcs", "instance", "design", "evil")
    servers = [OicServer(ports.get(n, 0), simulator, OicHandler, n) for n in names]
    simulator.urls = {
        server.name: f"http://127.0.0.1:{server.server_port}" for server in servers
    }
    return servers

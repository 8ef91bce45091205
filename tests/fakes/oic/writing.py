"""Writes: lookups, connections, archives, activation, resubmits."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from fakes.http_service.handler import Reply, dump
from fakes.oic.errors import Refused
from fakes.oic.wire import shape

if TYPE_CHECKING:
    from fakes.oic.data import Contents, Row
    from fakes.oic.switches import Switches


class Writing:
    """Answers POST, PUT and DELETE; keeps counts for double-apply checks."""

    def __init__(self, contents: Contents, switches: Switches) -> None:
        self.contents = contents
        self.switches = switches
        self.applied: list[str] = []

    def done(self, what: str, body: Any = None, status: int = 200) -> Reply:
        self.applied.append(what)
        payload = (
            b"" if body is None else dump(shape(body, self.switches, is_kebab=False))
        )
        return Reply(status, payload)

    def unlocked(self, key: str) -> None:
        if key in self.switches.locked.split(","):
            raise Refused(self.switches.locked_status, f"{key} is locked by a user.")

    # -- lookups -----------------------------------------------------------------
    def lookup(self, method: str, name: str | None, data: Any) -> Reply:
        rows = self.contents.rows["lookups"]
        if method == "DELETE":
            row = self.contents.find("lookups", name or "")
            if row is None:
                raise Refused(404, "Lookup was not found.")
            rows.remove(row)
            return self.done(f"delete lookup {name}")
        body = self.checked_lookup(data)
        existing = self.contents.find("lookups", name or body["name"])
        if method == "POST":
            if existing:
                raise Refused(409, "Lookup already exists.")
            rows.append(body)
            return self.done(f"create lookup {body['name']}", body)
        if existing is None:
            raise Refused(404, "Lookup was not found.")
        self.unlocked(body["name"])
        existing.update(body)
        return self.done(f"replace lookup {body['name']}", existing)

    def checked_lookup(self, data: Any) -> Row:
        columns = data.get("columns") if isinstance(data, dict) else None
        rows = data.get("rows") if isinstance(data, dict) else None
        if not columns or not data.get("name") or rows is None:
            raise Refused(400, "name, columns and rows are required.")
        if len(columns) < 2:
            raise Refused(400, "A lookup needs at least two columns.")
        for number, row in enumerate(rows):
            if len(row.get("rowData", [])) != len(columns):
                raise Refused(400, f"Row {number} has not as many values as columns.")
        return {
            "name": data["name"],
            "description": data.get("description", ""),
            "columns": columns,
            "rows": rows,
            "rowCount": len(rows),
            "status": "CONFIGURED",
            "lastUpdated": self.contents.clock.now(),
            "created": self.contents.clock.now(),
            "lockedFlag": False,
            "usage": 0,
        }

    # -- connections -------------------------------------------------------------
    def connection(self, key: str, data: Any) -> Reply:
        row = self.contents.find("connections", key)
        if row is None:
            raise Refused(404, "Connection was not found.")
        self.unlocked(key)
        for group in ("connectionProperties", "securityProperties"):
            for change in data.get(group, []):
                known = {p["propertyName"]: p for p in row[group]}
                if change["propertyName"] not in known:
                    raise Refused(400, f"Unknown property {change['propertyName']}")
                known[change["propertyName"]]["propertyValue"] = change["propertyValue"]
        row["lastUpdated"] = self.contents.clock.now()
        slim = {k: v for k, v in row.items() if k != "securityProperties"}
        if self.switches.dependents_warning:
            slim["warning"] = "It is used by active integrations."
        return self.done(f"patch connection {key}", slim)

    def connection_test(self, key: str) -> Reply:
        if self.switches.connection_test == "412":
            raise Refused(412, "Connection is not configured.")
        body = {"id": key, "status": self.switches.connection_test, "details": ""}
        return self.done(f"test connection {key}", body)

    # -- integrations ------------------------------------------------------------
    def archive(self, method: str, kind: str, body: bytes, content_type: str) -> Reply:
        match = re.search(rb'filename="([^"]+)"', body)
        if "multipart/form-data" not in content_type or not match:
            raise Refused(400, "No file.")
        name = match[1].decode().rsplit(".", 1)[0]
        content = body.split(b"\r\n\r\n", 1)[1]
        if kind == "lookups":
            return self.lookup_csv(method, name, content.rsplit(b"\r\n--", 1)[0])
        content = content.rsplit(b"\r\n--", 1)[0]
        if not content.startswith(b"PK"):
            raise Refused(400, "Not an archive.")
        if kind in {"packages", "projects"}:
            return self.package(method, kind, name, content)
        code, _, version = name.partition("_")
        key = f"{code}|{version or '01.00.0000'}"
        existing = self.contents.find("integrations", key)
        if method == "POST" and existing:
            raise Refused(409, "Integration already exists.")
        if method == "PUT" and existing is None:
            raise Refused(404, "Integration was not found.")
        if existing and existing["status"] == "ACTIVATED":
            raise Refused(412, "Integration is active.")
        if existing is None:
            row = self.contents.integration(9000)
            row |= {
                "id": key,
                "code": code,
                "version": version or "01.00.0000",
                "status": "CONFIGURED",
            }
            self.contents.rows["integrations"].append(row)
        self.contents.archives[key] = content
        if self.switches.archive_post == "200":
            return self.done(f"import {key}", {"id": key})
        reply = self.done(f"import {key}", status=204)
        reply.headers["Location"] = f"/ic/api/integration/v1/integrations/{key}"
        return reply

    def package(self, method: str, kind: str, name: str, content: bytes) -> Reply:
        """POST of what is there is a 409, PUT of what is not a 404."""
        existing = self.contents.find(kind, name)
        if method == "PUT" and kind == "projects":
            raise Refused(405, "Method not allowed.")
        if method == "POST" and existing:
            raise Refused(409, f"{name} already exists.")
        if method == "PUT" and existing is None:
            raise Refused(404, f"{name} was not found.")
        for part in (existing or {}).get("integrations", ()):
            row = self.contents.find("integrations", part["id"])
            if row and row["status"] == "ACTIVATED":
                raise Refused(412, f"Integration {row['id']} is active.")
        if existing is None:
            now = self.contents.clock.now()
            self.contents.rows[kind].append(
                {"id": name, "code": name, "name": name, "lastUpdated": now}
            )
        self.contents.archives[name] = content
        return self.done(f"import {kind} {name}", {"id": name, "name": name})

    def schedule(self, key: str, action: str) -> Reply:
        """Starting twice is a 412, without a schedule it is a 404."""
        row = self.contents.find("integrations", key)
        if row is None or not row["scheduleDefinedFlag"]:
            raise Refused(404, "No schedule.")
        reach = {
            "start": ({"STOPPED"}, "ACTIVE"),
            "stop": ({"ACTIVE", "PAUSED"}, "STOPPED"),
            "pause": ({"ACTIVE"}, "PAUSED"),
            "resume": ({"PAUSED"}, "ACTIVE"),
        }
        if action not in reach:
            raise Refused(404, "Not found.")
        state = self.contents.schedules.get(key, self.switches.schedule_state)
        if state not in reach[action][0]:
            raise Refused(412, f"Schedule is {state}.")
        self.contents.schedules[key] = reach[action][1]
        return self.done(f"{action} schedule {key}")

    def lookup_csv(self, method: str, name: str, content: bytes) -> Reply:
        import csv  # noqa: PLC0415 - only this one answer needs it
        import io  # noqa: PLC0415

        lines = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
        data = {
            "name": name,
            "columns": lines[0] if lines else [],
            "rows": [{"rowData": line} for line in lines[1:]],
        }
        return self.lookup("POST" if method == "POST" else "PUT", name, data)

    def integration(self, key: str, data: Any) -> Reply:
        row = self.contents.find("integrations", key)
        if row is None:
            raise Refused(404, "Integration was not found.")
        self.unlocked(key)
        wanted = data.get("status")
        if wanted not in {"ACTIVATED", "CONFIGURED"}:
            raise Refused(400, f"Invalid status {wanted}")
        if row["status"] == wanted:
            raise Refused(412, f"Integration is already {wanted}.")
        if row["status"] in {"ACTIVATION_INPROGRESS", "INPROGRESS"}:
            raise Refused(412, f"Integration is {row['status']}.")
        if wanted == "CONFIGURED":
            row["status"] = "CONFIGURED"
            return self.done(f"deactivate {key}", {"status": "CONFIGURED"})
        for other in self.contents.rows["integrations"]:
            is_sibling = other["code"] == row["code"] and other is not row
            if (
                is_sibling
                and other["version"].split(".")[0] == row["version"].split(".")[0]
            ):
                other["status"] = "CONFIGURED"
        row["status"] = "ACTIVATION_INPROGRESS"
        self.contents.activations[key] = (
            self.contents.clock.seconds() + self.switches.activation_seconds
        )
        body = {"status": row["status"], "lockedFlag": False, "links": []}
        if self.switches.activation_mode == "sync":
            self.applied.append(f"activate {key}")
            time.sleep(self.switches.activation_seconds)
            self.settle()
            return Reply(200, dump(body | {"status": row["status"]}))
        return self.done(f"activate {key}", body)

    def activation_status(self, key: str) -> Any:
        row = self.contents.find("integrations", key)
        if row is None:
            raise Refused(404, "Integration was not found.")
        self.settle()
        return {"activationStatus": row["status"]}

    def settle(self) -> None:
        """Ends activations whose time has come."""
        now = self.contents.clock.seconds()
        for key, due in list(self.contents.activations.items()):
            row = self.contents.find("integrations", key)
            if row and due <= now:
                failed = self.switches.activation_fails
                row["status"] = "FAILEDACTIVATION" if failed else "ACTIVATED"
                del self.contents.activations[key]

    # -- errors ------------------------------------------------------------------
    def resubmit(self, ids: list[str], query: dict[str, str]) -> Reply:
        known = {row["id"]: row for row in self.contents.errors}
        accepted = [i for i in ids if i in known and known[i]["recoverable"]]
        stuck = [i for i in ids if i in known and not known[i]["recoverable"]]
        unknown = [i for i in ids if i not in known]
        if not accepted:
            raise Refused(412, "No recoverable error.")
        for key in accepted:
            self.contents.resubmits[key] = self.contents.resubmits.get(key, 0) + 1
            for row in self.contents.instances:
                if row["id"] == key:
                    row["status"] = "RESUBMITTED"
                    row["lastTrackedTime"] = self.contents.clock.now()
        what = f"resubmit {','.join(accepted)}"
        if query.get("return") != "sync" or self.switches.resubmit_answer == "202":
            return self.done(what, status=202)
        body = {
            "acceptedIds": accepted,
            "invalidIds": unknown,
            "nonRecoverableIds": stuck,
            "recoveryJobId": "job1",
            "resubmitRequested": True,
            "resubmittedInstancesCount": len(accepted),
        }
        return self.done(what, body)

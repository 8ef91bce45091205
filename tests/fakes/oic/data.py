"""The instance's contents: integrations, connections, lookups, runs."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fakes.http_service.clock import Clock

Row = dict[str, Any]
UTC = dt.UTC
SECRET = "oic-Canary-Property-5"


class Contents:
    """Rows by kind. Instants are datetimes; the wire form is made when answering."""

    def __init__(self, clock: Clock, profile: str, instances: int) -> None:
        self.clock = clock
        self.profile = profile
        self.start = clock.now()
        self.rows: dict[str, list[Row]] = {
            "integrations": [self.integration(n) for n in range(130)],
            "connections": [self.connection(n) for n in range(7)],
            "lookups": [self.lookup(n) for n in range(12)],
            "libraries": [self.named("libraries", n) for n in range(3)],
            "packages": [self.package(n) for n in range(3)],
            "projects": [self.named("projects", n) for n in range(2)],
            "certificates": [self.named("certificates", n) for n in range(2)],
            "adapters": [self.named("adapters", n) for n in range(4)],
            "agentgroups": [self.named("agentgroups", n) for n in range(2)],
        }
        self.instances = [self.instance(n, instances) for n in range(instances)]
        self.errors = [
            self.error(row) for row in self.instances if row["status"] == "FAILED"
        ]
        self.audit = [self.audit_record(n) for n in range(15)]
        self.resubmits: dict[str, int] = {}
        self.archives: dict[str, bytes] = {}
        self.schedules: dict[str, str] = {}
        self.activations: dict[str, float] = {}

    def when(self, minutes: int) -> dt.datetime:
        return (self.start - dt.timedelta(minutes=minutes)).replace(microsecond=887000)

    def integration(self, n: int) -> Row:
        code = f"INT{n:04d}"
        is_scheduled = n % 10 == 0
        return {
            "id": f"{code}|01.00.0000",
            "code": code,
            "version": "01.00.0000",
            "name": f"Integration {n} ü",
            "status": "ACTIVATED" if n % 3 else "CONFIGURED",
            "pattern": "Scheduled" if is_scheduled else "Orchestration",
            "style": "freeform_scheduled" if is_scheduled else "freeform",
            "created": self.when(40_000 + n),
            "createdBy": "dev",
            "lastUpdated": self.when(1000 + n),
            "lastUpdatedBy": "dev",
            "lockedFlag": False,
            "scheduleDefinedFlag": is_scheduled,
            "percentageComplete": 100,
            "totalEndPoints": 2,
            "links": [],
        }

    def connection(self, n: int) -> Row:
        return {
            "id": f"CONN{n}",
            "name": f"Connection {n}",
            "status": "CONFIGURED",
            "role": "SOURCE_AND_TARGET",
            "lastUpdated": self.when(500 + n),
            "created": self.when(50_000),
            "adapterType": {"name": "rest", "displayName": "REST"},
            "securityPolicy": "BASIC_AUTH",
            "connectionProperties": [
                {
                    "propertyGroup": "CONNECTION_PROPS",
                    "propertyName": "connectionUrl",
                    "propertyType": "URL",
                    "propertyValue": "https://rest.example.com",
                }
            ],
            "securityProperties": [
                {
                    "propertyGroup": "CREDENTIALS",
                    "propertyName": "password",
                    "propertyType": "PASSWORD",
                    "propertyValue": SECRET,
                }
            ],
            "lockedFlag": False,
        }

    def lookup(self, n: int) -> Row:
        return {
            "name": f"Lookup{n}",
            "description": "",
            "lastUpdated": self.when(300 + n),
            "created": self.when(60_000),
            "status": "CONFIGURED",
            "columns": ["rightnow", "soap"],
            "rows": [{"rowData": [f"RN{i}", f'SO, "{i}"']} for i in range(n)],
            "rowCount": n,
            "lockedFlag": False,
            "usage": 0,
        }

    def named(self, kind: str, n: int) -> Row:
        return {
            "id": f"{kind[:3].upper()}{n}",
            "code": f"{kind[:3].upper()}{n}",
            "name": f"{kind} {n}",
            "alias": f"{kind}-{n}",
            "lastUpdated": self.when(700 + n),
        }

    def package(self, n: int) -> Row:
        return {
            "name": f"com.example.p{n}",
            "lastUpdated": self.when(900 + n),
            "integrations": [{"id": "INT0001|01.00.0000", "code": "INT0001"}],
        }

    def instance(self, n: int, total: int) -> Row:
        # Spread over 20 days, the newest first; 7 % failed, 3 % running.
        minutes = 1 + n * (20 * 24 * 60 // max(total, 1))
        status = (
            "FAILED" if n % 14 == 0 else "IN_PROGRESS" if n % 33 == 1 else "COMPLETED"
        )
        number = str(500_400_000 + n)
        if self.profile == "oic3":
            digest = hashlib.sha256(number.encode()).digest()[:16]
            number = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        at = self.when(minutes)
        return {
            "id": number,
            "integrationId": f"INT{n % 130:04d}|01.00.0000",
            "integrationName": f"Integration {n % 130} ü",
            "integrationVersion": "01.00.0000",
            "status": status,
            "creationDate": at - dt.timedelta(seconds=30),
            "lastTrackedTime": at,
            "primaryName": "orderId",
            "primaryValue": f"O{n}",
            "duration": 30_000 + n,
            "runId": f"run{n}",
            "hasRecoverableFaults": status == "FAILED",
        }

    def error(self, instance: Row) -> Row:
        return {
            "id": instance["id"],
            "integration": {
                "code": instance["integrationId"].split("|")[0],
                "version": "01.00.0000",
                "name": instance["integrationName"],
            },
            "errorMessage": 'Fault <x> & "y"',
            "errorDetails": "stack",
            "creationDate": instance["creationDate"],
            "lastTrackedTime": instance["lastTrackedTime"],
            "recoverable": int(instance["primaryValue"][1:]) % 28 == 0,
            "retryCount": 0,
            "status": "FAILED",
        }

    def audit_record(self, n: int) -> Row:
        return {
            "id": f"audit{n}",
            "action": "ACTIVATE",
            "user": "dev",
            "timestamp": self.when(10 * n + 1),
        }

    def find(self, kind: str, key: str) -> Row | None:
        name = {"lookups": "name", "packages": "name", "certificates": "alias"}.get(
            kind, "id"
        )
        return next((row for row in self.rows[kind] if row[name] == key), None)

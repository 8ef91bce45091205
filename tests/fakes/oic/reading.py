"""Design-time lists and monitoring lists."""

from __future__ import annotations

import datetime as dt
import io
import re
import zipfile
from typing import TYPE_CHECKING, Any

from fakes.oic.errors import Refused
from fakes.oic.wire import listing, shape

if TYPE_CHECKING:
    from fakes.oic.data import Contents, Row
    from fakes.oic.switches import Switches

WINDOWS = {
    "1h": dt.timedelta(hours=1),
    "6h": dt.timedelta(hours=6),
    "1d": dt.timedelta(days=1),
    "2d": dt.timedelta(days=2),
    "3d": dt.timedelta(days=3),
}
INSTANCE_KEYS = {
    *("timewindow", "code", "version", "status", "startdate", "enddate"),
    *("primaryValue", "id", "requestId", "runId", "minDuration", "includePurged"),
}


def parse_q(text: str | None, known: set[str]) -> dict[str, str]:
    """`{key:'value', key2:'value2'}`; a contains is `{name: /text/}`."""
    if not text:
        return {}
    if text.count("{") != text.count("}") or text.count("'") % 2:
        raise Refused(400, f"Invalid q: {text}")
    pairs = re.findall(r"([\w-]+)\s*:\s*(?:'([^']*)'|/([^/]*)/)", text)
    out = {}
    for key, exact, part in pairs:
        if key not in known:
            raise Refused(400, f"Unknown query parameter {key}")
        out[key] = exact or f"/{part}"
    if not pairs:
        raise Refused(400, f"Invalid q: {text}")
    return out


def number(query: dict[str, str], name: str, default: int, least: int) -> int:
    text = query.get(name, str(default))
    if not re.fullmatch(r"-?\d+", text) or int(text) < least:
        raise Refused(400, f"Invalid {name}: {text}")
    return int(text)


class Reading:
    """Answers GET below /ic/api/integration/v1."""

    def __init__(self, contents: Contents, switches: Switches) -> None:
        self.contents = contents
        self.switches = switches
        self.lists = 0
        self.monitored = 0
        self.edits = 0

    def page(
        self, rows: list[Row], query: dict[str, str]
    ) -> tuple[list[Row], int, int]:
        limit = min(
            number(query, "limit", self.switches.max_limit, 1), self.switches.max_limit
        )
        offset = number(query, "offset", 0, 0)
        if self.switches.offset == "ignored":
            offset = 0
        return rows[offset : offset + limit], offset, limit

    # -- design time -------------------------------------------------------------
    def design_list(self, kind: str, query: dict[str, str]) -> Any:
        self.lists += 1
        rows = self.contents.rows[kind]
        if (
            self.switches.reorder_after_lists
            and self.lists == self.switches.reorder_after_lists
        ):
            rows[-1]["lastUpdated"] = self.contents.clock.now()
        order = query.get("orderBy", "time")
        if order == "name":
            rows = sorted(rows, key=lambda row: row["name"])
        else:
            rows = sorted(rows, key=lambda row: row["lastUpdated"], reverse=True)
        wanted = parse_q(
            query.get("q"), {"name", "status", "type", "style", "role", "code"}
        )
        rows = [row for row in rows if all(fits(row, k, v) for k, v in wanted.items())]
        part, offset, limit = self.page(rows, query)
        more: dict[str, Any] = {
            "hasMore": offset + len(part) < len(rows),
            "limit": limit,
            "offset": offset,
        }
        if self.switches.total_results != "missing":
            is_wrong = self.switches.total_results == "wrong"
            more["totalResults"] = 1 if is_wrong else len(rows)
        hidden = {"rows", "securityProperties", "connectionProperties"}
        slim = [{k: v for k, v in row.items() if k not in hidden} for row in part]
        return listing(slim, more, self.switches)

    def detail(self, kind: str, key: str) -> Any:
        row = self.contents.find(kind, key)
        if row is None:
            raise Refused(404, f"{kind} {key} was not found.")
        row = dict(row)
        if kind == "integrations":
            row["dependencies"] = {"connections": [{"id": "CONN1"}]}
            row["properties"] = {"timeout": "30"}
            row["notInAnyDocument"] = "kept"
            row["endPoints"] = [
                {"name": "in", "connection": {"id": "CONN1", "links": []}}
            ]
            empty = {"absent": None, "null": None, "empty": []}[self.switches.details]
            if self.switches.details != "absent":
                row["trackingVariables"] = empty
        is_kebab = self.switches.keys in {"kebab", "mixed"}
        answer = shape(row, self.switches, is_kebab=is_kebab)
        if kind == "lookups" and self.edits != self.switches.lookup_edits:
            self.edit(key)
        return answer

    def edit(self, key: str) -> None:
        """Someone else's edit, after an answer was made and before the next request."""
        self.edits += 1
        row = self.contents.find("lookups", key)
        added = {"rowData": [f"edit{self.edits}", *["by hand"] * 9]}
        added["rowData"] = added["rowData"][: len(row["columns"])]
        row["rows"] = [*row["rows"], added]
        row["rowCount"] = len(row["rows"])
        row["lastUpdated"] = self.contents.clock.now()

    def archive(self, key: str) -> bytes:
        """An integration as it is exported: a zip."""
        if self.contents.find("integrations", key) is None:
            raise Refused(404, f"integrations {key} was not found.")
        content = self.contents.archives.get(key)
        if content is None:
            out = io.BytesIO()
            with zipfile.ZipFile(out, "w") as file:
                size = self.switches.archive_mebibytes * 2**20
                file.writestr("icspackage/project.xml", key)
                file.writestr("icspackage/resources", bytes(range(256)) * (size // 256))
            content = out.getvalue()
        return content[: len(content) // 2] if self.switches.archive_cut else content

    def schedule(self, key: str) -> Any:
        row = self.contents.find("integrations", key)
        if row is None or not row["scheduleDefinedFlag"]:
            raise Refused(404, "No schedule.")
        out = {
            "id": key,
            "name": f"schedule of {row['code']}",
            "frequency": "FREQ=DAILY;BYHOUR=3",
            "scheduleTZ": "UTC",
            "state": self.contents.schedules.get(key, self.switches.schedule_state),
            "startDate": row["created"],
        }
        return shape(out, self.switches, is_kebab=self.switches.keys == "kebab")

    def agents(self, key: str) -> Any:
        rows = [
            {
                "id": f"{key}-A",
                "name": f"agent of {key}",
                "lastUpdated": self.contents.start,
            }
        ]
        return listing(rows, {"hasMore": False}, self.switches)

    # -- monitoring --------------------------------------------------------------
    def window(self, wanted: dict[str, str]) -> tuple[dt.datetime, dt.datetime]:
        """The documented default is the last hour."""
        now = self.contents.clock.now()
        oldest = now - dt.timedelta(days=self.switches.retention_days)
        if "startdate" in wanted or "enddate" in wanted:
            start = instant(wanted["startdate"]) if "startdate" in wanted else oldest
            end = instant(wanted["enddate"]) if "enddate" in wanted else now
            if start < oldest:
                if self.switches.before_retention == "400":
                    raise Refused(400, "startdate is before the retention period.")
                start = oldest
            return start, end
        name = wanted.get("timewindow", "1h")
        if name == "RETENTIONPERIOD":
            return oldest, now
        if name not in WINDOWS:
            raise Refused(400, f"Invalid timewindow {name}")
        return now - WINDOWS[name], now

    def monitoring(self, rows: list[Row], query: dict[str, str], by: str) -> Any:
        self.lists += 1
        self.monitored += 1
        if self.monitored == self.switches.instances_move:
            moved = sorted(rows, key=lambda r: r[by], reverse=True)[len(rows) // 2]
            moved[by] = self.contents.clock.now()
        wanted = parse_q(query.get("q"), INSTANCE_KEYS | {"recoverable"})
        start, end = self.window(wanted)
        found = [
            row
            for row in sorted(rows, key=lambda r: r[by], reverse=True)
            if start <= row[by].replace(microsecond=0) <= end
            and all(
                fits(row, k, v)
                for k, v in wanted.items()
                if k not in {"timewindow", "startdate", "enddate", "includePurged"}
            )
        ]
        wall = self.switches.monitoring_offset_wall
        offset = number(query, "offset", 0, 0)
        if offset > wall:
            if self.switches.beyond_wall == "400":
                raise Refused(400, f"offset must not exceed {wall}.")
            if self.switches.beyond_wall == "empty":
                return listing(
                    [],
                    {"hasMore": False, "totalRecordsCount": len(found)},
                    self.switches,
                )
            query = query | {"offset": str(wall)}
        if query.get("groupBy"):
            counts: dict[str, int] = {}
            for row in found:
                name = row.get("integrationId") or row["integration"]["code"]
                counts[name] = counts.get(name, 0) + 1
            found = [{"name": n, "noOfMessages": c} for n, c in counts.items()]
        part, offset, limit = self.page(found, query)
        if query.get("fields") in {"id", "runId"}:
            part = [{query["fields"]: row[query["fields"]]} for row in part]
        more = {
            "hasMore": offset + len(part) < len(found),
            "totalRecordsCount": len(found),
            "totalResults": len(part),
            "limit": limit,
            "offset": offset,
            "timeWindow": wanted.get("timewindow", "1h"),
            "dataFetchTime": self.contents.clock.now(),
        }
        if self.switches.monitoring_totals == "page":
            del more["totalRecordsCount"]
        return listing(part, more, self.switches)

    def history(self, query: dict[str, str]) -> Any:
        """Counters by time; the fields are inferred from the summary's."""
        if query.get("frequency") not in {"HOURLY", "DAILY"}:
            raise Refused(400, "frequency is required.")
        rows = [
            {"date": self.contents.when(60 * n), "noOfMsgsReceived": n, "noOfErrors": 0}
            for n in range(24)
        ]
        return listing(rows, {"hasMore": False}, self.switches)

    def monitoring_integrations(self, query: dict[str, str]) -> Any:
        rows = [
            {
                "code": row["code"],
                "version": row["version"],
                "id": row["id"],
                "name": row["name"],
                "status": row["status"],
                "lastUpdated": row["lastUpdated"],
                "noOfMsgsReceived": 10,
                "noOfSuccess": 9,
                "noOfErrors": 1,
                "successRate": 90.0,
            }
            for row in self.contents.rows["integrations"]
        ]
        part, offset, limit = self.page(rows, query)
        more = {
            "hasMore": offset + len(part) < len(rows),
            "limit": limit,
            "offset": offset,
        }
        return listing(part, more, self.switches)

    def activity(self, key: str, path: str) -> Any:
        paths = self.switches.activity_paths
        if not paths:
            paths = "old" if self.contents.profile == "gen2" else "both"
        if paths not in {"both", {"activityStream": "old"}.get(path, "details")}:
            raise Refused(404, "Not found.")
        row = next((r for r in self.contents.instances if r["id"] == key), None)
        if row is None:
            raise Refused(404, "No such instance.")
        leaf: Row = {"identifier": "n30", "message": "leaf", "children": []}
        for depth in range(29, 0, -1):
            leaf = {
                "identifier": f"n{depth}",
                "message": f"step {depth}",
                "milestone": "start",
                "modifiedTimestamp": row["lastTrackedTime"],
                "isErrorMilestone": False,
                "children": [leaf],
            }
        return listing([leaf], {"hasMore": False}, self.switches)


def instant(text: str) -> dt.datetime:
    """Only `YYYY-MM-DD HH:MM:SS`, in UTC."""
    try:
        return dt.datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=dt.UTC)
    except ValueError:
        raise Refused(400, f"Invalid date {text!r}") from None


def fits(row: Row, key: str, wanted: str) -> bool:
    if key == "code" and "integrationId" in row:
        return bool(row["integrationId"].split("|")[0] == wanted)
    if key == "code" and "integration" in row:
        return bool(row["integration"]["code"] == wanted)
    name = {"version": "integrationVersion"}.get(key, key)
    have = str(row.get(name, row.get(key, "")))
    if wanted.startswith("/"):
        return wanted[1:].lower() in have.lower()
    return have.lower() == wanted.lower()

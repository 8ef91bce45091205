"""Streams: lists of the design side, their children, and monitoring by windows."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from flext_singer import FlextStream

from flext_oracle_oic import windows
from flext_oracle_oic.catalogue import SPECS
from flext_oracle_oic.errors import NotFoundError, OicError, TransientError
from flext_oracle_oic.keys import instant, text
from flext_oracle_oic.paging import Page
from flext_oracle_oic.records import BadRowError, record, schema
from flext_oracle_oic.windows import WindowReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.helpers.types import Context

    from flext_oracle_oic.catalogue import StreamSpec
    from flext_oracle_oic.client import Client
    from flext_oracle_oic.tap import TapOracleOic

DEFAULT_PAGE_SIZE = 100
OLD_ACTIVITY = "activityStream"
DEFAULT_LOOKBACK_SECONDS = 300
DEFAULT_RETENTION_DAYS = 32
#: How far inside the retention period a read begins, so that no clock puts it before.
_MARGIN = dt.timedelta(minutes=5)


class OicStream(FlextStream):
    """What every stream does with rows.

    Args:
        tap: The tap.
        spec: What the stream is.
    """

    def __init__(self, tap: TapOracleOic, spec: StreamSpec) -> None:
        self.spec = spec
        super().__init__(tap, schema=schema(spec.fields, spec.keys), name=spec.name)
        self.primary_keys = list(spec.keys)

    @property
    def oic(self) -> TapOracleOic:
        """The tap, with its connection."""
        return self._tap  # type: ignore[return-value]

    @property
    def client(self) -> Client:
        """The tap's connection."""
        return self.oic.client

    @property
    def page_size(self) -> int:
        """Rows that a request asks for."""
        return int(self.config.get("page_size") or DEFAULT_PAGE_SIZE)

    def get_records(self, context: Context | None) -> Iterator[dict[str, Any]]:
        """Each kind of stream has its own way."""
        raise NotImplementedError

    def records_of(self, rows: Iterator[Any] | list[Any]) -> Iterator[dict[str, Any]]:
        """Yields the records of rows; a row that makes none is rejected."""
        for row in rows:
            try:
                yield record(row, self.spec.fields, self.spec.keys)
            except BadRowError as error:
                self.reject(self.place(row), str(error), row)

    def place(self, row: Any) -> str:  # noqa: ANN401 - JSON of any shape
        """Which row, for messages."""
        if not isinstance(row, dict):
            return f"a row of {self.name}"
        shown = [f"{key}={row[key]}" for key in self.spec.keys if row.get(key)]
        return ", ".join(shown) or f"a row of {self.name}"


class DesignStream(OicStream):
    """A list of the design side, read whole; with details where they are asked for."""

    def get_records(self, context: Context | None) -> Iterator[dict[str, Any]]:  # noqa: ARG002 - no partitions
        """Yields each row; a later sight of a changed row comes as well."""
        rows = self.oic.listed(self.spec)
        wanted = self.config.get("details")
        if self.spec.details and (wanted is None or wanted):
            rows = self.detailed(rows)
        try:
            yield from self.records_of(rows)
        except NotFoundError:
            # Only Integration 3 asks for the instance's name, and answers to a wrong
            # one with 404.
            if self.spec.is_gen_2 or self.config.get("integration_instance"):
                raise
            self.logger.warning(
                "%s: this instance is of Gen 2, which has none (404, and no"
                " integration_instance is set)",
                self.name,
            )

    def detailed(self, rows: Iterator[Any]) -> Iterator[Any]:
        """Yields rows with what their own pages add."""
        for row in rows:
            key = row.get(self.spec.keys[0]) if isinstance(row, dict) else None
            if not key:
                yield row  # the record is refused where its key is looked for
                continue
            try:
                page = self.client.get(*self.spec.path, text(key))
            except NotFoundError:
                self.logger.warning(
                    "%s %s was deleted while the list was read", self.name, key
                )
                continue
            except TransientError as error:
                self.reject(f"{self.spec.keys[0]}={key}", error.what, row)
                continue
            yield {**row, **page} if isinstance(page, dict) else row


class SnapshotStream(OicStream):
    """Counters of the monitoring side, as they are now."""

    def get_records(self, context: Context | None) -> Iterator[dict[str, Any]]:  # noqa: ARG002 - no partitions
        """Yields each row of the list."""
        if self.name != "history":
            yield from self.records_of(self.oic.listed(self.spec))
            return
        frequency = str(self.config.get("history_frequency") or "HOURLY")
        answer = self.client.get(*self.spec.path, frequency=frequency)
        rows = Page(answer, f"GET {'/'.join(self.spec.path)}").rows
        yield from self.records_of(
            [
                {**row, "frequency": frequency, "position": position}
                if isinstance(row, dict)
                else row
                for position, row in enumerate(rows)
            ]
        )


class ChildStream(OicStream):
    """Pages that each row of a parent list has."""

    def get_records(self, context: Context | None) -> Iterator[dict[str, Any]]:  # noqa: ARG002 - no partitions
        """Yields the rows of every parent."""
        for parent in self.parents():
            path = [part.replace("{}", parent) for part in self.spec.path]
            try:
                answer = self.client.get(*path)
            except NotFoundError:
                continue  # it has none, or was deleted meanwhile
            except TransientError as error:
                self.reject(f"{self.spec.parent} {parent}", error.what, None)
                continue
            yield from self.records_of(self.rows(parent, answer))

    def parents(self) -> Iterator[str]:
        """Yields the ids of parents that have such a page."""
        spec = SPECS[str(self.spec.parent)]
        seen: set[str] = set()
        for row in self.oic.listed(spec):
            if not isinstance(row, dict) or row.get(spec.keys[0]) is None:
                continue
            key = text(row[spec.keys[0]])
            if key in seen or not self.has_page(row):
                continue
            seen.add(key)
            yield key

    def has_page(self, row: dict[str, Any]) -> bool:
        """Whether it is worth asking: unscheduled integrations have no schedule."""
        if self.name != "integration_schedules":
            return True
        return str(row.get("scheduleDefinedFlag", True)).lower() != "false"

    def rows(self, parent: str, answer: Any) -> list[Any]:  # noqa: ANN401 - JSON
        """The rows of one parent's page."""
        if self.name == "lookup_rows":
            return lookup_rows(parent, answer)
        if self.name == "integration_schedules":
            return [{"id": parent, **answer}] if isinstance(answer, dict) else [answer]
        page = Page(answer, f"GET {'/'.join(self.spec.path)}")
        return [
            {**row, "agentGroupId": parent} if isinstance(row, dict) else row
            for row in page.rows
        ]


def lookup_rows(name: str, answer: Any) -> list[Any]:  # noqa: ANN401 - JSON
    """A lookup's rows: column to value, numbered from 0."""
    if not isinstance(answer, dict):
        return [answer]
    columns = [str(column) for column in answer.get("columns") or []]
    out: list[Any] = []
    for number, row in enumerate(answer.get("rows") or []):
        data = row.get("rowData") if isinstance(row, dict) else row
        values = data if isinstance(data, list) else []
        out.append(
            {
                "lookupName": name,
                "rowNumber": number,
                "values": dict(zip(columns, values, strict=False)),
            }
        )
    return out


class WindowedStream(OicStream):
    """A monitoring list, from the bookmark on, in windows of time."""

    is_sorted = True

    def __init__(self, tap: TapOracleOic, spec: StreamSpec) -> None:
        super().__init__(tap, spec)
        self.replication_key = spec.time

    @property
    def check_sorted(self) -> bool:
        """Whether the SDK should insist on order: the look-back begins earlier."""
        return False

    def get_records(self, context: Context | None) -> Iterator[dict[str, Any]]:
        """Yields records in the order of their time; repeats within the look-back."""
        now = self.now()
        for rows in self.windows(self.start(context, now), now):
            yield from rows

    def now(self) -> dt.datetime:
        """The end of what is read: the later of two clocks, the service's and ours."""
        return max(dt.datetime.now(dt.UTC), self.client.now())

    def windows(
        self, start: dt.datetime, end: dt.datetime
    ) -> Iterator[list[dict[str, Any]]]:
        """Yields the records of each window, sorted."""
        time = str(self.spec.time)
        reader = WindowReader(
            self.ask,
            f"GET {'/'.join(self.spec.path)}",
            int(self.config.get("max_window_rows") or windows.MOST_ROWS),
            self.spec.statuses,
            self.oic.integration_codes,
        )
        before: set[tuple[Any, ...]] = set()
        for rows in reader.read(start, end):
            found: dict[tuple[Any, ...], dict[str, Any]] = {}
            for one in self.records_of(rows):
                if one[time] is None:
                    self.reject(self.place(one), f"it has no {time}", None)
                    continue
                identity = (*(one[key] for key in self.spec.keys), one[time])
                if identity not in before:
                    found[identity] = one
            before = set(found)
            yield sorted(found.values(), key=lambda one: one[time])

    def ask(self, query: str, offset: int) -> Any:  # noqa: ANN401 - JSON
        """One page of the list."""
        return self.client.get(
            *self.spec.path, q=query, limit=str(self.page_size), offset=str(offset)
        )

    def start(self, context: Context | None, now: dt.datetime) -> dt.datetime:
        """Where this run begins: the bookmark, start_date, or all there is."""
        days = float(self.config.get("retention_days") or DEFAULT_RETENTION_DAYS)
        oldest = now - dt.timedelta(days=days) + _MARGIN
        wished: dt.datetime | None = None
        bookmark = None
        if self.replication_method == "INCREMENTAL":
            bookmark = self.get_context_state(context).get("replication_key_value")
        if bookmark:
            seconds = self.config.get("lookback_seconds")
            back = DEFAULT_LOOKBACK_SECONDS if seconds is None else float(seconds)
            wished = instant(bookmark) - dt.timedelta(seconds=back)
        elif self.config.get("start_date"):
            wished = instant(self.config["start_date"])
        if wished is None:
            return oldest
        if wished < oldest:
            level = self.logger.warning if bookmark else self.logger.info
            level(
                "%s: %s is older than what the service keeps (%g days); what happened"
                " between that and %s is not there any more",
                self.name,
                f"{wished:%Y-%m-%d %H:%M}",
                days,
                f"{oldest:%Y-%m-%d %H:%M}",
            )
            return oldest
        return min(wished, now)


class ActivityStream(WindowedStream):
    """Every step of the instances that changed, flattened; a request per instance.

    The bookmark is the instance's time, and this stream's own: that of the stream
    monitoring_instances may be ahead of it.
    """

    def __init__(self, tap: TapOracleOic, spec: StreamSpec) -> None:
        super().__init__(tap, spec)
        self.instances = WindowedStream(tap, SPECS[str(spec.parent)])
        self.paths = [spec.path, (*spec.path[:-1], OLD_ACTIVITY)]
        self.answered = self.silent = 0

    def get_records(self, context: Context | None) -> Iterator[dict[str, Any]]:
        """Yields the steps of each instance in reach, parents before children."""
        now = self.now()
        for instances in self.instances.windows(self.start(context, now), now):
            for instance in instances:
                yield from self.records_of(self.activity(instance))
        if self.silent and not self.answered:
            raise OicError(
                f"none of {self.silent} instances has an activity stream: neither path"
                " is there",
                where=f"GET {'/'.join(self.spec.path)}",
                fix="leave activity_stream out, or ask Oracle which path the instance"
                " has",
            )

    def activity(self, instance: dict[str, Any]) -> Iterator[Any]:
        """Yields the steps of one instance."""
        key = instance["id"]
        try:
            answer = self.asked(key)
        except NotFoundError:
            return  # purged, or never traced
        except TransientError as error:
            self.reject(f"instanceId={key}", error.what, None)
            return
        page = Page(answer, f"GET {'/'.join(self.paths[0])}")
        time = instance[str(self.instances.spec.time)]
        for step in steps(key, page.rows):
            if isinstance(step, dict):
                step[str(self.spec.time)] = time
            yield step

    def asked(self, key: str) -> Any:  # noqa: ANN401 - JSON
        """The activity of an instance, from the path that this service has.

        Gen 2 has the old one, which Integration 3 deprecates.

        Raises:
            NotFoundError: Neither has it.
        """
        for path in list(self.paths):
            parts = [part.replace("{}", key) for part in path]
            try:
                answer = self.client.get(*parts, timezone="UTC")
            except NotFoundError:
                continue
            if not self.answered:
                self.paths = [path]  # it is there: the other one need not be asked
            self.answered += 1
            return answer
        self.client.get("monitoring", "instances", key)  # a 404 once it was purged
        self.silent += 1
        raise NotFoundError(f"instance {key} has no activity stream")


def steps(instance: str, rows: list[Any]) -> Iterator[Any]:
    """Yields the nodes of an activity tree; `position` counts as outlines do: 0.2.1."""
    waiting: list[tuple[str, int, Any]] = [
        (str(number), 0, row) for number, row in enumerate(rows)
    ]
    waiting.reverse()
    while waiting:
        position, depth, row = waiting.pop()
        if not isinstance(row, dict):
            yield row
            continue
        children = row.get("children") or []
        own = {name: value for name, value in row.items() if name != "children"}
        parent = position.rpartition(".")[0] or None
        yield {
            **own,
            "instanceId": instance,
            "position": position,
            "parentPosition": parent,
            "depth": depth,
        }
        waiting += [
            (f"{position}.{number}", depth + 1, child)
            for number, child in reversed(list(enumerate(children)))
        ]


def make_stream(tap: TapOracleOic, spec: StreamSpec) -> OicStream:
    """The stream of a specification."""
    if spec.name == "activity_stream":
        return ActivityStream(tap, spec)
    kinds = {
        "design": DesignStream,
        "child": ChildStream,
        "windowed": WindowedStream,
        "snapshot": SnapshotStream,
    }
    return kinds[spec.kind](tap, spec)

"""Streams: one per entity, read in windows of change or as a whole.

A window is `mod_ts >= bookmark - lookback` and `mod_ts < now`. Its rows are read in
the order of ids, so what changes meanwhile leaves the window and comes with the
next. The bookmark is the latest mod_ts seen, in the server's time: a row that
commits late is still read while it is younger than the look-back. Repeats inside
the look-back are wanted, losses are not.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from flext_singer import FlextStream

from flext_oracle_wms.instants import format_instant, parse_instant
from flext_oracle_wms.listing import read_pages
from flext_oracle_wms.records import BadValueError, flattener
from flext_oracle_wms.settings import names_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from singer_sdk.helpers.types import Context

    from flext_oracle_wms.client import Client
    from flext_oracle_wms.entities import Entity
    from flext_oracle_wms.tap import TapOracleWms

DEFAULT_PAGE_SIZE_ROWS = 1000
DEFAULT_LOOKBACK_SECONDS = 300.0


class EntityStream(FlextStream):
    """All rows of one entity that the user may see."""

    is_sorted = False  # ids ascend, mod_ts does not

    def __init__(self, tap: TapOracleWms, entity: Entity) -> None:
        """Takes the entity as discovery found it."""
        self.entity = entity
        super().__init__(tap, schema=entity.schema(), name=entity.name)
        self.primary_keys = ["id"]
        if entity.has_mod_ts:
            self.replication_key = "mod_ts"

    @property
    def client(self) -> Client:
        """The tap's connection."""
        return self._tap.client  # type: ignore[attr-defined, no-any-return]

    def get_records(self, context: Context | None) -> Iterator[dict[str, Any]]:
        """Yields the rows of this run's window as flat records."""
        flatten = flattener(self.entity)
        known = self.entity.kinds.keys() | {"url"}
        unknown: set[str] = set()
        count = 0
        pages = read_pages(
            self.client,
            self.entity.name,
            self.filters(context),
            page_size=int(self.config.get("page_size") or DEFAULT_PAGE_SIZE_ROWS),
            page_mode=self.config.get("page_mode", "sequenced"),
        )
        for rows in pages:
            for row in rows:
                count += 1
                unknown |= row.keys() - known
                try:
                    yield flatten(row)
                except BadValueError as error:
                    self.reject(f"{self.name} id={row.get('id')}", str(error), row)
        if unknown:
            self.logger.warning(
                "%s: rows hold fields that discovery did not see and that are left out:"
                " %s; rediscover to get them",
                self.name,
                ", ".join(sorted(unknown)),
            )
        if not count and self._stream_version is not None:
            # No rows can also mean that the user lost a permission (both are a 404):
            # what was read before must not be thrown away for it.
            self.logger.warning(
                "%s: no rows; what earlier runs read is kept as it is", self.name
            )
            self._stream_version = None

    def filters(self, context: Context | None) -> dict[str, str]:
        """The list's query: the window, the codes and the configured filters."""
        query = {
            str(name): text_of(value)
            for name, value in (self.config.get("global_filters") or {}).items()
        }
        for code, field in (
            ("company_code", "company_id"),
            ("facility_code", "facility_id"),
        ):
            value = self.config.get(code)
            if value and value != "*" and self.entity.kinds.get(field) == "relation":
                query[f"{field}__code"] = str(value)
        own = (self.config.get("entity_filters") or {}).get(self.name) or {}
        query |= {str(name): text_of(value) for name, value in own.items()}
        query |= self.window(context)
        query |= self.projection()
        return query

    def window(self, context: Context | None) -> dict[str, str]:
        """Lower and upper bound of mod_ts; nothing when the whole table is read."""
        if self.replication_method != "INCREMENTAL" or not self.replication_key:
            return {}
        upper = dt.datetime.now(dt.UTC)
        query = {"mod_ts__lt": format_instant(upper)}
        bookmark = self.get_context_state(context).get("replication_key_value")
        if bookmark:
            seconds = self.config.get("lookback_seconds", DEFAULT_LOOKBACK_SECONDS)
            lower = parse_instant(bookmark) - dt.timedelta(seconds=float(seconds))
        elif start := self.config.get("start_date"):
            lower = parse_start(start)
        else:
            return query
        query["mod_ts__gte"] = format_instant(min(lower, upper))
        return query

    def projection(self) -> dict[str, str]:
        """The `fields` of a configured selection, with the ones a stream needs."""
        chosen = self.config.get("field_selection") or {}
        names = names_of(chosen.get(self.name) if isinstance(chosen, dict) else chosen)
        if not names:
            return {}
        needed = ["id"] + (["mod_ts"] if self.entity.has_mod_ts else [])
        return {"fields": ",".join(dict.fromkeys([*needed, *names]))}


def parse_start(text: str) -> dt.datetime:
    """start_date: an instant, or a date, which is midnight UTC."""
    if len(text) == len("YYYY-MM-DD"):
        text += "T00:00:00+00:00"
    value = dt.datetime.fromisoformat(text)
    # A start date is ours, not the service's: without an offset it is UTC.
    return value if value.tzinfo else value.replace(tzinfo=dt.UTC)


def text_of(value: object) -> str:
    """A filter's value as the query string takes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(map(str, value))
    return str(value)

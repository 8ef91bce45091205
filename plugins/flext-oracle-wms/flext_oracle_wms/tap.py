"""The command `flext-tap-oracle-wms`."""

from __future__ import annotations

import difflib
import fnmatch
import functools
import zoneinfo
from typing import TYPE_CHECKING, Any

from flext_singer import FlextTap, entry_point
from flext_singer.errors import FlextError
from singer_sdk import typing as th

from flext_oracle_wms.client import Client
from flext_oracle_wms.entities import Entity, discover, list_entities
from flext_oracle_wms.queries import (
    DEFAULT_LOOKBACK_SECONDS,
    own_filters,
    parse_start,
    selection_problems,
)
from flext_oracle_wms.settings import (
    ALIASES,
    CONNECTION,
    canonical,
    names_of,
    problems,
)
from flext_oracle_wms.streams import DEFAULT_PAGE_SIZE_ROWS, EntityStream

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from singer_sdk import Stream

TAP_ALIASES = {
    **ALIASES,
    "include_entities": "entities",
    "excluded_entities": "exclude_entities",
    "lookback": "lookback_seconds",
    "pagination_mode": "page_mode",
}
LISTS = ("entities", "exclude_entities")
LIST = th.CustomType({"type": ["array", "string"], "items": {"type": "string"}})
MAX_PAGE_SIZE_ROWS = 1250


class TapOracleWms(FlextTap):
    """Reads the entities of one environment of Oracle WMS Cloud."""

    name = "flext-tap-oracle-wms"
    package_name = "flext-oracle-wms"
    dynamic_catalog = True
    config_jsonschema = th.PropertiesList(
        *CONNECTION,
        th.Property(
            "entities",
            LIST,
            title="Entities",
            description="Entities to read, * and ? as wildcards; default all.",
        ),
        th.Property(
            "exclude_entities",
            LIST,
            title="Left out entities",
            description="Entities to leave out, written the same way.",
        ),
        th.Property(
            "entity_filters",
            th.ObjectType(additional_properties=th.CustomType({})),
            title="Filters by entity",
            description=(
                "Query filters by entity: {entity: {field__lookup: value}}; a list of"
                " such filters is read one after the other."
            ),
        ),
        th.Property(
            "global_filters",
            th.ObjectType(additional_properties=th.CustomType({})),
            title="Filters",
            description="Query filters of every entity.",
        ),
        th.Property(
            "field_selection",
            th.CustomType({"type": ["object", "array", "string"]}),
            title="Fields",
            description=(
                "Fields to read: {entity: [field, ...]}, default all; other entities'"
                " fields as company_id__code or company_id__code:alias."
            ),
        ),
        th.Property(
            "page_mode",
            th.StringType,
            default="sequenced",
            allowed_values=["sequenced", "paged"],
            title="Page mode",
            description="sequenced is a cursor; paged counts first and is slower.",
        ),
        th.Property(
            "page_size",
            th.IntegerType(minimum=1, maximum=MAX_PAGE_SIZE_ROWS),
            default=DEFAULT_PAGE_SIZE_ROWS,
            title="Page size",
            description="Rows per request, at most 1,250.",
        ),
        th.Property(
            "start_date",
            th.StringType,
            title="Start date",
            description="Earliest change that the first run reads; default all.",
        ),
        th.Property(
            "lookback_seconds",
            th.NumberType(minimum=0),
            default=DEFAULT_LOOKBACK_SECONDS,
            title="Look-back (seconds)",
            description="How far before the bookmark a run begins, for late commits.",
        ),
        th.Property(
            "time_zone",
            th.StringType,
            title="Time zone",
            description="Zone of instants that come without an offset; else an error.",
        ),
    ).to_dict()

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        self._config = canonical(self._config, TAP_ALIASES, LISTS)
        return super()._validate_config(raise_errors=raise_errors)

    def check_settings(self) -> list[str]:
        """Sentences about settings that do not go together."""
        found = problems(self.config) + selection_problems(self.config)
        if zone := self.config.get("time_zone"):
            try:
                zoneinfo.ZoneInfo(zone)
            except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
                found.append(
                    f"time_zone {zone!r} is no zone: write Europe/Berlin or UTC"
                )
        if start := self.config.get("start_date"):
            try:
                parse_start(start)
            except ValueError:
                found.append(
                    f"start_date {start!r} is no date: write 2024-01-31 or"
                    " 2024-01-31T08:00:00Z"
                )
        return found

    @functools.cached_property
    def client(self) -> Client:
        """The connection; made when it is first needed."""
        return Client(self.config, user_agent=f"{self.name}/{self.plugin_version}")

    def discover_streams(self) -> Sequence[Stream]:
        """One stream per entity that is wanted and readable."""
        found = self.cached_discovery(self.look_up)
        self.refuse_left_out(found["left_out"], found["entities"])
        return [
            EntityStream(self, Entity(name, kinds))
            for name, kinds in found["entities"].items()
        ]

    def look_up(self) -> dict[str, Any]:
        """Asks the service.

        Returns:
            {"entities": {name: {field: kind}}, "left_out": {name: why}}
        """
        every = list_entities(self.client)
        patterns = self.named_in("entities")
        for setting in ("entities", "entity_filters", "field_selection"):
            self.refuse_unknown(setting, every)
        excluded = names_of(self.config.get("exclude_entities"))
        selected = self.wanted_streams()
        wanted = [
            name
            for name in every
            if (not patterns or matches(name, patterns))
            and not matches(name, excluded)
            and selected.matches(name)
        ]
        entities, reasons = discover(
            self.client, wanted, lambda name: own_filters(name, self.config)[0]
        )
        return {
            "entities": {entity.name: dict(entity.kinds) for entity in entities},
            "left_out": reasons,
        }

    def refuse_left_out(
        self, reasons: Mapping[str, str], found: Collection[str]
    ) -> None:
        """What was asked for by its name is an error when it cannot be read.

        An entity is asked for by `entities`, `entity_filters`, or a catalog that
        selects it: a permission that was lost since must not look
        like a run with nothing to read.
        """
        patterns = self.named_in("entities")
        excluded = names_of(self.config.get("exclude_entities"))
        by_catalog = [
            name
            for name, entry in (self.input_catalog or {}).items()
            if entry.metadata.root.selected
            and self.wanted_streams().matches(name)
            and not matches(name, excluded)
            and (not patterns or matches(name, patterns))
        ]
        for name in [*patterns, *self.named_in("entity_filters"), *by_catalog]:
            why = reasons.get(name)
            if why is None and name in by_catalog and name not in found:
                why = "the service does not list it to this user"
            if why is not None:
                raise FlextError(
                    f"the entity {name!r} cannot be read: {why}",
                    where=f"entities of {self.name}",
                    fix="give the user the permission, set entity_filters where it is"
                    " only listed with filters, or take it out of `entities` and of"
                    " the selection",
                )

    def named_in(self, setting: str) -> list[str]:
        """Entities, or patterns of them, that a setting names."""
        value = self.config.get(setting)
        if isinstance(value, dict):
            return list(value)
        return names_of(value) if setting == "entities" else []

    def refuse_unknown(self, setting: str, every: list[str]) -> None:
        """An entity that does not exist is an error, not an empty stream."""
        for pattern in self.named_in(setting):
            if fnmatch.filter(every, pattern):
                continue
            near = difflib.get_close_matches(pattern, every, 1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise FlextError(
                f"the service has no entity {pattern!r}",
                where=f"{setting} of {self.name}",
                fix=f"{hint}It names {len(every)} entities to this user",
            )


def matches(name: str, patterns: list[str]) -> bool:
    """Whether a name fits one of the patterns."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


main = entry_point(TapOracleWms)

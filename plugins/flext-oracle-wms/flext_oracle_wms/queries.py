"""What a stream asks the service for: filters, windows of change, chosen fields."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any

from flext_oracle_wms.entities import Entity
from flext_oracle_wms.instants import format_instant, parse_instant
from flext_oracle_wms.settings import names_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    Config = Mapping[str, Any]

DEFAULT_LOOKBACK_SECONDS = 300.0


@dataclasses.dataclass(frozen=True)
class Selection:
    """The chosen fields of one entity.

    Attributes:
        entity: The entity with only the chosen fields, and those a stream needs.
        query: `fields` or `values_list`; empty when everything is read.
        has_joins: Whether other entities' fields are read with it (`values_list`).
    """

    entity: Entity
    query: Mapping[str, str]
    has_joins: bool = False


def select(entity: Entity, config: Config) -> Selection:
    """Limits an entity to its `field_selection`.

    Names with `__` (`company_id__code`) or an alias (`company_id__code:company`) are
    joins, read with values_list (WMS REST API Guide 25B, "Values List"). There a
    relation is a bare id, and a joined column is text: its type is not described.
    """
    chosen = config.get("field_selection") or {}
    names = names_of(chosen.get(entity.name) if isinstance(chosen, dict) else chosen)
    if not names:
        return Selection(entity, {})
    needed = ["id"] + (["mod_ts"] if entity.has_mod_ts else [])
    names = list(dict.fromkeys([*needed, *names]))
    if not any("__" in name or ":" in name for name in names):
        kinds = {name: entity.kinds.get(name, "text") for name in names}
        return Selection(Entity(entity.name, kinds), {"fields": ",".join(names)})
    kinds = {}
    for name in names:
        source, _, alias = name.partition(":")
        kind = entity.kinds.get(source, "text")
        kinds[alias or source] = "integer" if kind == "relation" else kind
    return Selection(
        Entity(entity.name, kinds), {"values_list": ",".join(names)}, has_joins=True
    )


def selection_problems(config: Config) -> list[str]:
    """Sentences about a `field_selection` that the service would refuse."""
    chosen = config.get("field_selection") or {}
    groups = chosen.items() if isinstance(chosen, dict) else [("every entity", chosen)]
    found = []
    for entity, value in groups:
        names = names_of(value)
        if not any("__" in name or ":" in name for name in names):
            continue
        columns = [name.partition(":")[2] or name for name in names]
        if len(set(columns)) != len(columns):
            found.append(f"field_selection of {entity}: two columns have one name")
        found += [
            f"field_selection of {entity}: {name} is a set, which cannot be joined"
            for name in names
            if name.partition(":")[0].endswith("_set")
        ]
    return found


def filters(entity: Entity, config: Config) -> list[dict[str, str]]:
    """The configured filters of an entity: one query for each list to read.

    Most entities are one list. `entity_filters` may hold several filter objects for
    one entity, such as inventory_history, which is only listed by activity.
    """
    common = {
        str(name): text_of(value)
        for name, value in (config.get("global_filters") or {}).items()
    }
    for code, field in (
        ("company_code", "company_id"),
        ("facility_code", "facility_id"),
    ):
        value = config.get(code)
        if value and value != "*" and field in entity.kinds:
            common[f"{field}__code"] = str(value)
    return [common | own for own in own_filters(entity.name, config)]


def own_filters(name: str, config: Config) -> list[dict[str, str]]:
    """The entity's part of `entity_filters`; at least one, which may be empty."""
    own = (config.get("entity_filters") or {}).get(name) or {}
    groups = own if isinstance(own, list) else [own]
    return [
        {str(field): text_of(value) for field, value in group.items()}
        for group in groups
    ] or [{}]


def window(config: Config, bookmark: str | None, now: dt.datetime) -> dict[str, str]:
    """The bounds of mod_ts that a run reads; nothing when it reads all there is.

    Lower bound: the bookmark less the look-back, for rows that commit late. Upper
    bound: the service's time now and one look-back, so that a run ends, and a clock
    that is minutes off hides nothing. The bookmark never passes the run's beginning,
    see `EntityStream.get_replication_key_signpost`.

    Args:
        config: start_date, lookback_seconds.
        bookmark: The last one, in ISO 8601 with an offset.
        now: The later of the service's clock and ours.
    """
    seconds = config.get("lookback_seconds")
    lookback = dt.timedelta(
        seconds=DEFAULT_LOOKBACK_SECONDS if seconds is None else float(seconds)
    )
    if bookmark:
        lower = parse_instant(bookmark) - lookback
    elif start := config.get("start_date"):
        lower = parse_start(start)
    else:
        return {}  # a row without mod_ts would fit no window
    upper = now + max(lookback, dt.timedelta(seconds=DEFAULT_LOOKBACK_SECONDS))
    return {
        "mod_ts__gte": format_instant(min(lower, upper)),
        "mod_ts__lt": format_instant(upper),
    }


def parse_start(text: str) -> dt.datetime:
    """start_date: an instant, or a date, which is midnight UTC."""
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

"""Discovery: which entities there are, and their columns as JSON Schema.

Nothing is hard-coded: `GET /entity/` names the entities, `describe` their fields;
where there is no `describe` a few rows are looked at. What neither settles becomes
text, and says so (WMS REST API Guide 25B, "Entity module").
"""

from __future__ import annotations

import dataclasses
import logging
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from flext_oracle_wms.errors import (
    NotFoundError,
    PermissionDeniedError,
    RequestRefusedError,
    WmsError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from flext_oracle_wms.client import Client

logger = logging.getLogger("flext-oracle-wms")

SAMPLE_ROWS = 20
ENTITY_NAME = re.compile(r"[A-Za-z0-9_.-]+")
NAMING = ("name", "entity", "field", "url", "href")
"""What names an item of a list, the best first."""
AUDIT_INSTANTS = frozenset({"create_ts", "mod_ts"})
TEXT_KINDS = frozenset(
    {"string", "char", "varchar", "text", "email", "url", "slug", "choice", "uuid"}
)
KINDS = {
    "integer": "integer",
    "int": "integer",
    "bigint": "integer",
    "autofield": "integer",
    "decimal": "decimal",
    "number": "decimal",
    "float": "decimal",
    "numeric": "decimal",
    "boolean": "boolean",
    "bool": "boolean",
    "datetime": "datetime",
    "timestamp": "datetime",
    "date": "date",
    "time": "time",
    "field": "relation",
    "relation": "relation",
    "foreignkey": "relation",
    "related": "relation",
    "nested object": "set",
    "list": "set",
    **dict.fromkeys(TEXT_KINDS, "text"),
}
KINDS_OF_VALUES = {
    bool: "boolean",
    int: "integer",
    Decimal: "decimal",
    str: "text",
}
SCHEMAS: dict[str, dict[str, Any]] = {
    "integer": {"type": ["integer", "null"]},
    # Its digits are told nowhere; that it is no float matters to targets.
    "decimal": {"type": ["number", "null"], "x-sql-datatype": "numeric"},
    "boolean": {"type": ["boolean", "null"]},
    "datetime": {"type": ["string", "null"], "format": "date-time"},
    "date": {"type": ["string", "null"], "format": "date"},
    "time": {"type": ["string", "null"]},
    "text": {"type": ["string", "null"]},
}


class NoPageError(WmsError):
    """A list that is answered with something else than rows."""


@dataclasses.dataclass(frozen=True)
class Entity:
    """One readable entity: its columns by kind.

    `kinds` maps the service's field names to integer, decimal, boolean, datetime,
    date, time, text, relation or set.
    """

    name: str
    kinds: Mapping[str, str]

    @property
    def has_mod_ts(self) -> bool:
        """Whether rows say when they changed, so that changes can be read alone."""
        return "mod_ts" in self.kinds

    def schema(self) -> dict[str, Any]:
        """The stream's JSON Schema, columns in the order of `kinds`."""
        properties: dict[str, Any] = {}
        for field, kind in self.kinds.items():
            properties |= columns_of(field, kind)
        properties["id"] = {"type": ["integer"]}
        return {"type": "object", "properties": properties}


def columns_of(field: str, kind: str) -> dict[str, dict[str, Any]]:
    """The columns that one field of the service becomes.

    A relation `facility_id` becomes `facility_id` and `facility_key`; a child set
    `order_dtl_set` becomes `order_dtl_set_count`, `_url` and, for the small sets
    that come whole, `_data` as JSON.
    """
    if kind == "relation":
        stem = field.removesuffix("_id")
        return {f"{stem}_id": SCHEMAS["integer"], f"{stem}_key": SCHEMAS["text"]}
    if kind == "set":
        return {
            f"{field}_count": SCHEMAS["integer"],
            f"{field}_url": SCHEMAS["text"],
            f"{field}_data": {"type": ["array", "null"], "items": {}},
        }
    return {field: SCHEMAS[kind]}


def list_entities(client: Client) -> list[str]:
    """Names of all entities, in whatever form the service lists them.

    Seen is an object of names and addresses; documented is "a list of entities and an
    accompanying base URL", so a list, and either inside an object, is one, too.

    Raises:
        WmsError: The answer names no entities.
    """
    names = names_in(client.get_json(client.entity_path()))
    if not names or not all(ENTITY_NAME.fullmatch(name) for name in names):
        raise WmsError(
            "the answer is no list of entities",
            where="GET /entity/",
            fix="check base_url: it ends in the environment's name",
        )
    return sorted(set(names))


def names_in(answer: object) -> list[str]:
    """The names that a list of entities holds; "" for an item that shows none."""
    if isinstance(answer, list):
        return [named(item) for item in answer]
    if not isinstance(answer, dict) or {"code", "message"} <= answer.keys():
        return []
    inner = [value for value in answer.values() if isinstance(value, list | dict)]
    return names_in(inner[0]) if inner else list(answer)


def named(item: object) -> str:
    """The name of one entity or field of a list; of an address, its last part."""
    if isinstance(item, dict):
        known = {str(key).lower(): value for key, value in item.items()}
        item = next((known[key] for key in NAMING if known.get(key)), None)
    if not isinstance(item, str):
        return ""
    return item.partition("?")[0].rstrip("/").rpartition("/")[2]


def describe_entity(
    client: Client, name: str, filters: Mapping[str, str] | None = None
) -> tuple[Entity | None, str]:
    """Columns of one entity, or None and the reason why it cannot be read.

    Args:
        client: The connection.
        name: The entity.
        filters: Query filters without which it may not be listed at all.
    """
    try:
        kinds = described_kinds(client, name)
        rows = sample(client, name, filters or {})
    except (PermissionDeniedError, RequestRefusedError, NoPageError) as error:
        return None, error.what
    shown: dict[str, set[str]] = {}
    for row in rows:
        for field, value in row.items():
            shown.setdefault(field, set())
            if kind := kind_of_value(field, value):
                shown[field].add(kind)
    for field in [*kinds, *shown]:
        kinds[field] = settle(field, kinds.get(field), shown.get(field, set()))
    if not kinds:
        logger.warning(
            "%s has neither a description nor rows yet: its columns are known when"
            " rows are there and it is discovered again",
            name,
        )
    elif "id" not in kinds:
        return None, "neither describe nor its rows show an id"
    kinds["id"] = "integer"  # documented for every entity, even where sent as text
    ordered = sorted(kinds.items(), key=lambda item: item[0] != "id")
    return Entity(name, dict(ordered)), ""


def settle(field: str, described: str | None, shown: set[str]) -> str:
    """The kind of a field, of what `describe` says and what rows show.

    Rows count more where they show more than a plain value. A foreign key that
    `describe` calls an integer is a relation unless rows show bare numbers: the
    guide names `status_id` as the exception.
    """
    for kind in ("set", "relation"):
        if kind in shown:
            return kind
    is_key = field.endswith("_id") and not field.endswith("status_id")
    if described == "relation" and not is_key:
        described = None  # "field" may be any that is only read, such as url
    if described == "integer" and is_key and "integer" not in shown:
        described = "relation"
    elif described == "integer" and "decimal" in shown:
        described = "decimal"
    elif described is None and not shown and field.endswith("_id"):
        described = "relation" if is_key else "integer"
    if described is not None:
        return described
    if len(shown) == 1:
        return next(iter(shown))
    return "decimal" if shown == {"integer", "decimal"} else "text"


def described_kinds(client: Client, name: str) -> dict[str, str]:
    """Fields by kind from `describe`; empty where an entity has none."""
    try:
        answer = client.get_json(client.entity_path(name, "describe"))
    except (NotFoundError, RequestRefusedError, PermissionDeniedError):
        return {}  # not every entity or user has it; rows must do
    fields = answer.get("fields") if isinstance(answer, dict) else None
    if isinstance(fields, list):
        fields = {named(field): field for field in fields if named(field)}
    if not isinstance(fields, dict):
        return {}
    kinds = {}
    for field, about in fields.items():
        written = about.get("type", "") if isinstance(about, dict) else about
        kind = KINDS.get(str(written).lower())
        if field in AUDIT_INSTANTS:
            kind = "datetime"  # bookmarks are compared as instants, whatever is said
        elif field.endswith("_set"):
            kind = "set"
        elif field == "status_id" or (
            field.endswith("status_id") and kind == "relation"
        ):
            kind = "integer"  # the documented exception: a bare number
        if kind is None:
            logger.warning(
                "%s.%s has the unknown type %r and is read as text",
                name,
                field,
                written,
            )
            kind = "text"
        kinds[field] = kind
    return kinds


def sample(
    client: Client, name: str, filters: Mapping[str, str]
) -> list[dict[str, Any]]:
    """A few rows; no rows is an answer too.

    Raises:
        NoPageError: The answer is something else than a page of rows.
    """
    try:
        answer = client.get_json(
            client.entity_path(name),
            {**filters, "page_mode": "sequenced", "page_size": str(SAMPLE_ROWS)},
        )
    except NotFoundError:
        return []
    rows = answer.get("results") if isinstance(answer, dict) else None
    if not isinstance(rows, list):
        raise NoPageError("the service's answer is no page of rows")
    return [row for row in rows if isinstance(row, dict)]


def kind_of_value(field: str, value: object) -> str | None:
    """What a value shows of its field; None when it shows nothing."""
    if field.endswith("_set") or isinstance(value, list):
        return "set"
    if isinstance(value, dict):
        return "relation" if {"id", "key"} <= value.keys() else "set"
    if field in AUDIT_INSTANTS:
        return "datetime"
    return KINDS_OF_VALUES.get(type(value))


def discover(
    client: Client,
    wanted: Iterable[str],
    filters: Callable[[str], Mapping[str, str]] = lambda _: {},
) -> tuple[list[Entity], dict[str, str]]:
    """Describes the wanted entities; gives them and why others are left out.

    Args:
        client: The connection.
        wanted: Names of entities that exist.
        filters: Gives an entity's configured query filters.
    """
    found: list[Entity] = []
    excluded: dict[str, str] = {}
    for name in wanted:
        entity, reason = describe_entity(client, name, filters(name))
        if entity is None:
            excluded[name] = reason
            logger.warning("%s is left out: %s", name, reason)
        else:
            found.append(entity)
    return found, excluded

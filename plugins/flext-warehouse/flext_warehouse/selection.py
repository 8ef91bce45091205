"""What the tap's settings ask for: tables by name or pattern, or queries.

Pure. An entry of `tables` is a name, a pattern such as `ldap__*`, or a mapping:

| key | meaning |
|---|---|
| `table` or `query` | what to read |
| `schema` | the table's schema, if not the setting `schema` |
| `stream` | the stream's name; a query needs one |
| `fields` | column → field; only these columns are read, under these names |
| `key_properties` | fields that identify a record |
| `replication_key` | field that only grows; makes the stream INCREMENTAL |
"""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flext_singer.errors import FlextError

_WILD = frozenset("*?[")
_KEYS = frozenset(
    {
        "table",
        "query",
        "schema",
        "stream",
        "fields",
        "key_properties",
        "replication_key",
    }
)


@dataclass(frozen=True)
class Wish:
    """One stream that the settings ask for.

    Args:
        stream: its name.
        schema: the table's schema.
        table: the table's name or pattern; empty for a query.
        query: SQL, instead of a table.
        fields: field by column; empty for all columns under their own names.
        key_properties: fields that identify a record.
        replication_key: field by which only what is new is read.
    """

    stream: str
    schema: str
    table: str = ""
    query: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    key_properties: tuple[str, ...] = ()
    replication_key: str | None = None

    @property
    def is_pattern(self) -> bool:
        """Tell whether `table` may stand for several tables."""
        return bool(_WILD & set(self.table))


def read_wishes(config: Mapping[str, Any], schema: str) -> list[Wish]:
    """Read `tables`, `query` and `stream`; nothing set asks for all tables.

    Raises:
        FlextError: an entry cannot be understood.
    """
    wishes = [_wish(entry, schema) for entry in config.get("tables") or ()]
    if config.get("query"):
        entry = {"query": config["query"], "stream": config.get("stream") or "query"}
        wishes.append(_wish(entry, schema))
    if not wishes:
        return [Wish("*", schema, "*")]
    names = [wish.stream for wish in wishes if not wish.is_pattern]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise _wrong(f'two entries make one stream "{twice}"', "set `stream` in one")
    return wishes


def _wish(entry: object, schema: str) -> Wish:
    if isinstance(entry, str):
        return Wish(entry, schema, entry)
    if not isinstance(entry, Mapping):
        raise _wrong(f"{entry!r} is no table", "write a name, or a mapping")
    unknown = sorted(set(entry) - _KEYS)
    if unknown:
        near = difflib.get_close_matches(unknown[0], _KEYS, 1)
        hint = f'did you mean "{near[0]}"?' if near else f"known: {sorted(_KEYS)}"
        raise _wrong(f'unknown key "{unknown[0]}" in an entry', hint)
    table, query = entry.get("table") or "", entry.get("query") or ""
    if bool(table) == bool(query):
        raise _wrong("an entry needs either `table` or `query`", "set one of them")
    stream = entry.get("stream") or table
    if not stream:
        raise _wrong("an entry with a query needs a name", "set `stream`")
    return Wish(
        stream,
        entry.get("schema") or schema,
        table,
        query.strip().rstrip(";"),
        dict(entry.get("fields") or {}),
        tuple(entry.get("key_properties") or ()),
        entry.get("replication_key") or None,
    )


def _wrong(what: str, fix: str) -> FlextError:
    return FlextError(what, where='setting "tables"', fix=fix)


def match_tables(wish: Wish, tables: Sequence[str], *, fold_case: bool) -> list[Wish]:
    """Give one wish per table that a wish stands for.

    Args:
        wish: a table or a pattern.
        tables: names of the schema's tables and views.
        fold_case: names that differ only in case are one (DuckDB).

    Raises:
        FlextError: a table that is named is not there.
    """
    if wish.is_pattern:
        found = [name for name in tables if fnmatch.fnmatchcase(name, wish.table)]
        renamed = wish.stream != wish.table and len(found) == 1
        return [
            replace(wish, table=name, stream=wish.stream if renamed else name)
            for name in found
        ]
    if wish.table in tables:
        return [wish]
    if fold_case:
        folded = {name.lower(): name for name in tables}
        if (name := folded.get(wish.table.lower())) is not None:
            return [replace(wish, table=name)]
    near = difflib.get_close_matches(wish.table, tables, 1)
    hint = f'did you mean "{near[0]}"?' if near else f"there are {len(tables)} tables"
    raise FlextError(
        f'there is no table "{wish.table}" in schema "{wish.schema}"',
        where='setting "tables"',
        fix=f"{hint}; run the transformation first if it makes the table",
    )

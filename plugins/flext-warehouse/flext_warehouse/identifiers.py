"""Names of tables and columns: quoted always, unique always, short enough.

A record's property can be called anything. A database takes less: Postgres cuts
names at 63 bytes and knows hidden columns such as `ctid`; DuckDB takes `Name`
and `name` for one column. `column_names` gives each property its column,
the same one on each run.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_HASH_LENGTH = 8
_POSTGRES_SYSTEM_COLUMNS = frozenset(
    {"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"}
)


@dataclass(frozen=True)
class NameRules:
    """What a database allows as a name.

    Args:
        max_bytes: longest name in UTF-8.
        fold: two names with the same fold are one name to the database.
        reserved: names that no column can have.
    """

    max_bytes: int
    fold: Callable[[str], str]
    reserved: frozenset[str] = frozenset()


# DuckDB sets no limit; 255 keeps file names and messages sane.
DUCKDB_NAMES = NameRules(max_bytes=255, fold=str.lower)
# https://www.postgresql.org/docs/current/sql-syntax-lexical.html, NAMEDATALEN
POSTGRES_NAMES = NameRules(63, fold=str, reserved=_POSTGRES_SYSTEM_COLUMNS)


def quote(name: str) -> str:
    """Quote an identifier for DuckDB and Postgres alike."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a text literal; backslashes stand for themselves in both databases."""
    return "'" + text.replace("'", "''") + "'"


def fit_name(name: str, rules: NameRules) -> str:
    """Give the name itself, or a shortened one that ends in its hash.

    Names that are empty, reserved, too long, or hold NUL or lone surrogates
    change; all others stay byte for byte.
    """
    clean = _storable(name)
    if clean != name or not name or rules.fold(name) in rules.reserved:
        return _hashed(clean, name, rules)
    if len(name.encode()) > rules.max_bytes:
        return _hashed(name, name, rules)
    return name


def column_names(
    sources: Iterable[str], rules: NameRules, existing: Iterable[str] = ()
) -> dict[str, str]:
    """Give each property name its column name.

    Where several properties would share one column, the one whose exact name the
    table has already keeps it, else the first in sorted order; the others get
    a hash of their own name. So the outcome depends neither on the order of
    properties nor on the run.

    Args:
        sources: property names of the record, each once.
        rules: the database's rules.
        existing: column names the table has already.

    Returns:
        Column name by property name, in the order of `sources`.
    """
    wanted = list(sources)
    there = set(existing)
    taken: set[str] = set()
    chosen: dict[str, str] = {}
    for name in sorted(wanted, key=lambda source: (source not in there, source)):
        column = fit_name(name, rules)
        digits = _HASH_LENGTH
        while rules.fold(column) in taken:
            column = _hashed(_storable(name), name, rules, digits)
            digits += _HASH_LENGTH
        taken.add(rules.fold(column))
        chosen[name] = column
    return {name: chosen[name] for name in wanted}


def _storable(name: str) -> str:
    return name.encode("utf-8", "replace").decode().replace("\x00", "_")


def _hashed(clean: str, name: str, rules: NameRules, digits: int = _HASH_LENGTH) -> str:
    digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:digits]
    room = rules.max_bytes - len(digest) - 1
    return clean.encode()[:room].decode("utf-8", "ignore") + "_" + digest

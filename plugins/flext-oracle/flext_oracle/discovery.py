"""What the data dictionary knows about the tables that the settings ask for.

Two queries, whatever the size of the dictionary: columns and keys. All filters are
part of them, so that the server never sends what would be thrown away here; without
a schema filter only the connected user's own schema is read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flext_oracle.sql import Column, Table, property_name
from flext_oracle.type_mapping import from_dictionary

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import oracledb

WILDCARDS = re.compile(r"[*?%]")
IN_LIST_MOST = 900  # ORA-01795 allows 1000

COLUMNS = """
SELECT c.OWNER, c.TABLE_NAME, c.COLUMN_NAME, c.DATA_TYPE, c.DATA_TYPE_OWNER,
  c.DATA_LENGTH, c.CHAR_LENGTH, c.CHAR_USED, c.DATA_PRECISION, c.DATA_SCALE, c.NULLABLE,
  cc.COMMENTS AS COLUMN_COMMENT, tc.COMMENTS AS TABLE_COMMENT,
  CASE WHEN m.MVIEW_NAME IS NOT NULL THEN 'MATERIALIZED VIEW'
       WHEN v.VIEW_NAME IS NOT NULL THEN 'VIEW' ELSE 'TABLE' END AS KIND,
  x.IOT_TYPE
FROM ALL_TAB_COLUMNS c
LEFT JOIN ALL_COL_COMMENTS cc ON cc.OWNER = c.OWNER
  AND cc.TABLE_NAME = c.TABLE_NAME AND cc.COLUMN_NAME = c.COLUMN_NAME
LEFT JOIN ALL_TAB_COMMENTS tc ON tc.OWNER = c.OWNER
  AND tc.TABLE_NAME = c.TABLE_NAME
LEFT JOIN ALL_VIEWS v ON v.OWNER = c.OWNER AND v.VIEW_NAME = c.TABLE_NAME
LEFT JOIN ALL_MVIEWS m ON m.OWNER = c.OWNER AND m.MVIEW_NAME = c.TABLE_NAME
LEFT JOIN ALL_TABLES x ON x.OWNER = c.OWNER AND x.TABLE_NAME = c.TABLE_NAME
WHERE {filters}
ORDER BY c.OWNER, c.TABLE_NAME, c.COLUMN_ID
"""

KEYS = """
SELECT c.OWNER, c.TABLE_NAME, k.CONSTRAINT_TYPE, k.CONSTRAINT_NAME, c.COLUMN_NAME
FROM ALL_CONSTRAINTS k
JOIN ALL_CONS_COLUMNS c ON c.OWNER = k.OWNER
  AND c.CONSTRAINT_NAME = k.CONSTRAINT_NAME AND c.TABLE_NAME = k.TABLE_NAME
WHERE k.CONSTRAINT_TYPE IN ('P', 'U') AND k.STATUS = 'ENABLED' AND {filters}
ORDER BY c.OWNER, c.TABLE_NAME, k.CONSTRAINT_NAME, c.POSITION
"""


@dataclass
class FoundTable:
    """A table, view or materialized view of the dictionary.

    Attributes:
        table: Where it is.
        kind: TABLE, VIEW or MATERIALIZED VIEW.
        columns: All columns, in their order.
        keys: Columns of the primary key, else of a unique key without NULLs.
        comment: The table's comment.
        comments: Comments by column.
        is_index_organised: Whether its rows have no physical ROWID.
    """

    table: Table
    kind: str = "TABLE"
    columns: list[Column] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    comment: str = ""
    comments: dict[str, str] = field(default_factory=dict)
    is_index_organised: bool = False

    @property
    def has_rowids(self) -> bool:
        """Whether ROWID ranges part it."""
        return self.kind != "VIEW" and not self.is_index_organised

    def schema(self, *, null_doubles: bool = False) -> dict[str, Any]:
        """The JSON Schema of a record; unsupported columns say so.

        Args:
            null_doubles: Whether NaN and the infinities come as null.
        """
        properties = {}
        for column in self.columns:
            prop = column.kind.json_schema(null_doubles=null_doubles)
            if column.name in self.keys:
                prop["type"] = [t for t in prop["type"] if t != "null"]
            comment = self.comments.get(column.name, "")
            if not column.kind.is_supported:
                prop = {"type": ["null", "string"]}
                comment = f"Not extracted: type {column.kind.name}. {comment}".strip()
            if comment:
                prop["description"] = comment
            properties[property_name(column.name)] = prop
        out: dict[str, Any] = {"type": "object", "properties": properties}
        if self.comment:
            out["description"] = self.comment
        return out


@dataclass(frozen=True)
class Filters:
    """Which tables are wanted.

    Attributes:
        schemas: Names or wildcards; empty: the connected user's own.
        tables: Names or wildcards, optionally with a schema before a dot.
        excluded: The same, left out.
        exact: If given, only these tables.
    """

    schemas: Sequence[str] = ()
    tables: Sequence[str] = ()
    excluded: Sequence[str] = ()
    exact: Sequence[Table] = ()

    def condition(self, user: str) -> tuple[str, dict[str, str]]:
        """The SQL condition on alias c, and its binds."""
        binds = Binds()
        parts = ["c.TABLE_NAME NOT LIKE 'BIN$%'"]
        if self.exact:
            tables = (exactly(table, binds) for table in self.exact)
            parts.append(either(f"({condition})" for condition in tables))
        else:
            parts.append("c.TABLE_NAME NOT LIKE 'FLX$%'")  # our staging tables
            parts.append(self._owner(user, binds))
        if any(WILDCARDS.search(schema) for schema in self.schemas):
            parts.append(
                "c.OWNER NOT IN (SELECT USERNAME FROM ALL_USERS"
                " WHERE ORACLE_MAINTAINED = 'Y')"
            )
        if self.tables:
            parts.append(either(place(pattern, binds) for pattern in self.tables))
        parts += [f"NOT {place(pattern, binds)}" for pattern in self.excluded]
        return " AND ".join(parts), binds.values

    def _owner(self, user: str, binds: Binds) -> str:
        schemas = [*self.schemas, *(s for s, _ in map(split, self.tables) if s)]
        if not schemas:
            return f"c.OWNER = {binds.add(user)}"
        return either(matching("c.OWNER", schema, binds) for schema in schemas)


class Binds:
    """Bind values, named as they come."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def add(self, value: str) -> str:
        """The placeholder of a new value."""
        name = f"f{len(self.values)}"
        self.values[name] = value
        return f":{name}"


def matching(column: str, pattern: str, binds: Binds) -> str:
    """The condition that holds where a column is a name or fits a pattern."""
    if WILDCARDS.search(pattern):
        return f"{column} LIKE {binds.add(like(pattern))} ESCAPE '\\'"
    return f"{column} = {binds.add(spelled(pattern))}"


def place(pattern: str, binds: Binds) -> str:
    """The condition that holds for the tables of ``table`` or ``schema.table``."""
    schema, name = split(pattern)
    condition = matching("c.TABLE_NAME", name, binds)
    if schema:
        return f"({matching('c.OWNER', schema, binds)} AND {condition})"
    return condition


def exactly(table: Table, binds: Binds) -> str:
    """The condition that holds for one table."""
    owner, name = binds.add(table.schema), binds.add(table.name)
    return f"c.OWNER = {owner} AND c.TABLE_NAME = {name}"


def either(conditions: Iterable[str]) -> str:
    """Conditions of which one must hold."""
    return f"({' OR '.join(conditions)})"


def split(pattern: str) -> tuple[str, str]:
    """Schema and table of ``schema.table``; an empty schema when there is none."""
    schema, dot, name = pattern.rpartition(".")
    return (schema, name) if dot else ("", pattern)


def spelled(name: str) -> str:
    """A name as the dictionary has it: upper case, unless it is quoted."""
    if len(name) > 1 and name[0] == name[-1] == '"':
        return name[1:-1]
    return name.upper()


def like(pattern: str) -> str:
    """A LIKE pattern for ``*``, ``?`` and ``%`` wildcards; ``_`` stays itself."""
    text = spelled(pattern).replace("\\", "\\\\").replace("_", "\\_")
    return text.replace("*", "%").replace("?", "_")


def discover(
    connection: oracledb.Connection, filters: Filters, user: str
) -> list[FoundTable]:
    """The tables that the filters let through, in the order of their names."""
    if len(filters.exact) <= IN_LIST_MOST:
        return _discover(connection, filters, user)
    out: list[FoundTable] = []
    for start in range(0, len(filters.exact), IN_LIST_MOST):
        part = filters.exact[start : start + IN_LIST_MOST]
        out += _discover(connection, Filters(exact=part), user)
    return out


def _discover(
    connection: oracledb.Connection, filters: Filters, user: str
) -> list[FoundTable]:
    condition, binds = filters.condition(user)
    found: dict[Table, FoundTable] = {}
    for row in _rows(connection, COLUMNS.format(filters=condition), binds):
        table = Table(row["owner"], row["table_name"])
        entry = found.get(table)
        if entry is None:
            entry = found[table] = FoundTable(
                table,
                kind=row["kind"],
                comment=row["table_comment"] or "",
                is_index_organised=row["iot_type"] is not None,
            )
        nullable = row["nullable"] != "N"
        kind = from_dictionary(row)
        entry.columns.append(Column(row["column_name"], kind, nullable))
        if row["column_comment"]:
            entry.comments[row["column_name"]] = row["column_comment"]
    if found:
        keys = _rows(connection, KEYS.format(filters=condition), binds)
        _set_keys(found, keys)
    return list(found.values())


def _set_keys(
    found: Mapping[Table, FoundTable], rows: Iterable[Mapping[str, Any]]
) -> None:
    constraints: dict[Table, dict[tuple[str, str], list[str]]] = {}
    for row in rows:
        table = Table(row["owner"], row["table_name"])
        name = (row["constraint_type"], row["constraint_name"])
        constraints.setdefault(table, {}).setdefault(name, []).append(
            row["column_name"]
        )
    for table, entry in found.items():
        optional = {column.name for column in entry.columns if column.nullable}
        usable = [
            (kind != "P", len(columns), columns)
            for (kind, _), columns in constraints.get(table, {}).items()
            if kind == "P" or not optional.intersection(columns)
        ]
        if usable:
            entry.keys = min(usable)[2]


def _rows(
    connection: oracledb.Connection, statement: str, binds: Mapping[str, str]
) -> Iterable[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.arraysize = cursor.prefetchrows = 2000
        cursor.execute(statement, dict(binds))
        names = [str(item[0]).lower() for item in cursor.description or ()]
        for row in cursor:
            yield dict(zip(names, row, strict=True))

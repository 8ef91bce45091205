"""SQL text: names and the statements of the tap and the target.

Everything here is pure: text in, text out, so that each statement can also be
parsed by another reader of Oracle's SQL. Names are always quoted; values are always
bound, except the SCN, which is an integer of ours.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flext_oracle.errors import OracleError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from flext_oracle.type_mapping import ColumnType

ORDINAL = "FLX$ORDINAL"
SIMPLE = re.compile(r"[A-Z][A-Z0-9_$#]*$")
STRANGE = re.compile(r"[^A-Z0-9_$#]")
HASH_DIGITS = 6


def quoted(name: str) -> str:
    """A name as SQL takes it literally.

    Raises:
        OracleError: The name holds a double quote or NUL, which Oracle refuses.
    """
    if '"' in name or "\0" in name or not name:
        raise OracleError(
            f"{name!r} cannot be a name in Oracle",
            "names",
            "rename it with column_mappings or table_name_mappings",
        )
    return f'"{name}"'


def fitting(name: str, max_bytes: int) -> str:
    """A name cut to the server's limit; what is cut off turns into a hash.

    Args:
        name: The wanted name.
        max_bytes: 30 before Oracle 12.2, 128 since.
    """
    raw = name.encode("utf-8")
    if len(raw) <= max_bytes:
        return name
    digest = hashlib.sha256(raw).hexdigest()[:HASH_DIGITS].upper()
    kept = raw[: max_bytes - HASH_DIGITS - 1].decode("utf-8", errors="ignore")
    return f"{kept}_{digest}"


def column_name(name: str, max_bytes: int) -> str:
    """The column for a property: upper case, odd characters as underscores."""
    return fitting(STRANGE.sub("_", name.upper()) or "_", max_bytes)


def property_name(column: str) -> str:
    """The property for a column: lower case, unless its case carries meaning."""
    return column.lower() if column == column.upper() else column


def as_named(name: str, properties: Collection[str]) -> str:
    """The property that a name means, whatever the case it was typed in.

    Args:
        name: A column as a person writes it.
        properties: The names there are; an exact match wins.

    Returns:
        The property; `name` itself if none, or more than one, fits.
    """
    if name in properties:
        return name
    fitting = [each for each in properties if each.lower() == name.lower()]
    return fitting[0] if len(fitting) == 1 else name


@dataclass(frozen=True)
class Table:
    """A table's place."""

    schema: str
    name: str

    def __str__(self) -> str:
        """The qualified, quoted name."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"


@dataclass(frozen=True)
class Column:
    """A column and its type."""

    name: str
    kind: ColumnType
    nullable: bool = True

    @property
    def sql(self) -> str:
        """The quoted name."""
        return quoted(self.name)


# ---- reading ------------------------------------------------------------------------


def select(
    columns: Sequence[Column],
    source: str,
    *,
    scn: int | None = None,
    where: Sequence[str] = (),
    order_by: Sequence[str] = (),
) -> str:
    """A SELECT of these columns, in this order.

    Args:
        columns: What to read; each through its type's expression.
        source: A quoted table or a parenthesised query.
        scn: Read as of this system change number.
        where: Conditions, all of which must hold.
        order_by: Expressions.
    """
    listed = ", ".join(_expression(column) for column in columns) or "1"
    text = f"SELECT {listed} FROM {source}"
    if scn is not None:
        text += f" AS OF SCN {scn:d}"
    text += " t"
    if where:
        text += " WHERE " + " AND ".join(where)
    if order_by:
        text += " ORDER BY " + ", ".join(order_by)
    return text


def _expression(column: Column) -> str:
    if column.name == "ORA_ROWSCN":
        return "ORA_ROWSCN"
    return f"{column.kind.select('t.' + column.sql)} AS {column.sql}"


def rowid_range(first: str = ":lo", last: str = ":hi") -> str:
    """The condition that holds for the rows of one chunk."""
    return f"t.ROWID BETWEEN CHARTOROWID({first}) AND CHARTOROWID({last})"


def hash_share(expression: str, buckets: int) -> str:
    """The condition that holds for one of `buckets` shares of any row source."""
    return f"ORA_HASH({expression}, {buckets - 1:d}) = :bucket"


def windows(table: Table, digits: int, scn: int | None) -> str:
    """The ROWID prefixes that a table has rows under; one pass, no privilege."""
    as_of = "" if scn is None else f" AS OF SCN {scn:d}"
    return (
        f"SELECT DISTINCT SUBSTR(ROWIDTOCHAR(t.ROWID), 1, {digits:d}) AS PREFIX"
        f" FROM {table}{as_of} t"
    )


EXTENTS = (
    "SELECT ROWIDTOCHAR(DBMS_ROWID.ROWID_CREATE(1, o.DATA_OBJECT_ID, e.RELATIVE_FNO,"
    " e.BLOCK_ID, 0)) AS FIRST_ROWID,"
    " ROWIDTOCHAR(DBMS_ROWID.ROWID_CREATE(1, o.DATA_OBJECT_ID, e.RELATIVE_FNO,"
    " e.BLOCK_ID + e.BLOCKS - 1, 0)) AS LAST_ROWID"
    " FROM DBA_EXTENTS e JOIN ALL_OBJECTS o ON o.OWNER = e.OWNER"
    " AND o.OBJECT_NAME = e.SEGMENT_NAME"
    " AND NVL(o.SUBOBJECT_NAME, '-') = NVL(e.PARTITION_NAME, '-')"
    " WHERE e.OWNER = :owner AND e.SEGMENT_NAME = :name"
    " AND o.OBJECT_TYPE IN ('TABLE', 'TABLE PARTITION', 'TABLE SUBPARTITION')"
    " AND o.DATA_OBJECT_ID IS NOT NULL"
)

CURRENT_SCN = (
    "SELECT CURRENT_SCN FROM V$DATABASE",
    "SELECT DBMS_FLASHBACK.GET_SYSTEM_CHANGE_NUMBER FROM DUAL",
    "SELECT TIMESTAMP_TO_SCN(SYSTIMESTAMP) FROM DUAL",
)


# ---- writing ------------------------------------------------------------------------


def create_table(
    table: Table, columns: Sequence[Column], keys: Sequence[str] = ()
) -> str:
    """CREATE TABLE, with a primary key when there are keys."""
    parts = [
        f"{column.sql} {column.kind.declaration}"
        + (" NOT NULL" if column.name in keys else "")
        for column in columns
    ]
    if keys:
        parts.append(f"PRIMARY KEY ({', '.join(quoted(key) for key in keys)})")
    return f"CREATE TABLE {table} ({', '.join(parts)})"


def create_staging(table: Table, columns: Sequence[Column], *, session: bool) -> str:
    """A staging table: the columns, all nullable, and each row's place in the load.

    Args:
        table: Its name.
        columns: The target's columns.
        session: A global temporary table, whose rows are the session's own and end
            with it, so that a killed process leaves none; else a plain one, for
            direct path loads.
    """
    parts = [f"{c.sql} {c.kind.staged.declaration}" for c in columns]
    parts.append(f"{quoted(ORDINAL)} NUMBER(18)")
    head = "CREATE GLOBAL TEMPORARY TABLE" if session else "CREATE TABLE"
    tail = " ON COMMIT PRESERVE ROWS" if session else " NOLOGGING"
    return f"{head} {table} ({', '.join(parts)}){tail}"


def add_columns(table: Table, columns: Sequence[Column]) -> str:
    """ALTER TABLE ADD."""
    listed = ", ".join(f"{c.sql} {c.kind.declaration}" for c in columns)
    return f"ALTER TABLE {table} ADD ({listed})"


def widen_column(table: Table, column: Column) -> str:
    """ALTER TABLE MODIFY; Oracle only lets a column that has rows grow."""
    return f"ALTER TABLE {table} MODIFY ({column.sql} {column.kind.declaration})"


def replace_column(table: Table, column: Column, spare: str) -> list[str]:
    """The statements that change a column's type where MODIFY cannot.

    Add, copy, drop, rename: each is DDL or stands alone in its transaction. A run
    that dies between them leaves the old column or both, never neither.
    """
    return [
        f"ALTER TABLE {table} ADD ({quoted(spare)} {column.kind.declaration})",
        f"UPDATE {table} SET {quoted(spare)} = {column.sql}",
        f"ALTER TABLE {table} DROP COLUMN {column.sql}",
        f"ALTER TABLE {table} RENAME COLUMN {quoted(spare)} TO {column.sql}",
    ]


def insert(table: Table, columns: Sequence[Column], *, ordinal: bool = False) -> str:
    """INSERT with one placeholder per column, from ``:p1`` on.

    Args:
        table: The table.
        columns: Its columns, in the order of the bound row.
        ordinal: It is a staging table: the row's ordinal comes last.
    """
    names = [column.sql for column in columns]
    values = [
        (column.kind.staged if ordinal else column.kind).placeholder(f":p{position}")
        for position, column in enumerate(columns, 1)
    ]
    if ordinal:
        names.append(quoted(ORDINAL))
        values.append(f":p{len(columns) + 1}")
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(values)})"


def newest_of_each_key(
    staging: Table, columns: Sequence[Column], keys: Sequence[str]
) -> str:
    """The staging rows without those that a later row of the same key replaces.

    Done by the database, because only it knows which keys are equal: an empty text
    and NULL, a number and its decimal form, a CHAR and its padding.
    """
    listed = ", ".join(column.sql for column in columns)
    partition = ", ".join(quoted(key) for key in keys)
    return (
        f"SELECT {listed} FROM (SELECT g.*, ROW_NUMBER() OVER (PARTITION BY"
        f" {partition} ORDER BY {quoted(ORDINAL)} DESC) AS FLX$RANK FROM {staging} g)"
        " WHERE FLX$RANK = 1"
    )


def merge(
    target: Table, staging: Table, columns: Sequence[Column], keys: Sequence[str]
) -> str:
    """The set MERGE from staging into the target."""
    source = newest_of_each_key(staging, columns, keys)
    return _merge(target, source, columns, keys)


def merge_one(
    target: Table, staging: Table, columns: Sequence[Column], keys: Sequence[str]
) -> str:
    """The MERGE of one staging row, ``:p1`` its ordinal.

    It finds the rows that a set MERGE failed on, without sending them again.
    """
    listed = ", ".join(column.sql for column in columns)
    one = f"SELECT {listed} FROM {staging} WHERE {quoted(ORDINAL)} = :p1"
    return _merge(target, one, columns, keys)


def insert_one(target: Table, staging: Table, columns: Sequence[Column]) -> str:
    """The INSERT of one staging row, ``:p1`` its ordinal."""
    source = f"{staging} WHERE {quoted(ORDINAL)} = :p1"
    return copy(target, source, columns)


def _merge(
    target: Table, source: str, columns: Sequence[Column], keys: Sequence[str]
) -> str:
    on = " AND ".join(f"t.{quoted(key)} = s.{quoted(key)}" for key in keys)
    others = [column for column in columns if column.name not in keys]
    text = f"MERGE INTO {target} t USING ({source}) s ON ({on})"
    if others:
        assignments = ", ".join(f"t.{c.sql} = {_given(c)}" for c in others)
        text += f" WHEN MATCHED THEN UPDATE SET {assignments}"
    listed = ", ".join(column.sql for column in columns)
    values = ", ".join(_given(column) for column in columns)
    return text + f" WHEN NOT MATCHED THEN INSERT ({listed}) VALUES ({values})"


def _given(column: Column) -> str:
    return column.kind.from_text(f"s.{column.sql}")


def copy(target: Table, source: str, columns: Sequence[Column]) -> str:
    """INSERT … SELECT of all columns, from a staging table or a query of one."""
    listed = ", ".join(column.sql for column in columns)
    given = ", ".join(column.kind.from_text(column.sql) for column in columns)
    return f"INSERT INTO {target} ({listed}) SELECT {given} FROM {source}"


def delete_where(target: Table, condition: str) -> str:
    """DELETE of the rows for which a condition of ours holds."""
    return f"DELETE FROM {target} WHERE {condition}"


def mark_deleted(target: Table, column: str, condition: str) -> str:
    """Soft delete: the time of deletion, in UTC, on rows that have none."""
    return (
        f"UPDATE {target} SET {quoted(column)} = SYSTIMESTAMP"
        f" WHERE {quoted(column)} IS NULL AND {condition}"
    )


# ---- bookmarks in queries -----------------------------------------------------------

PLACEHOLDER = re.compile(
    r"""
    (?P<skip>'(?:[^']|'')*'        # text
      | "[^"]*"                    # quoted name
      | --[^\n]* | /\*.*?\*/       # comment
      | [qQ]'\[.*?\]' | [qQ]'\{.*?\}' | [qQ]'\(.*?\)' | [qQ]'<.*?>')
    | (?P<mark>\?)
    """,
    re.VERBOSE | re.DOTALL,
)
COMPARED = re.compile(r'("[^"]+"|[A-Za-z][\w$#]*)\s*(?:>=|<=|=|>|<)\s*$')


def bind_bookmark(query: str) -> tuple[str, list[str]]:
    """A query's ``?`` as the bind ``:bookmark``, outside of texts and comments.

    Returns:
        The query, and the names of the columns that a ``?`` is compared with.
    """
    compared = []

    def replace(match: re.Match[str]) -> str:
        if match["mark"] is None:
            return match[0]
        before = COMPARED.search(query[: match.start()])
        if before:
            name = before[1]
            compared.append(name[1:-1] if name[0] == '"' else name.upper())
        return ":bookmark"

    return PLACEHOLDER.sub(replace, query), compared


def as_source(query: str) -> str:
    """A query as a source to select from."""
    return f"({query.strip().rstrip(';').rstrip()}\n)"


def renamed(name: str, mappings: Mapping[str, str]) -> str:
    """A name after the user's mappings, which win over every rule of ours."""
    return mappings.get(name, name)

"""Tables of the target: created, grown, staged. All DDL of the package is here.

DDL commits, so it runs before a stream's first row is written, or after an explicit
commit; never between rows and the STATE that speaks of them.
"""

from __future__ import annotations

import hashlib
import logging
import time
from typing import TYPE_CHECKING

import oracledb

from flext_oracle import sql
from flext_oracle.column_choice import widened
from flext_oracle.discovery import Filters, discover
from flext_oracle.errors import OracleError, code_of, explain
from flext_oracle.sql import Column, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger(__name__)

BUSY = {"ORA-00054", "ORA-00060", "ORA-04021"}
BUSY_ATTEMPTS = 6


def ddl(connection: oracledb.Connection, statement: str) -> None:
    """Run DDL; a table that somebody has locked is waited for.

    Raises:
        OracleError: The statement failed.
    """
    for attempt in range(BUSY_ATTEMPTS):
        with connection.cursor() as cursor:
            try:
                cursor.execute(statement)
            except oracledb.DatabaseError as error:
                if code_of(error) not in BUSY or attempt == BUSY_ATTEMPTS - 1:
                    raise explain(error, statement[:80]) from error
            else:
                return
        time.sleep(min(2**attempt / 4, 4))


def existing(connection: oracledb.Connection, table: Table) -> list[Column] | None:
    """The table's columns, or None when it is not there."""
    found = discover(connection, Filters(exact=[table]), table.schema)
    return found[0].columns if found else None


def keys_of(connection: oracledb.Connection, table: Table) -> list[str]:
    """The table's primary or unique key."""
    found = discover(connection, Filters(exact=[table]), table.schema)
    return found[0].keys if found else []


def prepare(
    connection: oracledb.Connection,
    table: Table,
    wanted: Sequence[Column],
    keys: Sequence[str],
    *,
    evolve: bool,
) -> list[Column]:
    """Make a table that holds the wanted columns.

    Args:
        connection: A session with nothing uncommitted.
        table: The table.
        wanted: Columns of the stream.
        keys: Columns of the primary key of a new table.
        evolve: Whether a table that lacks something may change.

    Returns:
        The wanted columns with the types that the table really has.

    Raises:
        OracleError: The table would have to change and may not.
    """
    there = existing(connection, table)
    if there is None:
        try:
            ddl(connection, sql.create_table(table, wanted, keys))
        except OracleError as error:
            if error.code != "ORA-00955":
                raise
            there = existing(connection, table)  # another process was faster
            if there is None:
                raise
        else:
            logger.info("Created %s", table)
            return list(wanted)
    return _fit(connection, table, there, wanted, evolve=evolve)


def _fit(
    connection: oracledb.Connection,
    table: Table,
    there: Sequence[Column],
    wanted: Sequence[Column],
    *,
    evolve: bool,
) -> list[Column]:
    """Make an existing table hold the wanted columns; as `prepare`."""
    by_name = {column.name.upper(): column for column in there}
    missing = [c for c in wanted if c.name.upper() not in by_name]
    growing = []
    for column in wanted:
        old = by_name.get(column.name.upper())
        wider = widened(old.kind, column.kind) if old else None
        if old and wider:
            growing.append((old, Column(old.name, wider)))
    if (missing or growing) and not evolve:
        names = [c.name for c in missing] + [c.name for _, c in growing]
        raise OracleError(
            f"{table} lacks or is too narrow in {', '.join(names)}",
            "schema_evolution is fail",
            "change the table, or set schema_evolution to evolve",
        )
    if missing:
        ddl(connection, sql.add_columns(table, missing))
        logger.info("Added %s to %s", ", ".join(c.name for c in missing), table)
    for old, new in growing:
        grow(connection, table, old, new)
    final = {c.name.upper(): c for c in (*there, *missing)}
    final |= {new.name.upper(): new for _, new in growing}
    return [final[column.name.upper()] for column in wanted]


def grow(
    connection: oracledb.Connection, table: Table, old: Column, new: Column
) -> None:
    """Give a text column more room; a CLOB when VARCHAR2 ends."""
    if new.kind.name == "CLOB":
        spare = sql.fitting(f"FLX$_{old.name}", 30)
        for statement in sql.replace_column(table, Column(old.name, new.kind), spare):
            ddl(connection, statement)
    else:
        ddl(connection, sql.widen_column(table, new))
    logger.info("%s.%s is %s now", table, new.sql, new.kind.declaration)


def staging_name(table: Table, columns: Sequence[Column]) -> Table:
    """The staging table of a table with these columns.

    The same columns give the same name, so that runs share the (empty) definition;
    their rows are each session's own.
    """
    text = f"{table}|" + "|".join(f"{c.sql} {c.kind.declaration}" for c in columns)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16].upper()
    return Table(table.schema, f"FLX$STG_{digest}")


def prepare_staging(
    connection: oracledb.Connection, table: Table, columns: Sequence[Column]
) -> Table:
    """Make the session's staging table."""
    staging = staging_name(table, columns)
    if existing(connection, staging) is None:
        try:
            ddl(connection, sql.create_staging(staging, columns, session=True))
        except OracleError as error:
            if error.code != "ORA-00955":
                raise
    return staging

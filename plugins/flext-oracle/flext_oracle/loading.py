"""Rows into tables: array binds with per-row errors, staging, MERGE, swap.

Everything here runs in one transaction of one session, which `TargetOracle.commit`
ends; nothing commits by itself, and no DDL is sent.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import oracledb

from flext_oracle import sql
from flext_oracle.errors import BAD_ROW, OracleError, code_of, explain, first_line
from flext_oracle.row_writing import bind_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flext_oracle.sql import Column, Table

logger = logging.getLogger(__name__)

ARRAY_ROWS = 5000  # rows of one executemany: a few MB, one round trip per SDU
Row = list[Any]
Refuse = Callable[[int, str, str], None]


@dataclass
class Destination:
    """A table and how rows reach it.

    Attributes:
        table: The target table.
        columns: Its columns that are written, in the order of the rows.
        keys: Names of the key columns; empty: rows are appended.
    """

    table: Table
    columns: Sequence[Column]
    keys: Sequence[str] = ()


def _is_row_error(code: str) -> bool:
    return code in BAD_ROW


def insert_rows(
    connection: oracledb.Connection,
    statement: str,
    types: Sequence[Any],
    rows: Sequence[Row],
    refuse: Refuse,
) -> None:
    """Bind rows in arrays; hand back those that the database refuses.

    Args:
        connection: The session.
        statement: INSERT or MERGE with one placeholder per value.
        types: The driver's type of each value.
        rows: The rows.
        refuse: Takes a row's index, Oracle's code and its message.

    Raises:
        OracleError: An error that is not about one row.
    """
    for start in range(0, len(rows), ARRAY_ROWS):
        part = rows[start : start + ARRAY_ROWS]
        _insert_part(
            connection,
            statement,
            types,
            part,
            lambda index, code, text, start=start: refuse(start + index, code, text),  # type: ignore[misc]
        )


def _insert_part(
    connection: oracledb.Connection,
    statement: str,
    types: Sequence[Any],
    rows: Sequence[Row],
    refuse: Refuse,
) -> None:
    with connection.cursor() as cursor:
        cursor.setinputsizes(*types)
        try:
            cursor.executemany(statement, rows, batcherrors=True)
        except oracledb.Error as error:
            if len(rows) == 1 or not _is_row_error(code_of(error)):
                if _is_row_error(code_of(error)):
                    refuse(0, code_of(error), first_line(error))
                    return
                raise explain(error) from error
        else:
            for problem in cursor.getbatcherrors():
                code = problem.full_code or f"ORA-{problem.code:05d}"
                if not _is_row_error(code):
                    raise OracleError(
                        first_line_of(problem.message), code=code, fix=explain_fix(code)
                    )
                refuse(problem.offset, code, first_line_of(problem.message))
            return
    # The driver refuses a value before it sends anything (DPY-): find its row.
    half = len(rows) // 2
    _insert_part(connection, statement, types, rows[:half], refuse)
    _insert_part(
        connection,
        statement,
        types,
        rows[half:],
        lambda index, code, text: refuse(half + index, code, text),
    )


def first_line_of(message: str) -> str:
    """A message on one line, without help links."""
    return first_line(Exception(message))


def explain_fix(code: str) -> str:
    """What a person can do about a code."""
    return explain(oracledb.DatabaseError(f"{code}: ")).fix


class Staging:
    """Rows that wait for one MERGE, in a table of the session's own.

    Args:
        connection: The session.
        table: The staging table; its rows are this session's only.
        destination: Where they go.
    """

    def __init__(
        self, connection: oracledb.Connection, table: Table, destination: Destination
    ) -> None:
        self.connection, self.table, self.destination = connection, table, destination
        self.rows = 0  # that wait
        self._ordinal = 0
        self._insert = sql.insert(table, destination.columns, ordinal=True)
        self._types = [
            *(bind_type(c.kind.staged) for c in destination.columns),
            oracledb.DB_TYPE_NUMBER,
        ]

    @property
    def next_ordinal(self) -> int:
        """The ordinal that the next row will have."""
        return self._ordinal

    def add(self, rows: Sequence[Row], refuse: Refuse) -> None:
        """Put rows into staging, in their order."""
        for position, row in enumerate(rows):
            row.append(self._ordinal + position)
        self._ordinal += len(rows)
        self.rows += len(rows)
        insert_rows(self.connection, self._insert, self._types, rows, refuse)

    def merge(self, refuse: Refuse) -> None:
        """Bring the rows into the table and forget them; the newest of a key wins.

        Args:
            refuse: Takes a row's ordinal, Oracle's code and its message.
        """
        if not self.rows:
            return
        target, columns, keys = (
            self.destination.table,
            self.destination.columns,
            self.destination.keys,
        )
        if keys:
            whole = sql.merge(target, self.table, columns, keys)
            single = sql.merge_one(target, self.table, columns, keys)
        else:
            whole = sql.copy(target, str(self.table), columns)
            single = sql.insert_one(target, self.table, columns)
        self._run(whole, single, refuse)
        self.clear()

    def replace(self, refuse: Refuse) -> None:
        """Replace all rows of the table by these, in one transaction.

        Readers see the old rows until the commit and the new ones after it; grants,
        indexes and views stay as they are.
        """
        target, columns, keys = (
            self.destination.table,
            self.destination.columns,
            self.destination.keys,
        )
        with self.connection.cursor() as cursor:
            cursor.execute(sql.delete_where(target, "1 = 1"))
        if not self.rows:
            return
        source = str(self.table)
        if keys:
            source = f"({sql.newest_of_each_key(self.table, columns, keys)})"
            single = sql.merge_one(target, self.table, columns, keys)
        else:
            single = sql.insert_one(target, self.table, columns)
        self._run(sql.copy(target, source, columns), single, refuse)
        self.clear()

    def _run(self, whole: str, single: str, refuse: Refuse) -> None:
        with self.connection.cursor() as cursor:
            try:
                cursor.execute(whole)
            except oracledb.DatabaseError as error:
                if not _is_row_error(code_of(error)):
                    raise explain(error, str(self.destination.table)) from error
                logger.info("%s; finding the row", first_line(error))
            else:
                return
            # The statement is undone as a whole; now row by row, in their order.
            cursor.execute(
                f"SELECT {sql.quoted(sql.ORDINAL)} FROM {self.table}"  # noqa: S608 - quoted names
                f" ORDER BY {sql.quoted(sql.ORDINAL)}"
            )
            ordinals = [int(row[0]) for row in cursor.fetchall()]
        insert_rows(
            self.connection,
            single,
            [oracledb.DB_TYPE_NUMBER],
            [[ordinal] for ordinal in ordinals],
            lambda index, code, text: refuse(ordinals[index], code, text),
        )

    def take_over(self, other: Staging) -> None:
        """Move the rows of a staging table with other columns here, in order."""
        shared = [
            column
            for column in self.destination.columns
            if column.name in {c.name for c in other.destination.columns}
        ]
        names = [*(column.sql for column in shared), sql.quoted(sql.ORDINAL)]
        self.rows, self._ordinal = other.rows, other.next_ordinal
        if other.table != self.table:
            listed = ", ".join(names)
            with self.connection.cursor() as cursor:
                cursor.execute(
                    f"INSERT INTO {self.table} ({listed})"  # noqa: S608 - quoted names
                    f" SELECT {listed} FROM {other.table}"
                )
            other.clear()

    def clear(self) -> None:
        """Remove the rows, in the same transaction."""
        with self.connection.cursor() as cursor:
            cursor.execute(sql.delete_where(self.table, "1 = 1"))
        self.rows = 0

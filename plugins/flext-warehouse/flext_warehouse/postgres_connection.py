"""Reaching a Postgres database, and its errors in plain words."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg
from flext_singer.errors import FlextError

from flext_warehouse.location import shown

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def plain_errors(place: str) -> Iterator[None]:
    """Turn Postgres' errors into one line that says what to do."""
    try:
        yield
    except psycopg.Error as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise FlextError(lines[0], where=place, fix=_fix(error)) from error


def _fix(error: psycopg.Error) -> str:  # noqa: PLR0911 - one return per cause
    text = str(error)
    if "authentication failed" in text or "no password" in text:
        return "check user and password in the url"
    if isinstance(error, psycopg.OperationalError) and error.sqlstate is None:
        return "check host and port in the url, and that Postgres is running"
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return "grant the user the right, or choose another schema"
    if isinstance(error, psycopg.errors.DiskFull):
        return "free disk space; rows of earlier commits are safe"
    if isinstance(error, psycopg.errors.UniqueViolation):
        return "the table has a unique index over its keys: set load_method to upsert"
    if isinstance(error, psycopg.errors.DependentObjectsStillExist):
        return "drop the view and let dbt make it again, or change it by hand"
    return "see the message of Postgres"


@dataclass(frozen=True)
class Server:
    """How to reach a Postgres database.

    Args:
        url: `postgresql://…`; user and password may be in it or beside it.
        username: user, if not in the URL.
        password: its password, if not in the URL.
        connect_timeout_seconds: how long to wait for the server's first answer.
    """

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    connect_timeout_seconds: int = 10

    def connect(self) -> psycopg.Connection:
        """Connect; times are UTC, text is UTF-8.

        Raises:
            FlextError: the server cannot be reached or refuses the user.
        """
        url = self.url
        if url.startswith("postgres://"):
            url = "postgresql" + url.removeprefix("postgres")
        apart = {"user": self.username, "password": self.password}
        with plain_errors(shown(url)):
            return psycopg.connect(
                url,
                **{name: value for name, value in apart.items() if value},  # type: ignore[arg-type]
                connect_timeout=self.connect_timeout_seconds,
                application_name="flext-warehouse",
                options="-c timezone=UTC -c datestyle=ISO,YMD "
                "-c extra_float_digits=1 -c client_min_messages=warning",
                client_encoding="UTF8",
            )

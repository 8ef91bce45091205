"""Settings that tap and target share: where the warehouse is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flext_singer import secrets
from singer_sdk import typing as th

from flext_warehouse.location import duckdb_path, is_postgres, password_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flext_warehouse.postgres_connection import Server

DEFAULT_LOCK_SECONDS = 10.0

PLACE: list[th.Property[Any]] = [
    th.Property(
        "url",
        th.StringType,
        required=True,
        title="URL",
        description=(
            "duckdb:///path (relative), duckdb:////path (absolute) or "
            "postgresql://user@host:port/database."
        ),
    ),
    th.Property(
        "username",
        th.StringType,
        title="User Name",
        description="User of a Postgres warehouse, when the URL names none.",
    ),
    th.Property(
        "password",
        th.StringType,
        secret=True,
        title="Password",
        description="Password of a Postgres warehouse, kept out of the URL.",
    ),
    th.Property(
        "schema",
        th.StringType,
        title="Schema",
        description=(
            "Schema that is read or written; the target creates it. Unset: main in "
            "DuckDB, public in Postgres."
        ),
    ),
    th.Property(
        "lock_timeout_seconds",
        th.NumberType,
        default=DEFAULT_LOCK_SECONDS,
        title="Lock Timeout Seconds",
        description=(
            "How long to wait for another process that has the DuckDB file open, or "
            "that overwrites the same Postgres table."
        ),
    ),
]


def check_place(config: Mapping[str, Any]) -> None:
    """Check the URL and keep a password in it out of all messages.

    Raises:
        FlextError: the URL names no warehouse.
    """
    url = str(config["url"])
    if is_postgres(url):
        secrets.register(filter(None, [password_in(url)]))
    else:
        duckdb_path(url)


def server(config: Mapping[str, Any]) -> Server:
    """Give the Postgres server that the settings name."""
    from flext_warehouse.postgres_connection import Server  # noqa: PLC0415 - loads psycopg

    return Server(str(config["url"]), config.get("username"), config.get("password"))


def schema_name(config: Mapping[str, Any]) -> str:
    """Give the schema that the settings name, or the database's own default."""
    default = "public" if is_postgres(str(config["url"])) else "main"
    return str(config.get("schema") or config.get("default_target_schema") or default)


def lock_seconds(config: Mapping[str, Any]) -> float:
    """Give how long to wait for another process, in seconds."""
    seconds = config.get("lock_timeout_seconds")
    return DEFAULT_LOCK_SECONDS if seconds is None else float(seconds)

"""Where the warehouse is: `duckdb:///path` or `postgresql://user@host/database`."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from flext_singer.errors import FlextError

DEFAULT_MEMORY = "160MB"
"""DuckDB's memory limit where the settings name none."""
_FORMS = (
    "write duckdb:///relative/path.duckdb, duckdb:////absolute/path.duckdb or "
    "postgresql://user:password@host:5432/database"
)
_POSTGRES_SCHEMES = frozenset({"postgresql", "postgres"})


def is_postgres(url: str) -> bool:
    """Tell which of the two warehouses a URL names.

    Raises:
        FlextError: it names neither.
    """
    scheme = url.partition("://")[0].lower()
    if scheme in _POSTGRES_SCHEMES:
        return True
    if scheme == "duckdb":
        return False
    raise FlextError(
        f'the warehouse URL starts with "{scheme[:20]}"',
        where='setting "url"',
        fix=_FORMS,
    )


def duckdb_path(url: str) -> str:
    """Give the file of a DuckDB URL, relative to the working directory.

    `duckdb:///a.duckdb` is relative, `duckdb:////a.duckdb` absolute, as in
    SQLAlchemy's URLs. `duckdb:///:memory:` is refused: nothing would be left.
    """
    parts = urlsplit(url)
    path = unquote(parts.path)[1:] if parts.path else ""
    if parts.netloc or not path or path == ":memory:":
        raise FlextError(
            "the DuckDB URL names no file", where='setting "url"', fix=_FORMS
        )
    return str(Path(path).expanduser())


def password_in(url: str) -> str | None:
    """Give the password that a URL holds, to keep it out of messages."""
    password = urlsplit(url).password
    return unquote(password) if password else None


def shown(url: str) -> str:
    """Give the URL without user and password, for messages."""
    if not is_postgres(url):
        return duckdb_path(url)
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{host or 'the local socket'}{parts.path}"

"""Run dbt on a copy of one of the packages in transform/packages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import duckdb
import psycopg
from servers.postgres import PASSWORD

if TYPE_CHECKING:
    from servers.oracle_server import OracleServer
    from servers.postgres import Postgres

ROOT = Path(__file__).parents[2]
DBT = Path(sys.executable).with_name("dbt")


class Warehouse(Protocol):
    """Somewhere dbt can build."""

    target: str
    url: str

    def environment(self) -> dict[str, str]: ...

    def rows(self, sql: str) -> list[tuple[Any, ...]]: ...

    def execute(self, sql: str) -> None: ...


@dataclass
class DuckdbWarehouse:
    path: Path
    target: str = "duckdb"

    @property
    def url(self) -> str:
        return f"duckdb:///{self.path}"

    def environment(self) -> dict[str, str]:
        return {"FLEXCORE_DUCKDB_PATH": str(self.path)}

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        # Closed at once: one process at a time may open the file.
        with closing(duckdb.connect(str(self.path))) as connection:
            return connection.execute(sql).fetchall()

    def execute(self, sql: str) -> None:
        self.rows(sql)


class PostgresWarehouse:
    target = "postgres"

    def __init__(self, server: Postgres) -> None:
        self.port = server.port
        self.database = f"dbt_{uuid.uuid4().hex}"
        self.url = server.create_database(self.database)

    def environment(self) -> dict[str, str]:
        return {
            "FLEXCORE_PG_PORT": str(self.port),
            "FLEXCORE_PG_DB": self.database,
            "DBT_ENV_SECRET_PG_PASSWORD": PASSWORD,
        }

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(sql).fetchall()

    def execute(self, sql: str) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute(sql)


class OracleWarehouse:
    """The test server, or the database of ORACLE_TEST_DSN: all in the user's schema."""

    target = "oracle"
    url = ""

    def __init__(self, server: OracleServer) -> None:
        self.server = server

    def environment(self) -> dict[str, str]:
        return {
            "FLEXCORE_ORACLE_HOST": self.server.host,
            "FLEXCORE_ORACLE_PORT": str(self.server.port),
            "FLEXCORE_ORACLE_SERVICE": self.server.service_name,
            "FLEXCORE_ORACLE_USER": self.server.user,
            "FLEXCORE_ORACLE_SCHEMA": self.server.user,
            "DBT_ENV_SECRET_ORACLE_PASSWORD": self.server.password,
        }

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.server.query(sql)

    def execute(self, sql: str) -> None:
        self.server.execute(sql)


class Package:
    """A copy of a package, so that nothing dbt writes reaches the checkout."""

    def __init__(self, name: str, place: Path, warehouse: Warehouse) -> None:
        source = ROOT / "transform" / "packages" / name
        left_by_dbt = shutil.ignore_patterns("target", "dbt_packages", "logs", "*.lock")
        self.folder = Path(shutil.copytree(source, place / name, ignore=left_by_dbt))
        self.tests_folder = self.folder / "integration_tests"
        self.warehouse = warehouse

    def run(
        self, *arguments: str, cwd: Path | None = None, target: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """`dbt …` in the package itself, or in `cwd`."""
        return subprocess.run(
            [DBT, "--no-use-colors", *arguments],
            cwd=cwd or self.folder,
            env={
                **os.environ,
                **self.warehouse.environment(),
                "DBT_PROFILES_DIR": str(self.tests_folder),
                "DBT_TARGET": target or self.warehouse.target,
                "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
                "DBT_VERSION_CHECK": "false",
            },
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def dbt(self, *arguments: str, cwd: Path | None = None) -> str:
        """The same, and it must succeed."""
        done = self.run(*arguments, cwd=cwd)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        return done.stdout

    def land_samples(self) -> None:
        """Make the raw tables from the seeds of the integration tests."""
        self.dbt("deps", cwd=self.tests_folder)
        self.dbt("seed", "--select", "tag:landed", cwd=self.tests_folder)

"""Both warehouses behind one face, and the real target as a process."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from servers import postgres as postgres_server

TIMEOUT_SECONDS = 120


@pytest.fixture(scope="session")
def postgres():
    if postgres_server.find_programs() is None:
        pytest.skip(postgres_server.MISSING)
    with postgres_server.Postgres() as server:
        yield server


_numbers = itertools.count()


@dataclass
class Place:
    """A warehouse for one test: its URL, and questions to it in SQL."""

    url: str
    system: str

    def rows(self, query: str, *parameters: Any) -> list[tuple]:
        if self.system == "duckdb":
            with duckdb.connect(self.url.removeprefix("duckdb:///")) as connection:
                connection.execute("SET TimeZone='UTC'")
                return connection.execute(query, list(parameters)).fetchall()
        with psycopg.connect(self.url, options="-c timezone=UTC") as connection:
            cursor = connection.execute(query, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def types(self, table: str, schema: str = "raw") -> dict[str, str]:
        mark = "?" if self.system == "duckdb" else "%s"
        return dict(
            self.rows(
                "SELECT column_name, data_type FROM information_schema.columns "
                f"WHERE table_schema = {mark} AND table_name = {mark} "
                "ORDER BY ordinal_position",
                schema,
                table,
            )
        )


def make_duckdb(tmp_path: Path) -> Place:
    return Place(f"duckdb:///{tmp_path / 'warehouse.duckdb'}", "duckdb")


@pytest.fixture
def duckdb_place(tmp_path) -> Place:
    return make_duckdb(tmp_path)


@pytest.fixture
def postgres_place(postgres) -> Place:
    return Place(postgres.create_database(f"test_{next(_numbers)}"), "postgres")


@pytest.fixture(params=["duckdb", pytest.param("postgres", marks=pytest.mark.servers)])
def place(request) -> Place:
    """Each test runs on DuckDB and on Postgres."""
    return request.getfixturevalue(f"{request.param}_place")


@dataclass
class Run:
    code: int
    out: str
    err: str

    @property
    def states(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def load(tmp_path):
    """Run flext-target-warehouse on messages, as Meltano would."""

    def run(place: Place, messages, *, fail: str = "", **settings: Any) -> Run:
        config = tmp_path / f"config-{next(_numbers)}.json"
        config.write_text(json.dumps({"url": place.url, "schema": "raw", **settings}))
        lines = [
            m if isinstance(m, bytes) else json.dumps(m).encode() for m in messages
        ]
        environment = dict(os.environ)
        if fail:
            environment["FLEXCORE_FAILPOINT"] = fail
        done = subprocess.run(
            [
                Path(sys.executable).parent / "flext-target-warehouse",
                "--config",
                config,
            ],
            input=b"\n".join(lines) + b"\n",
            check=False,
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            env=environment,
            cwd=tmp_path,
        )
        return Run(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture
def extract(tmp_path):
    """Run flext-tap-warehouse; gives its messages, or the failed run."""

    def run(
        place: Place,
        *arguments: str,
        state: Any = None,
        catalog: Any = None,
        environment: dict[str, str] | None = None,
        **settings: Any,
    ):
        config = tmp_path / f"tap-{next(_numbers)}.json"
        config.write_text(json.dumps({"url": place.url, "schema": "raw", **settings}))
        command = [Path(sys.executable).parent / "flext-tap-warehouse"]
        command += ["--config", config, *arguments]
        for option, value in (("--state", state), ("--catalog", catalog)):
            if value is not None:
                file = tmp_path / f"tap-{next(_numbers)}.json"
                file.write_text(json.dumps(value))
                command += [option, file]
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            env={**os.environ, **(environment or {})},
            cwd=tmp_path,
        )
        return Run(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run

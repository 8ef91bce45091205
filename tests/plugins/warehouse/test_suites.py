"""The SDK's standard suites and the conformance suite, on both warehouses."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb
import psycopg
import pytest
from flext_singer.conformance import (
    TapUnderTest,
    TargetUnderTest,
    tap_suite,
    target_suite,
)
from flext_warehouse.tap import TapWarehouse
from flext_warehouse.target import TargetWarehouse
from singer_sdk.testing import SuiteConfig, get_tap_test_class, get_target_test_class

BIN = Path(sys.executable).parent
TAP, TARGET = [str(BIN / "flext-tap-warehouse")], [str(BIN / "flext-target-warehouse")]
SUITE_FILE = Path(__file__).parent / "postgres_tap_suite.py"
ROWS = 1500
_numbers = itertools.count()
FOLDER = Path(tempfile.mkdtemp(prefix="flext-suites-"))
# The target suites read their settings when a test runs: a fixture fills these.
POSTGRES_TARGET: dict[str, str] = {}
SERVER: list = []


def fill(rows) -> None:
    """A table to read: keys, growing times, nested values."""
    rows(
        "CREATE TABLE people AS SELECT i AS id, 'name ' || i AS name, "
        "i % 2 = 0 AS even, i * 1.5 AS amount, "
        "TIMESTAMP WITH TIME ZONE '2020-01-01 00:00:00+00' + "
        "i * INTERVAL '1' MINUTE AS changed_at, DATE '2020-01-01' AS day "
        f"FROM generate_series(1, {ROWS}) AS r(i)"
    )


@pytest.fixture(scope="module", autouse=True)
def tidy():
    yield
    shutil.rmtree(FOLDER, ignore_errors=True)


@pytest.fixture(scope="module")
def postgres_settings(postgres):
    SERVER.append(postgres)
    POSTGRES_TARGET.update(
        url=postgres.create_database("suites"),
        schema="suite",
        invalid_characters="replace",  # the suite sends NUL
    )


def tap_settings(url, schema):
    people = {
        "table": "people", "key_properties": ["id"], "replication_key": "changed_at",
    }  # fmt: skip
    return {"url": url, "schema": schema, "tables": [people]}


def make_duckdb_tap():
    with duckdb.connect(FOLDER / "tap.duckdb") as connection:
        fill(connection.execute)
    return tap_settings(f"duckdb:///{FOLDER / 'tap.duckdb'}", "main")


def configure_duckdb(folder: Path) -> dict[str, str]:
    return {"url": f"duckdb:///{folder / 'w.duckdb'}", "schema": "suite"}


def committed_duckdb(settings, stream: str) -> list[int]:
    """Read a copy: the file itself is the target's while it runs."""
    path = Path(settings["url"].removeprefix("duckdb:///"))
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.duckdb"
        for ending in (".wal", ""):  # a checkpoint moves rows from one to the other
            if (part := Path(f"{path}{ending}")).exists():
                shutil.copyfile(part, f"{copy}{ending}")
        if not copy.exists():
            return []
        try:
            with duckdb.connect(copy) as connection:
                rows = connection.execute(f'SELECT id FROM suite."{stream}"').fetchall()
        except (duckdb.CatalogException, duckdb.IOException, duckdb.InternalException):
            return []
    return [row[0] for row in rows]


def configure_postgres(_: Path) -> dict[str, str]:
    name = f"conformance_{next(_numbers)}"
    return {"url": SERVER[0].create_database(name), "schema": "suite"}


def committed_postgres(settings, stream: str) -> list[int]:
    with psycopg.connect(settings["url"]) as connection:
        try:
            rows = connection.execute(f'SELECT id FROM suite."{stream}"').fetchall()
        except psycopg.errors.UndefinedTable:
            return []
        except psycopg.errors.InvalidSchemaName:
            return []
    return [row[0] for row in rows]


def conform_target(configure, committed):
    return target_suite(TargetUnderTest(TARGET, configure, committed, ["password"]))


DUCKDB_TAP = make_duckdb_tap()

DuckDBTarget = get_target_test_class(
    TargetWarehouse,
    config=configure_duckdb(FOLDER),
    custom_suites=[conform_target(configure_duckdb, committed_duckdb)],
)
DuckDBTap = get_tap_test_class(
    TapWarehouse,
    config=DUCKDB_TAP,
    suite_config=SuiteConfig(max_records_limit=ROWS),
    custom_suites=[tap_suite(TapUnderTest(TAP, DUCKDB_TAP, ["password"]))],
)
PostgresTarget = get_target_test_class(
    TargetWarehouse,
    config=POSTGRES_TARGET,
    custom_suites=[conform_target(configure_postgres, committed_postgres)],
)


class TestDuckDBTarget(DuckDBTarget):
    """DuckDB, target."""


class TestDuckDBTap(DuckDBTap):
    """DuckDB, tap."""


@pytest.mark.servers
@pytest.mark.usefixtures("postgres_settings")
class TestPostgresTarget(PostgresTarget):
    """Postgres, target."""


@pytest.mark.servers
def test_the_tap_passes_the_suites_on_postgres(postgres):
    url = postgres.create_database("tap_suite")
    with psycopg.connect(url, autocommit=True) as connection:
        fill(connection.execute)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            SUITE_FILE,
            # The suite makes many taps that only discover; none is ever closed.
            "-W",
            "ignore::ResourceWarning",
            "-W",
            "ignore::pytest.PytestUnraisableExceptionWarning",
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=280,
        env={**os.environ, "FLEXT_TAP_CONFIG": json.dumps(tap_settings(url, "public"))},
    )
    assert done.returncode == 0, done.stdout[-5000:]

from __future__ import annotations

import pytest
from servers.postgres import MISSING, Postgres, find_programs

from transform.packages import DuckdbWarehouse, PostgresWarehouse


@pytest.fixture(scope="session")
def postgres():
    if find_programs() is None:
        pytest.skip(MISSING)
    with Postgres() as server:
        yield server


@pytest.fixture(
    scope="module",
    params=["duckdb", pytest.param("postgres", marks=pytest.mark.servers)],
)
def warehouse(request, tmp_path_factory):
    """Each module builds once in each kind of warehouse."""
    if request.param == "duckdb":
        return DuckdbWarehouse(tmp_path_factory.mktemp("duckdb") / "warehouse.duckdb")
    return PostgresWarehouse(request.getfixturevalue("postgres"))

"""`flexcore-gen dbt-models` on real catalogs, built by dbt on what really landed."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from servers.oracle_server import oracle_server

from transform.packages import DuckdbWarehouse, OracleWarehouse, Package

__all__ = ["oracle_server"]

pytestmark = pytest.mark.dbt

BIN = Path(sys.executable).parent
HIRED = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)
HOSTILE = 'Odd "name" {{ x }} {% if %}\'\\'


def call(*arguments, given=None, cwd):
    done = subprocess.run(
        arguments, input=given, cwd=cwd, capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return done.stdout


def land(messages, warehouse, folder):
    (folder / "target.json").write_text(
        json.dumps(
            {"url": warehouse.url, "schema": "raw_oracle", "add_record_metadata": True}
        )
    )
    call(
        BIN / "flext-target-warehouse",
        "--config",
        "target.json",
        given=messages,
        cwd=folder,
    )


def build(catalog, warehouse, folder):
    """Staging models of the catalog, built and tested; the package's output."""
    package = Package("oracle", folder, warehouse)
    (folder / "catalog.json").write_bytes(catalog)
    call(
        BIN / "flexcore-gen",
        "dbt-models",
        "catalog.json",
        "--out",
        package.tests_folder / "models/discovered",
        cwd=folder,
    )
    package.dbt("deps", cwd=package.tests_folder)
    return package.dbt(
        "build", "--select", "path:models/discovered", cwd=package.tests_folder
    )


def test_hostile_names_and_comments_are_names_and_comments(warehouse, tmp_path):
    schema = {
        "type": "object",
        "description": "{{ exceptions.raise_compiler_error('read as code') }} {%",
        "properties": {
            "order": {"type": ["integer"], "description": "{# {{ doc('none') }}"},
            HOSTILE: {"type": ["null", "string"], "description": "it's: - #"},
            "score": {"type": ["null", "number", "string"]},
        },
    }
    entry = {
        "tap_stream_id": "hr-Staff List",
        "stream": "hr-Staff List",
        "key_properties": ["order"],
        "schema": schema,
        "metadata": [{"breadcrumb": [], "metadata": {"schema-name": "HR"}}],
    }
    messages = [
        {
            "type": "SCHEMA",
            **{k: entry[k] for k in ("stream", "schema", "key_properties")},
        },
        *(
            {
                "type": "RECORD",
                "stream": entry["stream"],
                "record": {"order": n, HOSTILE: f"v{n}", "score": score},
                "time_extracted": "2026-11-02T08:00:00Z",
            }
            for n, score in ((1, "Infinity"), (2, 0.5))
        ),
    ]
    text = "".join(json.dumps(message) + "\n" for message in messages)
    land(text.encode(), warehouse, tmp_path)

    output = build(json.dumps({"streams": [entry]}).encode(), warehouse, tmp_path)

    assert "PASS flext_dbt_oracle_row_key_stg_hr__staff_list" in output
    assert warehouse.rows(
        'select "order", odd_name_x_if, score from analytics.stg_hr__staff_list'
        " order by 1"
    ) == [(1, "v1", float("inf")), (2, "v2", 0.5)]


@pytest.fixture
def staff(oracle_server, tmp_path):
    """The catalog of a table that was discovered, and what the tap reads of it."""
    oracle_server.clear_faults()
    oracle_server.drop_everything()
    oracle_server.execute(
        "create table staff (id number(6) primary key, name varchar2(20 char),"
        " salary number(8,2), hired date, any_number number)",
        "comment on table staff is 'Who works here'",
        "insert into staff values (7, 'Ada', 1234.5, date '2026-10-01', 0.1)",
    )
    settings = {
        "dsn": oracle_server.dsn,
        "username": oracle_server.user,
        "password": oracle_server.password,
    }
    (tmp_path / "tap.json").write_text(json.dumps(settings))
    tap = (BIN / "flext-tap-oracle", "--config", "tap.json")
    return call(*tap, "--discover", cwd=tmp_path), call(*tap, cwd=tmp_path)


@pytest.mark.servers
def test_a_discovered_table_becomes_a_tested_staging_model(
    oracle_server, staff, tmp_path
):
    catalog, messages = staff
    warehouse = DuckdbWarehouse(tmp_path / "warehouse.duckdb")
    land(messages, warehouse, tmp_path)

    build(catalog, warehouse, tmp_path)

    [row] = warehouse.rows(
        "select id, name, salary, hired, any_number"
        f" from analytics.stg_{oracle_server.user.lower()}__staff"
    )
    assert row[:3] == (7, "Ada", Decimal("1234.50"))
    assert row[3] == HIRED
    assert float(row[4]) == 0.1


@pytest.mark.servers
def test_a_discovered_table_is_staged_in_oracle_too(oracle_server, staff, tmp_path):
    if oracle_server.is_real:
        pytest.skip("needs the test server: it lands in the schema of another user")
    catalog, messages = staff
    settings = json.loads((tmp_path / "tap.json").read_text())
    settings |= {"default_target_schema": "OTHER", "add_record_metadata": True}
    (tmp_path / "target.json").write_text(json.dumps(settings))
    target = (BIN / "flext-target-oracle", "--config", "target.json")
    call(*target, given=messages, cwd=tmp_path)
    package = Package("oracle", tmp_path, OracleWarehouse(oracle_server))
    (tmp_path / "catalog.json").write_bytes(catalog)
    models = package.folder / "models" / "discovered"
    command = (BIN / "flexcore-gen", "dbt-models", "catalog.json", "--out", models)
    call(*command, cwd=tmp_path)

    package.dbt(
        *("build", "--threads", "1", "--select", "path:models/discovered"),
        *("--vars", "{oracle_schema: other}"),
    )

    assert oracle_server.query(
        "SELECT ID, NAME, SALARY, HIRED, ANY_NUMBER FROM STG_APP__STAFF"
    ) == [
        (7, "Ada", Decimal("1234.50"), HIRED.replace(tzinfo=None), Decimal("0.1")),
    ]
    oracle_server.execute("drop table other.staff")

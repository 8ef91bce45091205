from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from servers.oracle_server import oracle_server

from transform.packages import DuckdbWarehouse, OracleWarehouse, Package

__all__ = ["oracle_server"]
pytestmark = pytest.mark.dbt

TABLE = "raw_oracle.extract_oracle_customers"


@pytest.fixture(scope="module")
def built(warehouse, tmp_path_factory):
    """The package, built and tested where it stands, on the sample customers."""
    package = Package("oracle", tmp_path_factory.mktemp("oracle"), warehouse)
    package.land_samples()
    package.output = package.dbt("build")
    return package


@pytest.fixture(scope="module")
def landed_samples(tmp_path_factory):
    """A DuckDB file with the raw table, made once for tests to copy."""
    place = tmp_path_factory.mktemp("landed")
    warehouse = DuckdbWarehouse(place / "warehouse.duckdb")
    Package("oracle", place, warehouse).land_samples()
    return warehouse.path


@pytest.fixture
def package(landed_samples, tmp_path):
    copy = shutil.copy(landed_samples, tmp_path)
    return Package("oracle", tmp_path, DuckdbWarehouse(Path(copy)))


def test_the_package_builds_with_its_data_tests_and_unit_tests(built):
    assert "ERROR=0" in built.output
    assert "unit tests" in built.output


def test_the_package_builds_as_an_installed_package(built):
    output = built.dbt(
        *("build", "--exclude", "tag:landed"),
        *("--exclude-resource-type", "unit_test"),
        cwd=built.tests_folder,
    )

    assert "PASS customer_normalization_is_as_expected" in output


def test_other_names_and_absent_columns_give_the_same_mart(package):
    """A bare `select *` over a table with other names, in another step and schema."""
    package.warehouse.execute("create schema raw_crm")
    package.warehouse.execute(
        'create table raw_crm.extract_clients as select customer_id::double as "KdNr",'
        " first_name as vorname, last_name as surname, email as e_mail,"
        f" _sdc_extracted_at, _sdc_deleted_at from {TABLE}"
    )

    package.dbt(
        "run",
        "--vars",
        "{oracle_schema: raw_crm, oracle_customers_table: extract_clients,"
        " oracle_customer_columns: {customer_id: kdnr, given_name: [x, vorname]}}",
    )

    assert package.warehouse.rows(
        "select customer_id, customer_name, email, city, is_active, updated_at"
        " from analytics.customer_normalization order by 1 limit 1"
    ) == [("1001", "Ada Lindqvist", "ada@example.com", None, None, None)]


def test_keys_that_are_text_stay_as_they_are(package):
    package.warehouse.execute(
        f"create or replace table {TABLE} as select"
        " unnest(['10', '10.0']) as customer_id,"
        " now() as _sdc_extracted_at, null::timestamptz as _sdc_deleted_at"
    )

    package.dbt("run")

    assert package.warehouse.rows(
        "select customer_id from analytics.customer_normalization order by 1"
    ) == [("10",), ("10.0",)]


@pytest.mark.parametrize(
    ("renamed", "variables"),
    [("kdnr", "{}"), ("customer_id", "{oracle_customer_columns: {city: stadt}}")],
)
def test_a_missing_key_or_named_column_is_an_error_that_says_where_to_name_it(
    package, renamed, variables
):
    package.warehouse.execute(
        f"create or replace table {TABLE} as select 1 as {renamed}, 'x' as email,"
        " now() as _sdc_extracted_at, null::timestamptz as _sdc_deleted_at"
    )

    done = package.run("run", "--vars", variables)

    assert done.returncode == 1
    assert f"it has {renamed}, email" in done.stdout
    assert "oracle_customer_columns" in done.stdout


def test_a_missing_table_fails_unless_it_is_switched_off(package):
    package.warehouse.execute(f"drop table {TABLE}")

    done = package.run("run")

    assert done.returncode == 1
    assert "extract_oracle_customers" in done.stdout
    package.dbt("run", "--vars", "{oracle_customers_enabled: false}")


def rows_of(seed):
    with seed.open(encoding="utf-8") as file:
        return [
            {name: value or None for name, value in row.items()}
            for row in csv.DictReader(file)
        ]


def land_in_oracle(server, seed, folder):
    """The sample customers, landed by the target as a pipeline does."""
    time = {"type": ["null", "string"], "format": "date-time"}
    records = []
    for row in rows_of(seed):
        extracted = row.pop("_sdc_extracted_at").replace(" ", "T")
        row |= {"customer_id": int(row["customer_id"])}
        for name in ("created_at", "updated_at"):
            row[name] = row[name] and row[name].replace(" ", "T")
        records.append({"record": row, "time_extracted": extracted})
    properties = {key: {"type": ["null", "string"]} for key in records[0]["record"]}
    properties |= {"customer_id": {"type": "integer"}, "created_at": time}
    head = {
        "type": "SCHEMA",
        "schema": {"type": "object", "properties": properties | {"updated_at": time}},
        "key_properties": ["customer_id"],
    }
    stream = {"stream": "extract_oracle_customers"}
    messages = [head, *({"type": "RECORD", **record} for record in records)]
    config = folder / "target.json"
    settings = {"dsn": server.dsn, "username": server.user, "password": server.password}
    config.write_text(json.dumps({**settings, "add_record_metadata": True}))
    subprocess.run(
        [Path(sys.executable).with_name("flext-target-oracle"), "--config", config],
        input="".join(json.dumps(m | stream) + "\n" for m in messages),
        text=True,
        capture_output=True,
        check=True,
        timeout=60,
    )


@pytest.mark.servers
def test_the_package_builds_on_oracle(oracle_server, tmp_path):
    oracle_server.drop_everything()
    package = Package("oracle", tmp_path, OracleWarehouse(oracle_server))
    seeds = package.tests_folder / "seeds"
    landed = seeds / "landed_extract_oracle_customers.csv"
    land_in_oracle(oracle_server, landed, tmp_path)

    # One thread: H2 takes no DDL of two sessions at once.
    variables = f"{{oracle_schema: {oracle_server.user}}}"
    output = package.dbt("build", "--threads", "1", "--vars", variables)

    assert "ERROR=0" in output
    assert "unit tests" in output
    expected = rows_of(seeds / "expected_customer_normalization.csv")
    flags = {"true": 1, "false": 0, None: None}
    found = oracle_server.query(
        f"SELECT {', '.join(expected[0])} FROM CUSTOMER_NORMALIZATION"
        " ORDER BY CUSTOMER_ID"
    )
    assert found == [
        tuple((row | {"is_active": flags[row["is_active"]]}).values())
        for row in expected
    ]

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from transform.packages import ROOT, DuckdbWarehouse, Package

pytestmark = pytest.mark.dbt

SEEDS = ROOT / "transform/packages/ldif/integration_tests/seeds"


@pytest.fixture(scope="module")
def built(warehouse, tmp_path_factory):
    """The package, built and tested where it stands, on the sample files."""
    package = Package("ldif", tmp_path_factory.mktemp("ldif"), warehouse)
    package.land_samples()
    package.output = package.dbt("build", "--vars", "{ldif_flext_names: true}")
    return package


@pytest.fixture(scope="module")
def landed_samples(tmp_path_factory):
    """A DuckDB file with the raw tables, made once for tests to copy."""
    place = tmp_path_factory.mktemp("landed")
    warehouse = DuckdbWarehouse(place / "warehouse.duckdb")
    Package("ldif", place, warehouse).land_samples()
    return warehouse.path


@pytest.fixture
def package(landed_samples, tmp_path):
    copy = shutil.copy(landed_samples, tmp_path)
    return Package("ldif", tmp_path, DuckdbWarehouse(Path(copy)))


def landed(name):
    with (SEEDS / f"landed_{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def as_value(nested):
    """A nested column as Python, whether the driver gave text or a value."""
    return json.loads(nested) if isinstance(nested, str) else nested


def test_the_package_builds_with_its_data_tests_and_unit_tests(built):
    assert "ERROR=0" in built.output
    assert "unit tests" in built.output


def test_the_package_builds_as_an_installed_package(built):
    output = built.dbt(
        *("build", "--exclude", "tag:landed", "--vars", "{ldif_flext_names: true}"),
        *("--exclude-resource-type", "unit_test"),
        cwd=built.tests_folder,
    )

    for mart in ("people", "groups", "memberships", "hierarchy", "file_statistics"):
        assert f"PASS ldif__{mart}_is_as_expected" in output
    assert "PASS ldif__entries_are_exactly_what_was_landed" in output


def test_the_entries_mart_holds_every_attribute_exactly(built):
    rows = built.warehouse.rows(
        "select source_file, line_number, dn, attributes, binary_attributes"
        " from analytics.ldif__entries"
    )
    expected = {
        (row["source_file"], int(row["line_number"])): (
            row["dn"],
            json.loads(row["attributes"]),
            json.loads(row["binary_attributes"]),
        )
        for row in landed("ldif_entries")
    }
    del expected["people.ldif", 67]  # uid=dora, which update.ldif replaces

    assert {
        (file, line): (dn, as_value(attributes), as_value(binary))
        for file, line, dn, attributes, binary in rows
    } == expected


def test_the_statistics_agree_with_a_count_of_the_landed_records(built):
    values = [
        (name, value)
        for row in landed("ldif_entries")
        if row["source_file"] == "update.ldif"
        for name, found in json.loads(row["attributes"]).items()
        for value in found
    ]

    [figures] = built.warehouse.rows(
        "select entry_count, attribute_count, value_count, value_bytes"
        " from analytics.ldif__file_statistics where source_file = 'update.ldif'"
    )

    assert tuple(map(int, figures)) == (
        2,
        len({name.lower() for name, _ in values}),
        len(values),
        sum(len(value.encode()) for _, value in values),
    )


def test_the_names_of_flext_read_the_same_rows(built):
    count = "select count(*) from analytics."

    assert built.warehouse.rows(f"{count}stg_ldif_entries") == built.warehouse.rows(
        f"{count}ldif__entries"
    )
    assert built.warehouse.rows(
        "select uid, email from analytics.stg_persons where uid = 'bruno'"
    ) == [("bruno", "bruno@example.com")]
    assert built.warehouse.rows(
        "select entry_count from analytics.analytics_ldif_insights"
        " where entry_type = 'organizational_unit'"
    ) == [(3,)]
    assert built.warehouse.rows(
        "select total_descendant_count from analytics.analytics_ldif_hierarchy"
        " where dn = 'ou=people,dc=example,dc=com'"
    ) == [(5,)]


def test_a_record_that_was_deleted_leaves_every_mart(package):
    package.warehouse.execute(
        "update raw_ldif.ldif_entries set _sdc_deleted_at = now()"
        " where dn like 'uid=ada,%'"
    )

    package.dbt("run")

    for mart in ("entries", "people", "hierarchy", "attribute_values"):
        assert package.warehouse.rows(
            f"select count(*) from analytics.ldif__{mart} where dn like 'uid=ada,%'"
        ) == [(0,)]
    assert package.warehouse.rows(
        "select unresolved_member_count from analytics.ldif__groups"
        " where group_name = 'research'"
    ) == [(2,)]


def test_a_replacement_that_was_deleted_gives_the_dn_back_to_the_other_file(package):
    package.warehouse.execute(
        "update raw_ldif.ldif_entries set _sdc_deleted_at = now()"
        " where source_file = 'update.ldif'"
    )

    package.dbt("run", "--select", "+ldif__people")

    assert package.warehouse.rows(
        "select common_name, source_file from analytics.ldif__people"
        " where login_name = 'dora'"
    ) == [("Dora Kim", "people.ldif")]


def test_the_package_builds_without_the_table_of_changes(package):
    package.warehouse.execute("drop table raw_ldif.ldif_changes")

    package.dbt("build", "--vars", "{ldif_changes_enabled: false}")

    assert package.warehouse.rows(
        "select source_file, change_count from analytics.ldif__file_statistics"
        " order by source_file"
    ) == [("people.ldif", 0), ("update.ldif", 0)]


def test_the_package_builds_from_empty_tables(package):
    package.warehouse.execute("delete from raw_ldif.ldif_entries")
    package.warehouse.execute("delete from raw_ldif.ldif_changes")

    package.dbt("build")

    assert package.warehouse.rows("select count(*) from analytics.ldif__entries") == [
        (0,)
    ]


def test_the_schema_of_the_landed_tables_is_a_variable(package):
    package.warehouse.execute("create schema raw_hr_export")
    for table in ("ldif_entries", "ldif_changes"):
        package.warehouse.execute(
            f"create table raw_hr_export.{table} as select * from raw_ldif.{table}"
        )
    package.warehouse.execute("drop schema raw_ldif cascade")

    package.dbt("run", "--vars", "{ldif_schema: raw_hr_export}")

    assert package.warehouse.rows("select count(*) from analytics.ldif__entries") == [
        (12,)
    ]


def test_a_missing_table_fails_the_build_instead_of_giving_empty_marts(package):
    package.warehouse.execute("drop table raw_ldif.ldif_entries")

    done = package.run("build")

    assert done.returncode == 1
    assert "ldif_entries" in done.stdout

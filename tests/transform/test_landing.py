"""The packages against what the real tap emits and the real target lands."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from fakes.wms.auth import USER
from fakes.wms.entities import catalogue
from flext_ldap.entries import ENTRY_SCHEMA as LDAP_ENTRIES
from flext_ldap.memberships import MembershipStream
from flext_ldif.record_shapes import CHANGE_SCHEMA, ENTRY_SCHEMA
from flext_oracle_wms.entities import KINDS, Entity

from transform.packages import ROOT, DuckdbWarehouse, Package

SAMPLES = ROOT / "tests/samples/ldif"
BIN = Path(sys.executable).parent

WMS_ENTITIES = (
    *("allocation", "company", "facility", "ib_shipment", "iblpn"),
    *("inventory", "item", "location", "order_dtl", "order_hdr"),
)


def wms_schema(name):
    """What the tap emits of an entity that the stand-in knows."""
    entity = catalogue()[name]
    kinds = {
        field: "set" if field in entity.sets else KINDS.get(kind, "relation")
        for field, kind in entity.fields.items()
    }
    return Entity(name, kinds).schema()


STREAMS = {
    ("ldif", "ldif_entries"): ENTRY_SCHEMA,
    ("ldif", "ldif_changes"): CHANGE_SCHEMA,
    ("ldap", "users"): LDAP_ENTRIES,
    ("ldap", "groups"): LDAP_ENTRIES,
    ("ldap", "organizational_units"): LDAP_ENTRIES,
    ("ldap", "memberships"): MembershipStream.schema,
    **{("oracle-wms", name): wms_schema(name) for name in WMS_ENTITIES},
}


def seed(package, stream):
    folder = ROOT / f"transform/packages/{package}/integration_tests/seeds"
    with (folder / f"landed_{stream}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def run_tap(config, folder):
    """Messages of flext-tap-ldif, started where the sample files are."""
    settings = folder / "tap.json"
    settings.write_text(json.dumps(config))
    done = subprocess.run(
        [BIN / "flext-tap-ldif", "--config", settings],
        cwd=SAMPLES,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return done.stdout


def land(messages, warehouse_url, schema, folder):
    settings = folder / "target.json"
    settings.write_text(
        json.dumps(
            {"url": warehouse_url, "schema": schema, "add_record_metadata": True}
        )
    )
    done = subprocess.run(
        [BIN / "flext-target-warehouse", "--config", settings],
        input=messages,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]


@pytest.mark.parametrize(("package", "stream"), STREAMS)
def test_a_source_names_only_columns_that_the_tap_emits(package, stream):
    folder = ROOT / f"transform/packages/{package}/models/staging"
    path = folder / f"_{package.replace('-', '_')}__sources.yml"
    [source] = yaml.safe_load(path.read_text())["sources"]
    [table] = [table for table in source["tables"] if table["name"] == stream]
    named = {column["name"] for column in table["columns"]}

    emitted = set(STREAMS[package, stream]["properties"])
    assert {name for name in named if not name.startswith("_sdc_")} <= emitted


@pytest.mark.parametrize(("package", "stream"), STREAMS)
def test_a_seed_has_only_columns_that_the_tap_emits(package, stream):
    columns = set(seed(package, stream)[0]) - {"_sdc_extracted_at"}

    assert columns <= set(STREAMS[package, stream]["properties"])


def test_the_seeds_are_what_the_tap_reads_from_the_samples(tmp_path):
    messages = map(json.loads, run_tap({"path": "*.ldif"}, tmp_path).splitlines())
    records = [m for m in messages if m["type"] == "RECORD"]

    def as_text(value):
        if value is None:
            return ""
        return value if isinstance(value, str) else json.dumps(value)

    for stream in ("ldif_entries", "ldif_changes"):
        emitted = {
            (r["record"]["source_file"], str(r["record"]["line_number"])): {
                name: as_text(value) for name, value in r["record"].items()
            }
            for r in records
            if r["stream"] == stream
        }
        seeded = {}
        for row in seed("ldif", stream):
            del row["_sdc_extracted_at"]
            for name in ("attributes", "operations", "controls", "object_class"):
                if name in row:
                    row[name] = json.dumps(json.loads(row[name]))
            seeded[row["source_file"], row["line_number"]] = row

        assert emitted == seeded


@pytest.mark.dbt
def test_files_become_marts_through_the_real_tap_and_target(warehouse, tmp_path):
    land(run_tap({"path": "*.ldif"}, tmp_path), warehouse.url, "raw_ldif", tmp_path)
    package = Package("ldif", tmp_path, warehouse)
    package.dbt("deps", cwd=package.tests_folder)

    output = package.dbt(
        *("build", "--exclude", "tag:landed", "--exclude-resource-type", "unit_test"),
        cwd=package.tests_folder,
    )

    assert "PASS ldif__people_is_as_expected" in output
    assert "PASS ldif__file_statistics_is_as_expected" in output


@pytest.mark.dbt
def test_a_file_without_changes_still_gives_the_table_of_changes(tmp_path):
    warehouse = DuckdbWarehouse(tmp_path / "warehouse.duckdb")
    messages = run_tap({"path": "people.ldif"}, tmp_path)
    land(messages, warehouse.url, "raw_ldif", tmp_path)
    package = Package("ldif", tmp_path, warehouse)

    package.dbt("build", "--exclude-resource-type", "unit_test")

    assert warehouse.rows("select count(*) from analytics.ldif__changes") == [(0,)]
    assert warehouse.rows("select count(*) from analytics.ldif__entries") == [(11,)]


@pytest.mark.dbt
def test_a_directory_becomes_marts_through_the_real_target(tmp_path, warehouse):
    """The tap's own tests show that it emits this; here the target lands it."""
    messages = []
    for (package, stream), schema in STREAMS.items():
        if package != "ldap":
            continue
        keys = ["entry_uuid"]
        if stream == "memberships":
            keys = ["group_entry_uuid", "attribute", "member_key"]
        messages.append(
            {
                "type": "SCHEMA",
                "stream": stream,
                "schema": schema,
                "key_properties": keys,
            }
        )
        for row in seed("ldap", stream):
            time = row.pop("_sdc_extracted_at").replace(" ", "T")
            record = {name: value or None for name, value in row.items()}
            if "depth" in record:
                record["depth"] = int(record["depth"])
                for name in ("object_class", "attributes", "binary_attributes"):
                    record[name] = json.loads(record[name])
            messages.append(
                {
                    "type": "RECORD",
                    "stream": stream,
                    "record": record,
                    "time_extracted": time,
                }
            )
    lines = "".join(json.dumps(message) + "\n" for message in messages)
    land(lines.encode(), warehouse.url, "raw_ldap", tmp_path)
    package = Package("ldap", tmp_path, warehouse)
    package.dbt("deps", cwd=package.tests_folder)

    output = package.dbt(
        *("build", "--exclude", "tag:landed", "--exclude-resource-type", "unit_test"),
        cwd=package.tests_folder,
    )

    assert "PASS ldap__memberships_is_as_expected" in output
    assert "PASS ldap__entries_are_exactly_what_was_landed" in output


@pytest.mark.dbt
def test_a_warehouse_system_becomes_marts_through_the_real_tap_and_target(
    warehouse, tmp_path
):
    """The stand-in's tenant lacks columns that the package knows."""
    rows = 40
    settings = tmp_path / "tap.json"
    with subprocess.Popen(
        [sys.executable, "-m", "fakes.wms", "--rows", str(rows)],
        cwd=ROOT / "tests",
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            settings.write_text(
                json.dumps(
                    {
                        "base_url": server.stdout.readline().strip(),
                        "insecure_http": True,
                        "username": USER[0],
                        "password": USER[1],
                        "entities": WMS_ENTITIES,
                    }
                )
            )
            done = subprocess.run(
                [BIN / "flext-tap-oracle-wms", "--config", settings],
                capture_output=True,
                timeout=120,
                check=False,
            )
        finally:
            server.terminate()
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    land(done.stdout, warehouse.url, "raw_oracle_wms", tmp_path)
    package = Package("oracle-wms", tmp_path, warehouse)

    package.dbt("build", "--exclude-resource-type", "unit_test")

    assert warehouse.rows(
        "select sum(total_orders), sum(total_order_lines), sum(total_allocations),"
        " sum(total_on_hand_quantity) from analytics.met_wms__kpi_dashboard"
    ) == [(rows, rows, rows, sum(n / 4 for n in range(1, rows + 1)))]
    # 12345678901234567890.123456789, as far as the warehouse keeps decimals.
    [(weight,)] = warehouse.rows("select max(unit_weight) from analytics.stg_wms__item")
    assert float(weight) == float("12345678901234567890.123456789")

from __future__ import annotations

import ast
import json
import shutil
import threading
from pathlib import Path

import pytest
from fakes.wms.server import Simulator, WmsServer
from fakes.wms.switches import Switches
from servers.wms_commands import Stand, run

from transform.packages import ROOT, DuckdbWarehouse, Package

pytestmark = pytest.mark.dbt

MARTS = (
    "opr_wms__allocation_summary",
    "ana_wms__inventory_analysis",
    "met_wms__kpi_dashboard",
)


@pytest.fixture(scope="module")
def built(warehouse, tmp_path_factory):
    """The package, built and tested where it stands, on the sample rows."""
    package = Package("oracle-wms", tmp_path_factory.mktemp("wms"), warehouse)
    package.land_samples()
    package.output = package.dbt("build")
    return package


@pytest.fixture(scope="module")
def landed_samples(tmp_path_factory):
    """A DuckDB file with the raw tables, made once for tests to copy."""
    place = tmp_path_factory.mktemp("landed")
    warehouse = DuckdbWarehouse(place / "warehouse.duckdb")
    Package("oracle-wms", place, warehouse).land_samples()
    return warehouse.path


@pytest.fixture
def package(landed_samples, tmp_path):
    copy = shutil.copy(landed_samples, tmp_path)
    return Package("oracle-wms", tmp_path, DuckdbWarehouse(Path(copy)))


def test_the_package_builds_with_its_data_tests_and_unit_tests(built):
    assert "ERROR=0" in built.output
    assert "unit tests" in built.output


def test_the_package_builds_as_an_installed_package(built):
    output = built.dbt(
        *("build", "--exclude", "tag:landed"),
        *("--exclude-resource-type", "unit_test"),
        cwd=built.tests_folder,
    )

    for mart in MARTS:
        assert f"PASS {mart}_is_as_expected" in output
    assert "PASS every_landed_row_is_counted_once" in output


def test_columns_that_a_tenant_lacks_are_null_and_text_becomes_numbers(package):
    package.warehouse.execute(
        "create or replace table raw_oracle_wms.inventory as select id, facility_id,"
        " item_id, curr_qty::varchar as curr_qty, _sdc_extracted_at, _sdc_deleted_at"
        " from raw_oracle_wms.inventory"
    )

    package.dbt("run", "--select", "+ana_wms__inventory_analysis")

    assert package.warehouse.rows(
        "select on_hand_quantity, location_count, earliest_expiry_date, facility_key"
        " from analytics.ana_wms__inventory_analysis where facility_item_id = '2:1'"
    ) == [(3, 0, None, None)]


def test_a_key_that_is_missing_is_an_error_that_names_it(package):
    package.warehouse.execute("alter table raw_oracle_wms.allocation drop order_dtl_id")

    done = package.run("run", "--select", "stg_wms__allocation")

    assert done.returncode == 1
    assert "has no column order_dtl_id" in done.stdout
    assert "field_selection" in done.stdout


def test_entities_that_were_not_landed_are_switched_off_one_by_one(package):
    package.warehouse.execute("drop table raw_oracle_wms.item")
    package.warehouse.execute("drop table raw_oracle_wms.allocation")

    done = package.run("run")
    assert done.returncode == 1
    assert "raw_oracle_wms.item" in done.stdout.replace('"', "")

    package.dbt(
        "build",
        "--exclude-resource-type",
        "unit_test",
        "--vars",
        "{oracle_wms_item_enabled: false, oracle_wms_allocation_enabled: false}",
    )
    assert package.warehouse.rows(
        "select count(*), sum(allocated_quantity)"
        " from analytics.opr_wms__allocation_summary"
    ) == [(3, 0)]


def test_the_codes_of_statuses_are_variables(package):
    package.dbt(
        "run",
        "--select",
        "+opr_wms__allocation_summary",
        "--vars",
        "{oracle_wms_order_statuses: {90: dispatched},"
        " oracle_wms_order_shipped_status_ids: [10],"
        " oracle_wms_allocation_cancelled_status_ids: []}",
    )

    assert package.warehouse.rows(
        "select order_status, is_shipped, cancelled_quantity"
        " from analytics.opr_wms__allocation_summary order by order_id limit 2"
    ) == [("dispatched", False, 0), ("status 10", True, 0)]


KINDS = {
    "key": "integer", "id!": "integer", "id": "integer", "count": "integer",
    "text": "string", "number": "number", "flag": "boolean",
    "date": "date", "time": "date-time",
}  # fmt: skip


# No source lists the columns of these entities; the package takes them up where a
# tenant has them.
UNLISTED = [
    ("facility", "facility_type_id", "id"),
    ("facility", "facility_type_key", "text"),
    ("item", "unit_volume", "number"),
    ("item", "std_pack_qty", "number"),
    ("ib_shipment", "shipped_units", "number"),
    ("ib_shipment", "received_units", "number"),
]


def test_its_columns_are_those_that_the_tap_discovers(tmp_path):
    """Against the stand-in; a name that no tap lands would be null for ever."""
    text = (ROOT / "transform/packages/oracle-wms/macros/entities.sql").read_text()
    columns = ast.literal_eval(
        text.partition("set columns =")[2].partition("-%}")[0].strip()
    )
    server = WmsServer(0, Simulator(Switches(), 20))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    config = {
        **Stand(server).basic,
        "entities": list(columns),
        "request_timeout_seconds": 30,
    }
    try:
        found = run("flext-tap-oracle-wms", config, tmp_path, "--discover")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert found.returncode == 0, found.stderr
    streams = {
        stream["tap_stream_id"]: stream["schema"]["properties"]
        for stream in json.loads(found.stdout)["streams"]
    }
    assert streams.keys() == columns.keys()
    for entity, name, kind in UNLISTED:
        assert not streams[entity].get(name), "it is listed now"
        streams[entity][name] = {"type": [KINDS[kind]]}
    differing = []
    for entity, rows in columns.items():
        for landed, _, kind in rows:
            schema = streams[entity].get(landed, {})
            names = {schema.get("format"), *schema.get("type", ())}
            if KINDS[kind] not in names:
                differing.append((entity, landed, kind, schema))
    assert differing == [], "\n".join(map(str, differing))

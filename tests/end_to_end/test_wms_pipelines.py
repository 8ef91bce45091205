"""Generated pipelines between WMS stand-ins, the warehouse and dbt."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path

import duckdb
import httpx
import pytest
from end_to_end.rendered_project import Project
from fakes.wms.auth import USER

pytestmark = [pytest.mark.end_to_end, pytest.mark.servers]

TESTS = Path(__file__).parents[1]
ECOSYSTEM = """\
version: 1
project: wms-end-to-end
warehouse: {{system: duckdb, path: data/warehouse.duckdb}}
connections:
  wms-prod:
    system: oracle-wms
    base_url: {source}
    insecure_http: true
    username: {user}
    password: ${{WMS_PASSWORD}}
  wms-staging:
    system: oracle-wms
    base_url: {target}
    insecure_http: true
    username: {user}
    password: ${{WMS_PASSWORD}}
environments: [development]
outputs: [meltano, dbt]
pipelines:
  - name: stock
    steps:
      - name: extract
        service: flext-tap-oracle-wms
        config:
          connection: wms-prod
          entities: [allocation, company, facility, ib_shipment, iblpn, inventory,
                     item, location, order_dtl, order_hdr]
      - {{name: model, service: flext-dbt-oracle-wms, depends_on: [extract]}}
  - name: items
    steps:
      - name: extract
        service: flext-tap-oracle-wms
        config: {{connection: wms-prod, entities: [item]}}
      - name: choose
        service: flext-dbt-oracle-wms
        depends_on: [extract]
        config: {{model: new_items}}
      - name: send
        service: flext-target-oracle-wms
        depends_on: [choose]
        config: {{connection: wms-staging, model: new_items, entity: item}}
"""
NEW_ITEMS = """\
select
    company_key as company_code,
    item_alternate_code,
    part_a,
    description{extra}
from {{{{ source('wms_prod', 'item') }}}}
where item_alternate_code is not null
"""


class Stand:
    """A stand-in in a process of its own."""

    def __init__(self, rows: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fakes.wms", "--rows", str(rows)],
            env={**os.environ, "PYTHONPATH": str(TESTS)},
            stdout=subprocess.PIPE,
            text=True,
        )
        self.url = self.process.stdout.readline().strip()

    def control(self, name, data=None):
        host = self.url.rsplit("/", 1)[0]
        answer = httpx.request(
            "GET" if data is None else "POST", f"{host}/__sim__/{name}", json=data
        )
        return answer.json()

    def truth(self, entity):
        return self.control(f"truth/{entity}")

    def close(self):
        self.process.kill()
        self.process.wait(10)
        self.process.stdout.close()


@pytest.fixture
def stands():
    with contextlib.ExitStack() as stack:
        made = [Stand(60), Stand(0)]
        for stand in made:
            stack.callback(stand.close)
        yield made


@pytest.fixture
def project(stands, tmp_path):
    source, target = stands
    root = tmp_path / "project"
    (root / "data").mkdir(parents=True)
    text = ECOSYSTEM.format(source=source.url, target=target.url, user=USER[0])
    (root / "ecosystem.yaml").write_text(text, "utf-8")
    models = root / "transform" / "models"
    models.mkdir(parents=True)
    (models / "new_items.sql").write_text(NEW_ITEMS.format(extra=""), "utf-8")
    made = Project(root)
    made.run("flexcore-gen", "generate")
    return made


def warehouse(project, sql):
    path = str(project.root / "data" / "warehouse.duckdb")
    with duckdb.connect(path) as connection:
        return connection.sql(sql).fetchall()


SECRET = {"WMS_PASSWORD": USER[1]}
ITEMS = "select item_alternate_code, description from {}"


def test_a_warehouse_system_becomes_marts_with_the_right_numbers(project, stands):
    source = stands[0]
    project.run("meltano", "run", "stock", **SECRET)

    for entity in ("item", "order_hdr", "order_dtl", "inventory", "allocation"):
        landed = warehouse(project, f'select id from raw_wms_prod."{entity}"')
        assert sorted(landed) == sorted((row["id"],) for row in source.truth(entity))

    ordered = defaultdict(Decimal)
    for line in source.truth("order_dtl"):
        ordered[line["order_id"]] += Decimal(line["ord_qty"])
    shown = warehouse(
        project,
        "select order_id, ordered_quantity from analytics.opr_wms__allocation_summary",
    )
    assert dict(shown) == {
        row["id"]: ordered[row["id"]] for row in source.truth("order_hdr")
    }

    on_hand = defaultdict(Decimal)
    for row in source.truth("inventory"):
        on_hand[row["facility_id"], row["item_id"]] += Decimal(row["curr_qty"])
    found = warehouse(
        project,
        "select facility_id, item_id, on_hand_quantity"
        " from analytics.ana_wms__inventory_analysis where on_hand_quantity <> 0",
    )
    assert {(place, item): amount for place, item, amount in found} == on_hand

    orders = Counter(row["facility_id"] for row in source.truth("order_hdr"))
    dashboard = warehouse(
        project,
        "select facility_id, sum(total_orders) from analytics.met_wms__kpi_dashboard"
        " where total_orders > 0 group by facility_id",
    )
    assert dict(dashboard) == orders


def test_items_of_a_model_reach_the_other_system_once_and_a_bad_one_is_named(
    project, stands
):
    target = stands[1]
    project.run("meltano", "run", "items", **SECRET)

    wanted = warehouse(project, ITEMS.format("analytics.new_items"))
    arrived = [
        (row["item_alternate_code"], row["description"]) for row in target.truth("item")
    ]
    assert len(wanted) > 50
    assert sorted(arrived) == sorted(wanted)

    written = target.truth("item")
    project.run("meltano", "run", "items", **SECRET)
    assert target.truth("item") == written

    model = project.root / "transform" / "models" / "new_items.sql"
    bad = ", case when id = 7 then 'no number' else '1' end as unit_cost"
    model.write_text(
        NEW_ITEMS.format(extra=bad).replace("{{{{", "{{").replace("}}}}", "}}")
    )
    failed = project.run("meltano", "run", "items", check=False, **SECRET)
    assert failed.returncode == 1
    code = next(
        r["item_alternate_code"] for r in stands[0].truth("item") if r["id"] == 7
    )
    assert code in failed.stderr
    newest, *earlier = project.runs()
    assert newest["status"] == "failed"
    assert [run["status"] for run in earlier] == ["success", "success"]

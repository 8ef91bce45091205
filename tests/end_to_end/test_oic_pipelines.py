"""Generated pipelines between Integration Cloud stand-ins and the warehouse."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import httpx
import pytest
from end_to_end.rendered_project import Project

pytestmark = [pytest.mark.end_to_end, pytest.mark.servers]

TESTS = Path(__file__).parents[1]
CONNECTION = """\
  {name}:
    system: oracle-oic
    base_url: {instance}
    design_url: {design}
    integration_instance: {integration_instance}
    insecure_http: true
    oauth_client_id: {client_id}
    oauth_client_secret: ${{OIC_SECRET}}
    oauth_token_url: {idcs}/oauth2/v1/token
    oauth_scope: {scope}
"""
ECOSYSTEM = """\
version: 1
project: oic-end-to-end
warehouse: {{system: duckdb, path: data/warehouse.duckdb}}
connections:
{connections}
environments: [development]
outputs: [meltano, dbt]
pipelines:
  - name: watch
    steps:
      - name: extract
        service: flext-tap-oracle-oic
        config: {{connection: oic-prod}}
  - name: lookups
    steps:
      - name: extract
        service: flext-tap-oracle-oic
        config: {{connection: oic-prod, streams: [lookup_rows]}}
      - name: send
        service: flext-target-oracle-oic
        depends_on: [extract]
        config: {{connection: oic-test}}
  - name: statistics
    steps:
      - name: extract
        service: flext-tap-oracle-oic
        config: {{connection: oic-prod, streams: [monitoring_instances]}}
      - name: count
        service: flext-dbt-oracle
        depends_on: [extract]
        config: {{model: failures_by_integration}}
      - name: send
        service: flext-target-oracle-oic
        depends_on: [count]
        config:
          connection: oic-test
          model: failures_by_integration
          object_types: {{failures_by_integration: lookup_rows}}
          lookup_name: Failures
"""
MODEL = """\
select "integrationId" as integration, cast(count(*) as varchar) as failures
from {{ source('oic_prod', 'monitoring_instances') }}
where status = 'FAILED'
group by 1
order by 1
"""


class Stand:
    """A stand-in in a process of its own."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fakes.oic"],
            env={**os.environ, "PYTHONPATH": str(TESTS)},
            stdout=subprocess.PIPE,
            text=True,
        )
        self.urls = json.loads(self.process.stdout.readline())
        self.urls |= self.control("credentials")

    def control(self, name):
        return httpx.get(f"{self.urls['instance']}/__sim__/{name}").json()

    @property
    def connection(self):
        return CONNECTION.format(name=self.name, **self.urls)

    def lookups(self):
        return {row["name"]: row for row in self.control("truth/lookups")}

    def close(self):
        self.process.kill()
        self.process.wait(10)
        self.process.stdout.close()


@pytest.fixture
def stands():
    with contextlib.ExitStack() as stack:
        made = [Stand("oic-prod"), Stand("oic-test")]
        for stand in made:
            stack.callback(stand.close)
        yield made


def test_the_service_lands_whole_and_lookups_go_out_again(stands, tmp_path):
    source, target = stands
    root = tmp_path / "project"
    (root / "data").mkdir(parents=True)
    text = ECOSYSTEM.format(connections=source.connection + target.connection)
    (root / "ecosystem.yaml").write_text(text, "utf-8")
    (root / "transform" / "models").mkdir(parents=True)
    model = root / "transform" / "models" / "failures_by_integration.sql"
    model.write_text(MODEL, "utf-8")
    project = Project(root)
    project.run("flexcore-gen", "generate")
    secret = {"OIC_SECRET": source.urls["client_secret"]}

    project.run("meltano", "run", "watch", **secret)
    with duckdb.connect(str(root / "data" / "warehouse.duckdb")) as warehouse:
        for table, kind in (
            ("integrations", "integrations"),
            ("connections", "connections"),
            ("monitoring_instances", "instances"),
            ("errors", "errors"),
        ):
            rows = warehouse.sql(f"select id from raw_oic_prod.{table}").fetchall()
            truth = source.control(f"truth/{kind}")
            assert sorted(rows) == sorted((row["id"],) for row in truth)
        text = str(warehouse.sql("from raw_oic_prod.connections").fetchall())
        assert source.urls["planted_secret"] not in text

    before = len(target.control("counters")["applied"])
    project.run("meltano", "run", "lookups", **secret)
    assert {n: r["rows"] for n, r in target.lookups().items()} == {
        n: r["rows"] for n, r in source.lookups().items()
    }
    # Both hold the same lookups from the start: nothing had to be sent.
    assert len(target.control("counters")["applied"]) == before

    project.run("meltano", "run", "statistics", **secret)
    made = target.lookups()["Failures"]
    failed = [r for r in source.control("truth/instances") if r["status"] == "FAILED"]
    assert sum(int(row["rowData"][1]) for row in made["rows"]) == len(failed)
    assert made["columns"] == ["integration", "failures"]
    assert [run["status"] for run in project.runs()] == ["success"] * 3

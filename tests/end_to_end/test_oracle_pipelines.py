"""Generated pipelines between the Oracle test server, the warehouse and dbt."""

import duckdb
import pytest
from end_to_end.rendered_project import Project
from servers.oracle_server import oracle_server

__all__ = ["oracle_server"]
pytestmark = [pytest.mark.end_to_end, pytest.mark.servers]

PASSWORD = "E2E_ORACLE_PASSWORD"
ECOSYSTEM = """\
version: 1
project: oracle-end-to-end
warehouse: {{system: duckdb, path: data/warehouse.duckdb}}
connections:
  oracle-prod:
    system: oracle
    host: {host}
    port: {port}
    service_name: {service}
    username: {user}
    password: ${{{password}}}
environments: [development]
outputs: [meltano, dbt]
pipelines:
  - name: customers
    steps:
      - name: extract-oracle-customers
        service: flext-tap-oracle
        config:
          connection: oracle-prod
          query: SELECT * FROM CUSTOMERS WHERE UPDATED_AT > ?
          replication_key: updated_at
          key_properties: [customer_id]
      - name: transform-customers
        service: flext-dbt-oracle
        depends_on: [extract-oracle-customers]
        config: {{model: customer_normalization}}
      - name: load-customers
        service: flext-target-oracle
        depends_on: [transform-customers]
        config:
          connection: oracle-prod
          model: customer_normalization
          load_method: overwrite
"""
CUSTOMERS = """\
CREATE TABLE CUSTOMERS (
  CUSTOMER_ID NUMBER(10) PRIMARY KEY,
  NAME VARCHAR2(100),
  EMAIL VARCHAR2(100),
  STATUS VARCHAR2(10),
  UPDATED_AT TIMESTAMP(6)
)"""


def insert(number, name, day):
    return (
        f"INSERT INTO CUSTOMERS VALUES ({number}, '{name}', 'C{number}@EXAMPLE.COM',"
        f" 'ACTIVE', TIMESTAMP '2026-01-{day:02d} 10:00:00.123456')"
    )


@pytest.fixture
def project(oracle_server, tmp_path):
    oracle_server.drop_everything()
    oracle_server.execute(
        CUSTOMERS, *(insert(n, f" ada  no {n} ", 1 + n % 20) for n in range(1, 41))
    )
    root = tmp_path / "project"
    (root / "data").mkdir(parents=True)
    (root / "ecosystem.yaml").write_text(
        ECOSYSTEM.format(
            host=oracle_server.host,
            port=oracle_server.port,
            service=oracle_server.service_name,
            user=oracle_server.user,
            password=PASSWORD,
        ),
        "utf-8",
    )
    made = Project(root)
    made.run("flexcore-gen", "generate")
    return made


def test_customers_go_out_through_dbt_and_back_and_only_changes_follow(
    project, oracle_server
):
    secret = {PASSWORD: oracle_server.password}
    project.run("meltano", "run", "customers", **secret)

    with duckdb.connect(str(project.root / "data" / "warehouse.duckdb")) as warehouse:
        modelled = warehouse.sql(
            "select count(*) from analytics.customer_normalization"
        ).fetchall()[0][0]
    assert modelled == 40
    loaded = oracle_server.query("SELECT COUNT(*) FROM CUSTOMER_NORMALIZATION")
    assert loaded == [(40,)]

    oracle_server.execute(
        insert(41, "bruno", 28),
        "UPDATE CUSTOMERS SET NAME = 'ada again',"
        " UPDATED_AT = TIMESTAMP '2026-01-29 10:00:00' WHERE CUSTOMER_ID = 7",
    )
    project.run("meltano", "run", "customers", **secret)

    assert oracle_server.query("SELECT COUNT(*) FROM CUSTOMER_NORMALIZATION") == [(41,)]
    newest, oldest = project.runs()
    assert [newest["status"], oldest["status"]] == ["success", "success"]
    extracted = next(
        event["data"]["rows"]
        for event in project.events(newest["run_id"])
        if event["name"] == "DataExtracted"
    )
    assert extracted < 40, "the second run read everything again"

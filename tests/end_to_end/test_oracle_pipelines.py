"""Generated pipelines between the Oracle test server, the warehouse and dbt."""

from decimal import Decimal

import duckdb
import psycopg
import pytest
from end_to_end.rendered_project import Project
from servers import postgres
from servers.oracle_server import oracle_server

__all__ = ["oracle_server"]
pytestmark = [pytest.mark.end_to_end, pytest.mark.servers]

PASSWORD = "E2E_ORACLE_PASSWORD"
WAREHOUSE_PASSWORD = "E2E_WAREHOUSE_PASSWORD"
DUCKDB = "{system: duckdb, path: data/warehouse.duckdb}"
ECOSYSTEM = """\
version: 1
project: oracle-end-to-end
warehouse: {warehouse}
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
"""
CUSTOMERS_PIPELINE = """\
  - name: customers
    steps:
      - name: extract-oracle-customers
        service: flext-tap-oracle
        config:
          connection: oracle-prod
          query: SELECT * FROM CUSTOMERS WHERE UPDATED_AT > ?
          replication_key: UPDATED_AT
          key_properties: [CUSTOMER_ID]
      - name: transform-customers
        service: flext-dbt-oracle
        depends_on: [extract-oracle-customers]
        config: {model: customer_normalization}
      - name: load-customers
        service: flext-target-oracle
        depends_on: [transform-customers]
        config:
          connection: oracle-prod
          model: customer_normalization
          key_properties: [customer_id]
          load_method: upsert
"""
PARTS_PIPELINE = """\
  - name: orders
    steps:
      - name: extract-orders
        service: flext-tap-oracle
        config:
          connection: oracle-prod
          streams: [APP-ORDERS]
          replication_method: FULL_TABLE
          partition: {count: 4}
          chunk_blocks: 1
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
def rendered(oracle_server, tmp_path):
    """Renders a project that reads from the test server."""
    oracle_server.drop_everything()

    def render(pipeline, warehouse=DUCKDB):
        root = tmp_path / "project"
        (root / "data").mkdir(parents=True)
        head = ECOSYSTEM.format(
            warehouse=warehouse,
            host=oracle_server.host,
            port=oracle_server.port,
            service=oracle_server.service_name,
            user=oracle_server.user,
            password=PASSWORD,
        )
        (root / "ecosystem.yaml").write_text(head + pipeline, "utf-8")
        made = Project(root)
        made.run("flexcore-gen", "generate")
        return made

    return render


@pytest.mark.parametrize("warehouse", ["duckdb", "oracle"])
def test_customers_go_out_through_dbt_and_back_and_only_changes_follow(
    rendered, oracle_server, warehouse
):
    secret = {PASSWORD: oracle_server.password}
    oracle_server.execute(
        CUSTOMERS, *(insert(n, f" ada  no {n} ", 1 + n % 20) for n in range(1, 41))
    )
    if warehouse == "oracle":
        project = rendered(CUSTOMERS_PIPELINE, oracle_warehouse(oracle_server))
    else:
        project = rendered(CUSTOMERS_PIPELINE)
    project.run("meltano", "run", "customers", **secret)

    modelled = "SELECT COUNT(*) FROM ANALYTICS.CUSTOMER_NORMALIZATION"
    if warehouse == "oracle":
        assert oracle_server.query(modelled) == [(40,)]
    else:
        with duckdb.connect(str(project.root / "data" / "warehouse.duckdb")) as opened:
            assert opened.sql(modelled).fetchall() == [(40,)]
    loaded = oracle_server.query("SELECT COUNT(*) FROM CUSTOMER_NORMALIZATION")
    assert loaded == [(40,)]

    oracle_server.execute(
        insert(41, "bruno", 28),
        "UPDATE CUSTOMERS SET NAME = 'ada again',"
        " UPDATED_AT = TIMESTAMP '2026-01-29 10:00:00' WHERE CUSTOMER_ID = 7",
    )
    project.run("meltano", "run", "customers", **secret)

    assert oracle_server.query("SELECT COUNT(*) FROM CUSTOMER_NORMALIZATION") == [(41,)]
    assert oracle_server.query(
        "SELECT CUSTOMER_NAME FROM CUSTOMER_NORMALIZATION WHERE CUSTOMER_ID = '7'"
    ) == [("ada again",)]
    newest, oldest = project.runs()
    assert [newest["status"], oldest["status"]] == ["success", "success"]
    extracted = next(
        event["data"]["rows"]
        for event in project.events(newest["run_id"])
        if event["name"] == "DataExtracted"
    )
    assert extracted < 40, "the second run read everything again"


def oracle_warehouse(server):
    """The test server as warehouse, with empty schemas to land and to build in."""
    if server.is_real:
        pytest.skip("needs the test server: it makes and empties two schemas")
    for schema in ("RAW_ORACLE_PROD", "ANALYTICS"):
        server.execute(f"CREATE USER {schema} IDENTIFIED BY UNUSED")
        for kind in ("VIEW", "TABLE"):
            for (name,) in server.query(
                f"SELECT {kind}_NAME FROM ALL_{kind}S WHERE OWNER = '{schema}'"
            ):
                server.execute(f'DROP {kind} {schema}."{name}"')
    return (
        f"{{system: oracle, host: {server.host}, port: {server.port},"
        f" service_name: {server.service_name}, username: {server.user},"
        f" password: '${{{PASSWORD}}}'}}"
    )


def test_a_table_in_four_parts_is_whole_in_postgres(rendered, oracle_server):
    if postgres.find_programs() is None:
        pytest.skip(postgres.MISSING)
    oracle_server.execute(
        "CREATE TABLE ORDERS (ID NUMBER(10) PRIMARY KEY, TOTAL NUMBER(38,10),"
        " PLACED_AT TIMESTAMP(6), NOTE CLOB)",
        "INSERT INTO ORDERS SELECT LEVEL, LEVEL + 12345678901234567890.0123456789,"
        " TIMESTAMP '2026-01-01 00:00:00.000001', 'nº ' || LEVEL"
        " FROM DUAL CONNECT BY LEVEL <= 2000",
    )
    with postgres.Postgres() as server:
        project = rendered(
            PARTS_PIPELINE,
            f"{{system: postgres, host: 127.0.0.1, port: {server.port},"
            " database: postgres, username: postgres,"
            f" password: '${{{WAREHOUSE_PASSWORD}}}'}}",
        )
        secrets = {
            PASSWORD: oracle_server.password,
            WAREHOUSE_PASSWORD: postgres.PASSWORD,
        }
        mark = oracle_server.mark()
        project.run("meltano", "run", "orders", **secrets)
        with psycopg.connect(server.url()) as warehouse:
            rows = warehouse.execute(
                'SELECT id, total, placed_at, note FROM raw_oracle_prod."app-orders"'
                " ORDER BY id"
            ).fetchall()

    assert [(row[0], row[1], row[3]) for row in rows] == [
        (n, Decimal(f"{12345678901234567890 + n}.0123456789"), f"nº {n}")
        for n in range(1, 2001)
    ]
    assert {row[2].isoformat() for row in rows} == {"2026-01-01T00:00:00.000001+00:00"}
    (run,) = project.runs()
    counts = [
        event["data"]["rows"]
        for event in project.events(run["run_id"])
        if event["name"] == "DataExtracted"
    ]
    assert len(counts) == 4
    assert sum(counts) == 2000, "parts overlap"
    assert max(counts) < 1000, "one part did the work of the others"
    reads = [s for s in oracle_server.statements(mark) if "ROWID BETWEEN" in s["sql"]]
    assert len({s["session"] for s in reads}) == 4

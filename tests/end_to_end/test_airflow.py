"""A rendered DAG in a real Airflow: a worker is killed, and nothing is lost."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import httpx
import psycopg
import pytest
from end_to_end.rendered_project import ROOT, Project
from fakes.wms.auth import USER
from outputs.conftest import airflow
from servers import postgres
from servers import slapd as slapd_server
from servers.oracle_server import oracle_server

__all__ = ["airflow", "oracle_server"]
pytestmark = [
    pytest.mark.end_to_end,
    pytest.mark.servers,
    pytest.mark.timeout(420),
]
DAG = "customer-data-synchronization"
CUSTOMERS = 8000
ECOSYSTEM = """\
version: 1
project: airflow-end-to-end
warehouse:
  {{system: postgres, host: 127.0.0.1, port: {postgres}, database: postgres,
    username: postgres, password: "${{E2E_WAREHOUSE}}"}}
connections:
  oracle-prod: {{system: oracle, host: {oracle.host}, port: {oracle.port},
    service_name: {oracle.service_name}, username: {oracle.user},
    password: "${{E2E_ORACLE}}"}}
  active-directory: {{system: ldap, url: "{ldap}", bind_dn: "{root_dn}",
    password: "${{E2E_LDAP}}", search_base: "{suffix}", insecure_plain_text: true}}
  wms-staging: {{system: oracle-wms, base_url: "{wms}", insecure_http: true,
    username: {wms_user}, password: "${{E2E_WMS}}"}}
environments: [development]
outputs: [meltano, dbt, airflow]
pipelines:
  - name: customer-data-synchronization
    steps:
      - name: extract-oracle-customers
        service: flext-tap-oracle
        config:
          connection: oracle-prod
          streams: [APP-CUSTOMERS]
          replication_method: FULL_TABLE
          partition: {{count: 4}}
          chunk_blocks: 1
      - name: transform-customer-data
        service: flext-dbt-oracle
        depends_on: [extract-oracle-customers]
        config: {{models: [directory_people, wms_items]}}
      - name: update-ldap-directory
        service: flext-target-ldap
        depends_on: [transform-customer-data]
        config: {{connection: active-directory, model: directory_people,
          operation: upsert}}
      - name: sync-wms-customers
        service: flext-target-oracle-wms
        depends_on: [transform-customer-data]
        config: {{connection: wms-staging, model: wms_items, stream: item}}
"""
PEOPLE = """\
select 'uid=c' || customer_id || ',ou=people,dc=example,dc=com' as dn,
  'inetOrgPerson' as "objectClass", 'c' || customer_id as uid,
  name as cn, name as sn
from {{ source('oracle_prod', 'app-customers') }} where customer_id <= 50
"""
ITEMS = """\
select 'C1' as company_code, 'C' || customer_id as item_alternate_code,
  'C' || customer_id as part_a, name as description
from {{ source('oracle_prod', 'app-customers') }} where customer_id <= 50
"""


class Airflow:
    """api-server, scheduler with LocalExecutor and dag-processor."""

    def __init__(self, bin_folder, home, dags, database, env):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.bin, self.home = bin_folder, home
        home.mkdir()
        self.env = {
            **os.environ,
            "PATH": f"{bin_folder}:{os.environ['PATH']}",
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": (
                f"http://127.0.0.1:{self.port}/execution/"
            ),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__API_AUTH__JWT_SECRET": "only-for-this-test-" * 4,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": (
                "5"
            ),
            **env,
        }
        self.processes = []

    def __enter__(self):
        self.command("db", "migrate")
        self.start("api-server", "--port", str(self.port), "--host", "127.0.0.1")
        self.start("scheduler")
        self.start("dag-processor")
        return self

    def __exit__(self, *_):
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def start(self, *arguments):
        with (self.home / f"{arguments[0]}.log").open("wb") as log:
            self.processes.append(
                subprocess.Popen(
                    [self.bin / "airflow", *arguments],
                    env=self.env, stdout=log, stderr=log, start_new_session=True,
                )
            )  # fmt: skip

    def command(self, *arguments):
        done = subprocess.run(
            [self.bin / "airflow", *arguments],
            env=self.env, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    def api(self, method, path, **body):
        url = f"http://127.0.0.1:{self.port}/api/v2/dags/{DAG}{path}"
        answer = httpx.request(
            method, url, json=body or None, headers=self.token(), timeout=20
        )
        answer.raise_for_status()
        return answer.json()

    def token(self):
        url = f"http://127.0.0.1:{self.port}/auth/token"
        token = httpx.get(url, timeout=20).json()["access_token"]
        return {"Authorization": f"Bearer {token}"}

    def tasks(self, run):
        found = self.api("GET", f"/dagRuns/{run}/taskInstances")["task_instances"]
        return {task["task_id"]: task for task in found}

    def logs(self):
        return "\n".join(
            f"== {path}\n{path.read_text('utf-8', 'replace')[-3000:]}"
            for path in sorted(self.home.rglob("*.log"))
        )


def until(what, condition, seconds):
    """Waits for a condition that may not be answerable yet."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.HTTPError):
            if found := condition():
                return found
        time.sleep(0.2)
    raise AssertionError(f"not within {seconds} s: {what}")


def loading_target():
    """The process that loads the second part, once it runs."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_text("utf-8", "replace").split("\0")
            if any("/flext-target-warehouse" in word for word in words[:2]) and any(
                f"--{DAG}--extract-oracle-customers--p2/" in word for word in words
            ):
                return int(folder.name)
    return None


def parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@contextlib.contextmanager
def wms_stand():
    process = subprocess.Popen(
        [sys.executable, "-m", "fakes.wms", "--rows", "0"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests")},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


def test_a_killed_worker_loses_and_doubles_nothing(airflow, oracle_server, tmp_path):
    if postgres.find_programs() is None:
        pytest.skip(postgres.MISSING)
    if slapd_server.SLAPD is None:
        pytest.skip(slapd_server.MISSING)
    oracle_server.drop_everything()
    oracle_server.execute(
        "CREATE TABLE CUSTOMERS (CUSTOMER_ID NUMBER(10) PRIMARY KEY,"
        " NAME VARCHAR2(100))",
        "INSERT INTO CUSTOMERS SELECT LEVEL, 'name ' || LEVEL FROM DUAL"
        f" CONNECT BY LEVEL <= {CUSTOMERS}",
    )
    (tmp_path / "slapd").mkdir()
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(postgres.Postgres())
        with psycopg.connect(database.url(), autocommit=True) as connection:
            connection.execute("CREATE DATABASE airflow")
            connection.execute("CREATE DATABASE meltano")
        directory = slapd_server.Slapd(tmp_path / "slapd")
        directory.load(slapd_server.BASE_LDIF)
        stack.enter_context(directory)
        wms = stack.enter_context(wms_stand())
        project = rendered(tmp_path, database, oracle_server, directory, wms)
        address = f"postgres:{postgres.PASSWORD}@127.0.0.1:{database.port}"
        cluster = Airflow(
            airflow,
            tmp_path / "home",
            project.root / "deploy/airflow/development",
            f"postgresql+psycopg2://{address}/airflow",
            {
                "FLEXCORE_PROJECT": str(project.root),
                "FLEXCORE_BIN": str(Path(sys.executable).parent),
                "MELTANO_DATABASE_URI": f"postgresql+psycopg2://{address}/meltano",
                "E2E_WAREHOUSE": postgres.PASSWORD,
                "E2E_ORACLE": oracle_server.password,
                "E2E_LDAP": slapd_server.ROOT_PASSWORD,
                "E2E_WMS": USER[1],
            },
        )
        stack.enter_context(cluster)
        try:
            tasks = run_and_kill(cluster)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{cluster.logs()}") from None

        assert {t["state"] for t in tasks.values()} == {"success"}
        killed = tasks["extract-oracle-customers--p2"]
        assert killed["try_number"] > 1, "the kill hit nothing"
        with psycopg.connect(database.url()) as warehouse:
            rows = warehouse.execute(
                'SELECT customer_id, name FROM raw_oracle_prod."app-customers"'
            ).fetchall()
        source = oracle_server.query("SELECT CUSTOMER_ID, NAME FROM CUSTOMERS")
        assert Counter((int(n), name) for n, name in rows) == Counter(source)
        assert directory.dump().count("dn: uid=c") == 50
        host = wms.rsplit("/", 1)[0]
        items = httpx.get(f"{host}/__sim__/truth/item", timeout=20).json()
        assert sorted(row["item_alternate_code"] for row in items) == sorted(
            f"C{n}" for n in range(1, 51)
        )
        events = all_events(project)
        assert len({e["correlation_id"] for e in events}) == 1
        assert [e["name"] for e in events].count("PipelineLost") == 1
        begun = [e["data"] for e in events if e["name"] == "PipelineStarted"]
        (correlation,) = {e["correlation_id"] for e in events}
        assert {e["openlineage_root"] for e in begun} == {
            f"default/{DAG}/{correlation}"
        }
        above = [e["openlineage_parent"].rsplit("/", 1) for e in begun]
        names = {f"default/{DAG}.{name}" for name in tasks} - {f"default/{DAG}.prepare"}
        assert {name for name, _ in above} == names
        assert len({run for _, run in above}) == len(begun), "each try is its own run"


def run_and_kill(cluster):
    """One DAG run to its end, with the worker of a part killed in the middle."""
    until("the DAG is known", lambda: cluster.api("GET", ""), 90)
    cluster.api("PATCH", "", is_paused=False)
    cluster.api("POST", "/dagRuns", dag_run_id="first", logical_date=None)
    target = until("a part that loads", loading_target, 90)
    meltano = parent(target)
    shell = parent(meltano)
    worker = parent(shell)
    # Worker first, or it would report the failure: nobody is left to say anything.
    for pid in (worker, shell, meltano, target):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    state = until(
        "the end of the DAG run",
        lambda: (
            found
            if (found := cluster.api("GET", "/dagRuns/first")["state"])
            in {"success", "failed"}
            else None
        ),
        200,
    )
    assert state == "success", json.dumps(cluster.tasks("first"), indent=1)
    return cluster.tasks("first")


def rendered(tmp_path, database, oracle, directory, wms):
    root = tmp_path / "project"
    models = root / "transform" / "models"
    models.mkdir(parents=True)
    (models / "directory_people.sql").write_text(PEOPLE, "utf-8")
    (models / "wms_items.sql").write_text(ITEMS, "utf-8")
    text = ECOSYSTEM.format(
        postgres=database.port,
        oracle=oracle,
        ldap=directory.url,
        root_dn=slapd_server.ROOT_DN,
        suffix=slapd_server.SUFFIX,
        wms=wms,
        wms_user=USER[0],
    )
    (root / "ecosystem.yaml").write_text(text, "utf-8")
    project = Project(root)
    project.run("flexcore-gen", "generate")
    # The default delay is for production; the DAG is otherwise as rendered.
    dag = root / "deploy/airflow/development/customer_data_synchronization.py"
    code = dag.read_text("utf-8")
    assert "'retry_delay_minutes': 5" in code
    quick = code.replace("'retry_delay_minutes': 5", "'retry_delay_minutes': 0.05")
    dag.write_text(quick)
    return project


def all_events(project):
    return json.loads(project.run("flexcore-gen", "events", "--json").stdout)

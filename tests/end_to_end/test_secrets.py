"""DESIGN §9.3: planted secrets are found nowhere afterwards."""

import os
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest
from end_to_end.rendered_project import Project

pytestmark = pytest.mark.end_to_end

CANARY = "Canary-7f3a9c-Pa55/w0rd"
ECOSYSTEM = """\
version: 1
project: secrets
warehouse: {system: duckdb, path: data/warehouse.duckdb}
connections:
  people:
    system: ldap
    url: "ldap://127.0.0.1:9"
    bind_dn: "cn=x"
    password: "${AD_PW}"
    search_base: "dc=x"
  erp:
    system: oracle
    host: 127.0.0.1
    port: 9
    service_name: X
    username: scott
    password: "${ERP_PW}"
  wms:
    system: oracle-wms
    base_url: "https://127.0.0.1:9/x"
    username: u
    password: "${WMS_PW}"
environments: [development]
outputs: [meltano, dbt]
"""
PIPELINE = """\
pipeline:
  name: {name}
  steps:
    - {{name: extract, service: {tap}, config: {{connection: {connection}}}}}
    - {{name: model, service: {dbt}, depends_on: [extract]}}
"""


@pytest.fixture
def project(tmp_path):
    root = tmp_path / "project"
    (root / "pipelines").mkdir(parents=True)
    (root / "ecosystem.yaml").write_text(ECOSYSTEM, "utf-8")
    for name, tap, connection, dbt in (
        ("ldap", "flext-tap-ldap", "people", "flext-dbt-ldap"),
        ("oracle", "flext-tap-oracle", "erp", "flext-dbt-oracle"),
    ):
        text = PIPELINE.format(name=name, tap=tap, connection=connection, dbt=dbt)
        (root / "pipelines" / f"{name}.yaml").write_text(text, "utf-8")
    return Project(root)


def test_no_file_log_event_or_command_line_holds_a_secret(project, tmp_path):
    env = {
        **os.environ,
        "AD_PW": CANARY,
        "ERP_PW": CANARY,
        "WMS_PW": CANARY,
        "XDG_STATE_HOME": str(project.root / "state-home"),
    }
    printed = project.run("flexcore-gen", "generate", "--diff", **env).stdout
    printed += project.run("flexcore-gen", "plan", **env).stdout
    lines = set()
    for pipeline in ("ldap", "oracle"):
        command = ["meltano", "--log-level=debug", "run", pipeline]
        log = tmp_path / f"{pipeline}.log"
        with (
            log.open("wb") as out,
            subprocess.Popen(
                command, cwd=project.root, env=env, stdout=out, stderr=out
            ) as process,
        ):
            deadline = time.monotonic() + 120
            while process.poll() is None and time.monotonic() < deadline:
                lines |= command_lines(project.root)
        printed += log.read_text("utf-8", "replace")
        assert process.returncode != 0, "nobody listens at port 9"
    printed += project.run("flexcore-gen", "runs", "latest", **env).stdout
    printed += project.run("flexcore-gen", "events", "--json", **env).stdout

    assert CANARY not in printed
    assert not [line for line in lines if CANARY in line]
    found = [
        path
        for path in project.root.rglob("*")
        if path.is_file() and CANARY.encode() in path.read_bytes()
    ]
    assert found == []
    with sqlite3.connect(project.root / ".flexcore" / "events.db") as store:
        assert CANARY not in "".join(store.iterdump())


def command_lines(root):
    """Command lines of the processes that work in the project."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if str(root) in str((folder / "cwd").readlink()):
                found.add((folder / "cmdline").read_bytes().decode("utf-8", "replace"))
        except OSError:
            continue  # it ended, or is not ours
    return found

"""The rendered DAG is the plan, in real Airflow, and no value becomes its code."""

import ast
import json
import os
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flexcore_gen.environments import as_seen_in
from flexcore_gen.outputs.airflow import dag_data, literal
from flexcore_gen.plan import plan_files
from flexcore_gen.render import render

pytestmark = pytest.mark.timeout(300)

ECOSYSTEM = """\
version: 1
project: acme
warehouse: {system: postgres, host: 127.0.0.1, database: w, username: u,
  password: "${W}"}
connections:
  oracle-prod: {system: oracle, host: h, service_name: s, username: u,
    password: "${O}"}
  directory: {system: ldif, output_path: out/people.ldif}
environments: [development, production]
outputs: [meltano, dbt, airflow]
pipelines:
  - name: customer-data-synchronization
    description: Customers' "names"
    schedule: "0 2 * * *"
    steps:
      - name: extract-customers
        service: flext-tap-oracle
        config:
          connection: oracle-prod
          streams: [APP-CUSTOMERS]
          partition: {count: 4}
      - name: transform
        service: flext-dbt-oracle
        depends_on: [extract-customers]
        config: {model: customer_normalization}
      - name: export
        service: flext-target-ldif
        depends_on: [transform]
        config: {connection: directory, model: customer_normalization}
"""
INSPECT = """\
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1])
print("DAGS" + json.dumps({"errors": bag.import_errors, "dags": {
    name: {
        "schedule": dag.schedule, "max_active_runs": dag.max_active_runs,
        "catchup": dag.catchup,
        "tasks": {t.task_id: {
            "needs": sorted(t.upstream_task_ids), "retries": t.retries,
            "timeout": t.execution_timeout.total_seconds(), "bash": t.bash_command,
            "image": t.executor_config["pod_override"].spec.containers[0].image
            if t.executor_config else None,
            "templated": list(t.template_fields),
        } for t in dag.tasks},
    } for name, dag in bag.dags.items()}}))
"""


def test_airflow_reads_the_dag_and_its_edges_parts_and_limits_are_the_plan(
    planned, airflow, tmp_path
):
    project = planned(ECOSYSTEM)
    found = inspect(airflow, written(project, tmp_path), tmp_path / "home")

    assert found["errors"] == {}
    (dag,) = found["dags"].values()
    assert (dag["schedule"], dag["max_active_runs"], dag["catchup"]) == (
        "0 2 * * *",
        1,
        False,
    )
    tasks = dag["tasks"]
    (plan,) = project.pipelines
    edges = {t.name: sorted(t.needs) or ["prepare"] for t in plan.tasks}
    parts = [f"extract-customers--p{n}" for n in range(1, 5)]
    assert edges["transform"] == parts
    assert {k: v["needs"] for k, v in tasks.items()} == {"prepare": [], **edges}
    assert all(t["retries"] == 2 and t["timeout"] == 14400 for t in tasks.values())
    assert not any(t["templated"] for t in tasks.values())
    for task in plan.tasks:
        assert f" {task.blocks} || exit" in tasks[task.name]["bash"]


def dags(project, environment="production"):
    folder = f"deploy/airflow/{environment}/"
    return [file for file in plan_files(project) if file.path.startswith(folder)]


def written(project, root):
    """The folder of the DAG files of production."""
    folder = root / "deploy" / "airflow" / "production"
    folder.mkdir(parents=True)
    for file in dags(project):
        (root / file.path).write_bytes(render(file, "ecosystem.yaml").content)
    return folder


def seen_in(project, name):
    """The project as its outputs see it in one environment."""
    ecosystem = project.ecosystem
    (chosen,) = (e for e in ecosystem.environments if e.name == name)
    return replace(project, ecosystem=as_seen_in(ecosystem, chosen, name))


def inspect(airflow, folder, home):
    env = {**os.environ, "AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "0"}
    done = subprocess.run(
        [airflow / "python", "-c", INSPECT, folder],
        env=env, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    line = next(x for x in done.stdout.splitlines() if x.startswith("DAGS"))
    return json.loads(line.removeprefix("DAGS"))


hostile = st.one_of(
    st.text(),
    st.sampled_from(
        ['"""', "'''\nimport os", "{{ 7*7 }}", "[= plan =]", "\\", "é\\é", "\x00\r\n"]
    ),
)


@given(hostile, hostile, hostile)
def test_no_value_changes_the_code_around_it(description, schedule, name):
    data = {"description": description, "schedule": schedule, "tasks": [{"name": name}]}
    assert ast.literal_eval(literal(data)) == data


def test_only_the_literal_differs_between_two_dags(planned):
    hostile_text = '\'""" + [= y =] #\''
    text = ECOSYSTEM.replace('Customers\' "names"', hostile_text)
    codes = []
    for source in (ECOSYSTEM, text):
        project = planned(source)
        (file,) = dags(project)
        tree = ast.parse(render(file, "e").content)
        (data,) = (
            n
            for n in tree.body
            if isinstance(n, ast.Assign) and n.targets[0].id == "PIPELINE"
        )
        assert ast.literal_eval(data.value) == dag_data(
            seen_in(project, "production"), project.pipelines[0]
        )
        tree.body.remove(data)
        codes.append(ast.dump(tree))
    assert codes[0] == codes[1]


def test_the_dag_imports_nothing_of_flexcore(planned):
    (file,) = dags(planned(ECOSYSTEM))
    imported = {
        (getattr(n, "module", None) or n.names[0].name).split(".")[0]
        for n in ast.walk(ast.parse(render(file, "e").content))
        if isinstance(n, (ast.Import, ast.ImportFrom))
    }
    assert not [name for name in imported if name.startswith("flex")]


def test_an_environment_has_its_own_limits(planned, tmp_path):
    overlay = tmp_path / "config" / "production.yaml"
    overlay.parent.mkdir()
    overlay.write_text("deploy: {runs: {retries: 7}}\n", "utf-8")
    project = planned(ECOSYSTEM)
    found = {}
    for name in ("development", "production"):
        (file,) = dags(project, name)
        found[name] = file.context["plan"]
    assert "'retries': 2" in found["development"]
    assert "'retries': 7" in found["production"]
    assert "'environment': 'production'" in found["production"]


def test_a_step_called_prepare_leaves_the_name_to_the_preparation(planned):
    project = planned(ECOSYSTEM.replace("transform", "prepare"))
    names = [t["name"] for t in dag_data(project, project.pipelines[0])["tasks"]]
    assert "prepare--step" in names
    assert "prepare" not in names


def test_the_kubernetes_executor_runs_the_same_tasks_in_the_image(
    planned, airflow, tmp_path
):
    deploy = (
        "deploy: {time_zone: Europe/Berlin, image: {repository: r/flexcore, tag: '1'},"
        " airflow: {executor: KubernetesExecutor}, runs: {retries: 4}}\n"
    )
    project = planned(ECOSYSTEM.replace("pipelines:\n", deploy + "pipelines:\n"))

    found = inspect(airflow, written(project, tmp_path), tmp_path / "home")

    assert found["errors"] == {}
    (dag,) = found["dags"].values()
    assert {t["image"] for t in dag["tasks"].values()} == {"r/flexcore:1"}
    assert {t["retries"] for t in dag["tasks"].values()} == {4}


PROVIDER = (
    "apache-airflow-providers-openlineage==2.20.3",
    "openlineage-python==1.54.0",
    "openlineage-integration-common==1.54.0",
    "openlineage-sql==1.54.0",
    "httpx2==2.16.2",
    "httpcore2==2.16.2",
)
SMALL = """\
version: 1
project: acme
warehouse: {system: postgres, host: h, database: w, username: u, password: "${W}"}
connections: {people: {system: ldif, path: people.ldif}}
environments: [production]
outputs: [meltano, dbt, airflow]
pipelines:
  - name: people
    steps:
      - {name: extract, service: flext-tap-ldif, config: {connection: people}}
"""


def test_runs_hang_below_the_task_that_airflows_own_provider_reports(
    planned, airflow, tmp_path
):
    provider, home = tmp_path / "provider", tmp_path / "home"
    subprocess.run(
        ["uv", "pip", "install", "-q", "--no-deps", "--target", provider,
         "--python", airflow / "python", *PROVIDER],
        check=True, timeout=120,
    )  # fmt: skip
    folder = written(planned(SMALL), tmp_path)
    for name in ("meltano", "flexcore-gen"):
        command = tmp_path / "bin" / name
        command.parent.mkdir(exist_ok=True)
        command.write_text(
            f'#!/bin/sh\necho "$OPENLINEAGE_PARENT_ID $OPENLINEAGE_ROOT_PARENT_ID" >>'
            f" {tmp_path}/{name}.said\n"
        )
        command.chmod(0o755)
    transport = {"type": "file", "log_file_path": f"{home}/emitted", "append": True}
    env = {
        **os.environ,
        "PYTHONPATH": str(provider),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "0",
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder),
        "AIRFLOW__OPENLINEAGE__NAMESPACE": "acme/airflow",
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport),
        "FLEXCORE_BIN": str(tmp_path / "bin"),
        "FLEXCORE_PROJECT": str(tmp_path),
    }
    for words in (("db", "migrate"), ("dags", "test", "people")):
        done = subprocess.run(
            [airflow / "airflow", *words],
            env=env, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    emitted = [json.loads(line) for line in (home / "emitted").read_text().splitlines()]
    (task,) = {
        each["run"]["runId"]
        for each in emitted
        if each["job"]["name"] == "people.extract"
    }
    (dag,) = {e["run"]["runId"] for e in emitted if e["job"]["name"] == "people"}
    assert (tmp_path / "flexcore-gen.said").read_text().split() == [
        f"acme/airflow/people.extract/{task}",
        f"acme/airflow/people/{dag}",
    ]

# Written by flexcore-gen; do not edit. To own it, add its path to `owned`.
"""One pipeline as an Airflow 3 DAG: see docs/how-to/run-on-airflow.md.

Only the data below differs between pipelines. Nothing in it is rendered by Jinja
or read as code, and nothing of FlexCore is imported: tasks start its commands.

On the machines of the workers:
    FLEXCORE_PROJECT  the project's folder (default: three folders above this file)
    FLEXCORE_BIN      where meltano and flexcore-gen are (default: its .venv/bin)
"""

from __future__ import annotations

import os
import shlex
import uuid
from datetime import timedelta
from pathlib import Path

import pendulum
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

PIPELINE = {'name': 'orders',
 'description': '',
 'environment': 'production',
 'schedule': '0 2 * * *',
 'time_zone': 'Europe/Berlin',
 'retries': 4,
 'retry_delay_minutes': 5,
 'timeout_minutes': 60,
 'image': None,
 'tasks': [{'name': 'read-orders--p1',
            'blocks': ['flext-tap-oracle--orders--read-orders--p1',
                       'flext-target-warehouse--orders--read-orders--p1'],
            'needs': []},
           {'name': 'read-orders--p2',
            'blocks': ['flext-tap-oracle--orders--read-orders--p2',
                       'flext-target-warehouse--orders--read-orders--p2'],
            'needs': []},
           {'name': 'model-orders',
            'blocks': ['dbt:build-orders'],
            'needs': ['read-orders--p1', 'read-orders--p2']}]}

PROJECT = os.environ.get("FLEXCORE_PROJECT") or str(Path(__file__).resolve().parents[3])
BIN = os.environ.get("FLEXCORE_BIN") or str(Path(PROJECT, ".venv", "bin"))

# Meltano's own exit code first; then what the run itself recorded as its end.
RUN = """\
umask 077
meltano --environment "$FLEXCORE_ENVIRONMENT" run --run-id "$FLEXCORE_ENGINE_RUN" {blocks} || exit $?
exec flexcore-gen runs "$FLEXCORE_ENGINE_RUN" --status success
"""
# Meltano's database is made before tasks start side by side.
PREPARE = """\
umask 077
exec meltano --environment "$FLEXCORE_ENVIRONMENT" state list
"""


class FlexCoreTask(BashOperator):
    """A command of the project; Jinja renders none of its fields."""

    template_fields = ()

    def get_env(self, context):
        """The worker's environment, the project's commands and the run's ids."""
        env = super().get_env(context)
        root = f"{context['dag'].dag_id}/{context['run_id']}"
        env["PATH"] = os.pathsep.join([BIN, env.get("PATH", os.defpath)])
        env["MELTANO_PROJECT_ROOT"] = PROJECT
        env["FLEXCORE_ENVIRONMENT"] = PIPELINE["environment"]
        env["FLEXCORE_PIPELINE"] = PIPELINE["name"]
        env["FLEXCORE_CORRELATION_ID"] = str(uuid.uuid5(uuid.NAMESPACE_URL, root))
        env["FLEXCORE_ENGINE_RUN"] = str(uuid.uuid4())
        env.update(lineage_above(context, env))
        return env


def lineage_above(context, env):
    """The OpenLineage runs above this try: `namespace/job/run id` of task and DAG.

    As the provider names them in what it emits, where it is installed; else ids made
    from the same facts, with the correlation id as root.
    """
    task = context["ti"]
    try:
        from airflow.providers.openlineage.plugins import macros

        parent = macros.lineage_parent_id(task)
        root = macros.lineage_root_parent_id(task)
    except Exception:  # Not installed, or not of this version: lineage fails no task.
        names = ("AIRFLOW__OPENLINEAGE__NAMESPACE", "OPENLINEAGE_NAMESPACE")
        namespace = next((env[name] for name in names if env.get(name)), "default")
        dag_run = env["FLEXCORE_CORRELATION_ID"]
        this_try = f"{task.task_id}/{task.map_index}/{task.try_number}"
        run = uuid.uuid5(uuid.UUID(dag_run), this_try)
        parent = f"{namespace}/{task.dag_id}.{task.task_id}/{run}"
        root = f"{namespace}/{task.dag_id}/{dag_run}"
    return {"OPENLINEAGE_PARENT_ID": parent, "OPENLINEAGE_ROOT_PARENT_ID": root}


def executor_config():
    """The pod of a task, where an image is asked for: the Kubernetes executor."""
    if not PIPELINE["image"]:
        return None
    from kubernetes.client import models as k8s

    container = k8s.V1Container(name="base", image=PIPELINE["image"])
    return {"pod_override": k8s.V1Pod(spec=k8s.V1PodSpec(containers=[container]))}


with DAG(
    dag_id=PIPELINE["name"],
    description=PIPELINE["description"] or None,
    schedule=PIPELINE["schedule"],
    start_date=pendulum.datetime(2026, 1, 1, tz=PIPELINE["time_zone"]),
    catchup=False,
    max_active_runs=1,
    tags=["flexcore"],
    default_args={
        "cwd": PROJECT,
        "append_env": True,
        "skip_on_exit_code": None,
        "retries": PIPELINE["retries"],
        "retry_delay": timedelta(minutes=PIPELINE["retry_delay_minutes"]),
        "execution_timeout": timedelta(minutes=PIPELINE["timeout_minutes"]),
        "executor_config": executor_config(),
    },
) as dag:
    prepare = FlexCoreTask(task_id="prepare", bash_command=PREPARE)
    tasks = {}
    for task in PIPELINE["tasks"]:
        tasks[task["name"]] = FlexCoreTask(
            task_id=task["name"],
            bash_command=RUN.format(blocks=shlex.join(task["blocks"])),
        )
    for task in PIPELINE["tasks"]:
        for name in task["needs"]:
            tasks[name] >> tasks[task["name"]]
        if not task["needs"]:
            prepare >> tasks[task["name"]]

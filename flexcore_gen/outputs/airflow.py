"""deploy/airflow/<environment>: one DAG file per pipeline, from its plan.

A DAG file is constant code and one literal of data, written by `repr`: no value
can become code. Meltano's task names are Airflow's task ids, with `prepare` first.
"""

from __future__ import annotations

import pprint
from typing import TYPE_CHECKING, Any

from flexcore_gen.plan import PlannedFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flexcore_gen.plan import Project
    from flexcore_gen.tasks import PipelinePlan

FOLDER = "deploy/airflow"
PREPARE = "prepare"


def plan_files(project: Project) -> Iterator[PlannedFile]:
    """A DAG file per pipeline, for the project's one environment."""
    folder = f"{FOLDER}/{project.ecosystem.default_environment}"
    for plan in project.pipelines:
        yield PlannedFile(
            f"{folder}/{plan.pipeline.name.replace('-', '_')}.py",
            template="airflow/dag.py.jinja",
            context={"plan": literal(dag_data(project, plan))},
            sources=(plan.pipeline.mark, *(s.mark for s in plan.pipeline.steps)),
        )


def dag_data(project: Project, plan: PipelinePlan) -> dict[str, Any]:
    """All that a DAG file knows: plain data, and no secret."""
    ecosystem = project.ecosystem
    deployment = ecosystem.deployment
    runs = deployment.runs
    has_pods = deployment.airflow.executor == "KubernetesExecutor"
    return {
        "name": plan.pipeline.name,
        "description": plan.pipeline.description,
        "environment": ecosystem.default_environment,
        "schedule": plan.pipeline.schedule,
        "time_zone": deployment.time_zone,
        "retries": runs.retries,
        "retry_delay_minutes": runs.retry_delay_minutes,
        "timeout_minutes": runs.timeout_minutes,
        "image": deployment.image.reference if has_pods else None,
        "tasks": [
            {
                "name": task_id(task.name),
                "blocks": task.blocks.split(" "),
                "needs": [task_id(need) for need in task.needs],
            }
            for task in plan.tasks
        ],
    }


def task_id(name: str) -> str:
    """The Airflow id of a task; a step called `prepare` makes room for ours."""
    return f"{name}--step" if name == PREPARE else name


def literal(data: Any) -> str:  # noqa: ANN401 - any plain data
    """Plain data as Python source, in ASCII and insertion order."""
    text = pprint.pformat(data, width=84, sort_dicts=False)
    # Only texts hold other characters, and in a text an escape means the same.
    return text.encode("ascii", "backslashreplace").decode()

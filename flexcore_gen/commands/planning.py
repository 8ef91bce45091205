"""`flexcore-gen plan`: the tasks that pipelines become."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flexcore_gen import report
from flexcore_gen.errors import FlexCoreError, suggest
from flexcore_gen.project import open_project

if TYPE_CHECKING:
    from flexcore_gen.tasks import PipelinePlan, Task

_SAYS = {
    "land": "lands in the warehouse",
    "direct": "goes straight to the target",
    "load": "is read from the warehouse",
    "build": "is built by dbt",
}


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=Path())
@click.option("--pipeline", "only", help="Show only this pipeline.")
@click.option("--json", "as_json", is_flag=True, help="Answer for machines.")
def plan(path: Path, *, only: str | None, as_json: bool) -> int:
    """Show the tasks that pipelines become.

    PATH is as for validate.
    """
    project = open_project(path)
    plans = project.pipelines
    if only:
        plans = tuple(p for p in plans if p.pipeline.name == only)
        if not plans:
            names = [p.pipeline.name for p in project.pipelines]
            raise FlexCoreError(
                f'no pipeline is called "{only}"', fix=suggest(only, names)
            )
    if as_json:
        report.answer_json(
            {
                "project": project.ecosystem.project,
                "pipelines": [_as_data(p) for p in plans],
                "problems": report.problems_as_data(project.ecosystem.remarks),
            }
        )
        return 0
    for remark in project.ecosystem.remarks:
        if remark.severity == "note":
            report.answer(f"{remark.mark}: {remark.what}")
    report.tell_problems(r for r in project.ecosystem.remarks if r.severity != "note")
    for pipeline_plan in plans:
        schedule = pipeline_plan.pipeline.schedule
        report.answer(
            f"{pipeline_plan.pipeline.name}" + (f"  ({schedule})" if schedule else "")
        )
        for number, task in enumerate(pipeline_plan.tasks, 1):
            after = f"  after {', '.join(task.needs)}" if task.needs else ""
            report.answer(
                f"  {number}. {' + '.join(task.steps)} {_SAYS[task.kind]}{after}"
            )
            report.answer(f"     meltano run {task.blocks}")
    if not plans:
        report.answer("no pipelines")
    return 0


def _as_data(plan: PipelinePlan) -> dict[str, Any]:
    return {
        "name": plan.pipeline.name,
        "schedule": plan.pipeline.schedule,
        "tasks": [_task(task) for task in plan.tasks],
    }


def _task(task: Task) -> dict[str, Any]:
    return {
        "name": task.name,
        "kind": task.kind,
        "steps": list(task.steps),
        "needs": list(task.needs),
        "run": task.blocks,
    }

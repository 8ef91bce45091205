"""`flexcore-gen validate`: every problem of an ecosystem in one run."""

from __future__ import annotations

from pathlib import Path

import click

from flexcore_gen import report
from flexcore_gen.errors import EXIT_BAD_INPUT, InvalidEcosystemError
from flexcore_gen.plan import plan_files
from flexcore_gen.project import open_project


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=Path())
@click.option("--json", "as_json", is_flag=True, help="Answer for machines.")
def validate(path: Path, *, as_json: bool) -> int:
    """Check an ecosystem, or one of its files.

    PATH is a folder with ecosystem.yaml (default: this one), that file, or a
    single pipeline, request, connection or environment file.

    Errors go to stderr as file:line:column; what an input became goes to
    stdout. Exit code 2 if there are errors.
    """
    try:
        project = open_project(path)
        plan_files(project)
    except InvalidEcosystemError as error:
        if not as_json:
            raise
        report.answer_json(
            {"valid": False, "problems": report.problems_as_data(error.problems)}
        )
        return EXIT_BAD_INPUT
    ecosystem = project.ecosystem
    if as_json:
        report.answer_json(
            {
                "valid": True,
                "project": ecosystem.project,
                "problems": report.problems_as_data(ecosystem.remarks),
            }
        )
        return 0
    for remark in ecosystem.remarks:
        if remark.severity == "note":
            report.answer(f"{remark.mark}: {remark.what}")
    report.tell_problems(r for r in ecosystem.remarks if r.severity != "note")
    report.answer(
        f"{ecosystem.source} is valid: "
        f"{report.count(len(ecosystem.connections), 'connection')}, "
        f"{report.count(len(ecosystem.pipelines), 'pipeline')}, "
        f"environments {', '.join(e.name for e in ecosystem.environments)}"
    )
    return 0

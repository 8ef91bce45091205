"""`flexcore-gen schedule`: runs pipelines at their times, in the foreground."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from flexcore_gen.ecosystem import load_ecosystem
from flexcore_gen.environments import environment_of
from flexcore_gen.errors import FlexCoreError
from flexcore_gen.scheduling import Scheduler


@click.command()
@click.argument("path", type=click.Path(path_type=Path), default=Path())
@click.option(
    "--environment",
    envvar="MELTANO_ENVIRONMENT",
    help="Meltano's environment; default: the project's.",
)
def schedule(path: Path, environment: str | None) -> int:
    """Run pipelines at their times until SIGTERM or Ctrl-C.

    One after the other where the warehouse is DuckDB. A pipeline that still runs is
    not started again; times that passed before the start are not made up for.
    """
    ecosystem = load_ecosystem(path)
    chosen = environment_of(ecosystem, environment or ecosystem.default_environment)
    name = chosen.name
    schedules = {p.name: p.schedule for p in ecosystem.pipelines if p.schedule}
    if not schedules:
        raise FlexCoreError(
            "no pipeline has a schedule", where=str(ecosystem.mark), fix="add one"
        )
    deployment = ecosystem.deployment_in(chosen)
    try:
        zone = ZoneInfo(deployment.time_zone)
    except ZoneInfoNotFoundError as error:
        raise FlexCoreError(
            f'the time zone "{deployment.time_zone}" is not known here',
            where="deploy.time_zone",
            fix="write it as Europe/Berlin, or install tzdata",
        ) from error
    Scheduler(
        schedules,
        lambda pipeline: [
            "meltano",
            "--cwd",
            str(ecosystem.folder),
            "--environment",
            name,
            "run",
            pipeline,
        ],
        zone,
        one_at_a_time=ecosystem.warehouse_in(chosen).system == "duckdb",
    ).run()
    return 0

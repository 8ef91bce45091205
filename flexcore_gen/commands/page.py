"""`flexcore-gen report`: runs, timeline, lineage and failures as one HTML file."""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flexcore_gen import report as output
from flexcore_gen.errors import EXIT_NOT_WRITTEN, FlexCoreError
from flexcore_gen.events.command_place import Place, store_option
from flexcore_gen.events.store import StoreError
from flexcore_gen.project import open_project
from flexcore_gen.run_report.collect import recent_runs
from flexcore_gen.run_report.lineage import lineage
from flexcore_gen.run_report.page import render_page

if TYPE_CHECKING:
    from flexcore_gen.events.run_state import RunState
    from flexcore_gen.run_report.lineage import Lineage

_DBT_DOCS = ("transform/target/static_index.html", "transform/target/index.html")


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("report.html"),
    show_default=True,
    help="The file that is written.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=200,
    show_default=True,
    help="How many runs at most.",
)
@store_option
def report(out: Path, limit: int, address: str | None) -> int:
    """Write what ran as one static page.

    The page has no scripts, loads nothing, and may be sent or published as it is:
    runs with their steps, a timeline, failures with their reasons, and what feeds
    what. After `dbt docs generate --static` it links dbt's docs.
    """
    place = Place(address)
    root = place.root
    try:
        runs = recent_runs(place.open(), limit)
    except StoreError as error:
        raise place.away(error) from error
    docs = next((p for p in _DBT_DOCS if (root / p).is_file()), None)
    link = docs and os.path.relpath(root / docs, out.absolute().parent)
    name, pictures = _pictures(root, runs)
    page = render_page(name, runs, pictures, datetime.now(UTC), link)
    _write(out, page)
    output.answer(f"{out}: {output.count(len(runs), 'run')}")
    return 0


def _pictures(root: Path, runs: list[RunState]) -> tuple[str, list[Lineage]]:
    """The project's name and a picture per pipeline.

    A project that cannot be read has no pictures, but its runs are told.
    """
    try:
        project = open_project(root)
    except FlexCoreError as error:
        output.say(f"flexcore-gen: warning: no lineage is drawn: {error}")
        return root.name, []
    last: dict[str, RunState] = {}
    for run in runs:
        last.setdefault(run.pipeline, run)
    return project.ecosystem.project, [
        lineage(plan, last.get(plan.pipeline.name)) for plan in project.pipelines
    ]


def _write(out: Path, page: str) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=out.parent, prefix=f".{out.name}.", delete=False
        ) as file:
            file.write(page)
        Path(file.name).replace(out)
    except OSError as error:
        raise FlexCoreError(
            f"cannot write {out}: {error.strerror}", exit_code=EXIT_NOT_WRITTEN
        ) from error

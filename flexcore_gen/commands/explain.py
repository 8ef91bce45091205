"""`flexcore-gen explain`: which template and which lines made a rendered file."""

from __future__ import annotations

from pathlib import Path

import click

from flexcore_gen import report
from flexcore_gen.errors import FlexCoreError, suggest
from flexcore_gen.project import compare_project
from flexcore_gen.sources import find_root


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Answer for machines.")
def explain(file: Path, *, as_json: bool) -> int:
    """Show which template and which lines of YAML made FILE."""
    absolute = file.absolute()
    root = find_root(absolute.parent)
    if root is None:
        raise FlexCoreError(
            f"{file} belongs to no ecosystem",
            fix="name a file below a folder that has an ecosystem.yaml",
        )
    outcome = compare_project(root)
    relative = absolute.relative_to(root).as_posix()
    found = next((c for c in outcome.changes if c.path == relative and c.file), None)
    if found is None or found.file is None:
        paths = [change.path for change in outcome.changes if change.file]
        raise FlexCoreError(
            f"{relative} is not rendered from {outcome.project.ecosystem.source}",
            fix=suggest(relative, paths, "`flexcore-gen check` lists what is"),
        )
    if as_json:
        report.answer_json(
            {
                "path": relative,
                "owner": found.file.owner,
                "state": found.kind,
                "template": found.file.template,
                "sources": [str(mark) for mark in dict.fromkeys(found.file.sources)],
            }
        )
        return 0
    report.answer(f"{relative}: {found.file.owner}, {found.kind}")
    report.answer(f"  made by  {found.file.template}")
    for mark in dict.fromkeys(found.file.sources):
        report.answer(f"  from     {mark}")
    return 0

"""`flexcore-gen init`: a working environment with a sample pipeline."""

from __future__ import annotations

import re
from pathlib import Path

import click

from flexcore_gen import report
from flexcore_gen.errors import FlexCoreError
from flexcore_gen.project import compare_project, write_project
from flexcore_gen.scaffold import check_empty, render_scaffold
from flexcore_gen.shapes import NAME_MAX, NAME_PATTERN

_TEMPLATE = "new_environment"


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path())
@click.option("--project", help="The project's name; else the folder's.")
def init(folder: Path, *, project: str | None) -> int:
    """Make a working environment with a sample pipeline in FOLDER.

    The folder must be new or empty (a .git may be there). What stands in it
    afterwards runs: `meltano run people-directory`.
    """
    root = folder.absolute()
    name = project or re.sub(r"[^a-z0-9]+", "-", root.name.lower()).strip("-")
    name = name[:NAME_MAX].strip("-") if project is None else name
    if not re.match(NAME_PATTERN, name) or len(name) > NAME_MAX:
        raise FlexCoreError(
            f'"{name}" cannot be the name of a project',
            fix="use lower-case letters and digits joined by single hyphens: "
            "`flexcore-gen init --project my-data`",
        )
    check_empty(root, folder)
    render_scaffold(_TEMPLATE, root, {"folder": root.name, "project": name})
    outcome = compare_project(root)
    write_project(outcome)
    for path in sorted(_files(root)):
        report.answer(f"create   {path}")
    report.say(
        f"next: cd {folder}; meltano run people-directory"
        if folder != Path()
        else "next: meltano run people-directory"
    )
    return 0


def _files(root: Path) -> set[str]:
    return {
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file()
        and not {".git", "locks", "dbt_packages"} & set(path.relative_to(root).parts)
    }

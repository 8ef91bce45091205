"""`flexcore-gen init`: a working environment with a sample pipeline."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click

from flexcore_gen import report
from flexcore_gen.errors import EXIT_NOT_WRITTEN, FlexCoreError
from flexcore_gen.project import compare_project, write_project
from flexcore_gen.resources import resource_root
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
    _check_empty(root, folder)
    _render(root, name)
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


def _check_empty(root: Path, shown: Path) -> None:
    if not root.exists():
        return
    if not root.is_dir():
        raise FlexCoreError(f"{shown} is a file", fix="name a new or empty folder")
    there = sorted(path.name for path in root.iterdir() if path.name != ".git")
    if there:
        raise FlexCoreError(
            f"{shown} is not empty: {', '.join(there[:3])}"
            + (" …" if len(there) > 3 else ""),  # noqa: PLR2004 - as many as are shown
            fix="name a new or empty folder",
        )


def _render(root: Path, project: str) -> None:
    """Renders the template; nothing is asked, nothing is kept outside."""
    from cookiecutter.exceptions import (  # noqa: PLC0415 - 100 ms, only here
        CookiecutterException,
    )
    from cookiecutter.generate import generate_files  # noqa: PLC0415 - the same

    template = resource_root("templates") / _TEMPLATE
    context = json.loads((template / "cookiecutter.json").read_text(encoding="utf-8"))
    context.update(folder=root.name, project=project)
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        generate_files(
            repo_dir=str(template),
            context={"cookiecutter": context},
            output_dir=str(root.parent),
            overwrite_if_exists=True,
            accept_hooks=False,
        )
    except (CookiecutterException, OSError) as error:
        raise FlexCoreError(
            f"cannot make {root}: {error}", exit_code=EXIT_NOT_WRITTEN
        ) from error


def _files(root: Path) -> set[str]:
    return {
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file()
        and not {".git", "locks", "dbt_packages"} & set(path.relative_to(root).parts)
    }

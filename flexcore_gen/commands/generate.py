"""`flexcore-gen generate` and `check`: render the project, or see if it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from flexcore_gen import report
from flexcore_gen.changes import CONFLICT, PENDING
from flexcore_gen.errors import EXIT_DIFFERENCES
from flexcore_gen.project import compare_project, write_project

if TYPE_CHECKING:
    from flexcore_gen.project import Outcome

_PATH = click.argument("path", type=click.Path(path_type=Path), default=Path())
_JSON = click.option("--json", "as_json", is_flag=True, help="Answer for machines.")
_DIFF = click.option("--diff", is_flag=True, help="Show what changes in each file.")


@click.command()
@_PATH
@_DIFF
@_JSON
def generate(path: Path, *, diff: bool, as_json: bool) -> int:
    """Render every file of the project.

    PATH is a folder with ecosystem.yaml (default: this one) or that file.
    A rendered file that was edited is a conflict: nothing is written then.
    """
    outcome = compare_project(path)
    _tell_warnings(outcome)
    conflicts = [c for c in outcome.changes if c.kind == CONFLICT]
    if not conflicts:
        write_project(outcome)
    _answer(outcome, diff=diff, as_json=as_json)
    if conflicts:
        _tell_conflicts(outcome)
        return EXIT_DIFFERENCES
    return 0


@click.command()
@_PATH
@_DIFF
@_JSON
def check(path: Path, *, diff: bool, as_json: bool) -> int:
    """Fail if generate would change anything; writes nothing.

    PATH is a folder with ecosystem.yaml (default: this one) or that file.
    """
    outcome = compare_project(path)
    _tell_warnings(outcome)
    _answer(outcome, diff=diff, as_json=as_json)
    if any(change.kind in PENDING for change in outcome.changes):
        _tell_conflicts(outcome)
        return EXIT_DIFFERENCES
    return 0


def _answer(outcome: Outcome, *, diff: bool, as_json: bool) -> None:
    if as_json:
        report.answer_json(
            {
                "changes": [
                    {
                        "kind": change.kind,
                        "path": change.path,
                        **({"diff": report.difference(change)} if diff else {}),
                    }
                    for change in outcome.changes
                ]
            }
        )
    else:
        report.answer_changes(outcome.changes, diff=diff)


def _tell_warnings(outcome: Outcome) -> None:
    report.tell_problems(
        r for r in outcome.project.ecosystem.remarks if r.severity == "warning"
    )


def _tell_conflicts(outcome: Outcome) -> None:
    for change in outcome.changes:
        if change.kind == CONFLICT:
            report.say(
                f"flexcore-gen: error: {change.path} was edited since it was written, "
                "or was never ours; nothing was written\n"
                f"  where: {outcome.root / change.path}\n"
                "  fix:   keep your version: add its path to `owned` in "
                f"{outcome.project.ecosystem.source}; or drop it: delete the file and "
                "run generate again"
            )

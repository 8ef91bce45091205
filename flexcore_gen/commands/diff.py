"""`flexcore-gen diff`: what two environments render differently."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flexcore_gen import report
from flexcore_gen.environments import as_seen_in, environment_of
from flexcore_gen.errors import EXIT_DIFFERENCES
from flexcore_gen.plan import plan_files, plan_project
from flexcore_gen.project import open_project
from flexcore_gen.render import render

if TYPE_CHECKING:
    from flexcore_gen.model import Ecosystem
    from flexcore_gen.plan import Project


@click.command()
@click.argument("before")
@click.argument("after")
@click.argument("path", type=click.Path(path_type=Path), default=Path())
@click.option("--json", "as_json", is_flag=True, help="Answer for machines.")
def diff(before: str, after: str, path: Path, *, as_json: bool) -> int:
    """Show what differs between two environments, file by file.

    BEFORE and AFTER are environments; both trees are rendered as if each were the
    only one, so every difference is a value that one of them changes. Secrets are
    names in both. PATH is as for generate. Exit code 1 if they differ.
    """
    project = open_project(path)
    ecosystem = project.ecosystem
    trees = [
        _tree(project, as_seen_in(ecosystem, environment_of(ecosystem, name)))
        for name in (before, after)
    ]
    changed = [
        name
        for name in sorted(trees[0].keys() | trees[1].keys())
        if trees[0].get(name) != trees[1].get(name)
    ]
    texts = {
        name: _difference(name, trees[0].get(name), trees[1].get(name), before, after)
        for name in changed
    }
    if as_json:
        report.answer_json(
            {
                "before": before,
                "after": after,
                "files": [{"path": n, "diff": t} for n, t in texts.items()],
            }
        )
    else:
        for text in texts.values():
            report.answer(text.rstrip("\n"))
        count = report.count(len(changed), "file")
        verb = "differs" if len(changed) == 1 else "differ"
        report.say(f"{count} {verb} between {before} and {after}")
    return EXIT_DIFFERENCES if changed else 0


def _tree(project: Project, ecosystem: Ecosystem) -> dict[str, bytes]:
    """Every rendered file's content by path; copies are the same everywhere."""
    seen = plan_project(ecosystem, project.models, project.local_packages)
    source = ecosystem.source.rsplit("/", 1)[-1]
    return {
        file.path: render(file, source).content
        for file in plan_files(seen)
        if file.copy_of is None
    }


def _difference(
    name: str, old: bytes | None, new: bytes | None, before: str, after: str
) -> str:
    lines = difflib.unified_diff(
        (old or b"").decode().splitlines(keepends=True),
        (new or b"").decode().splitlines(keepends=True),
        f"{before}/{name}",
        f"{after}/{name}",
        n=6,
    )
    return "".join(lines)

"""The only module that prints. Answers go to stdout, talk about them to stderr."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from flexcore_gen.changes import Change
    from flexcore_gen.errors import FlexCoreError, Problem

_COLOURS = {
    "create": "32",
    "update": "33",
    "remove": "31",
    "conflict": "31",
    "error": "31",
    "warning": "33",
}


def answer(text: str) -> None:
    """Writes a line of the answer to stdout."""
    sys.stdout.write(f"{text}\n")


def answer_json(data: Any) -> None:  # noqa: ANN401 - any plain data
    """Writes the answer as JSON to stdout."""
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n")


def say(text: str) -> None:
    """Writes a remark to stderr."""
    sys.stderr.write(f"{text}\n")


def colour(text: str, name: str) -> str:
    """The text in a kind's colour, if stderr is a terminal that wants it."""
    if "NO_COLOR" in os.environ or not sys.stderr.isatty() or name not in _COLOURS:
        return text
    return f"\x1b[{_COLOURS[name]}m{text}\x1b[0m"


def tell_error(error: FlexCoreError) -> None:
    """Tells what stopped the command."""
    say(f"flexcore-gen: {error}")


def tell_problems(problems: Iterable[Problem]) -> None:
    """Tells every finding, and how many errors there were."""
    errors = warnings = 0
    for problem in problems:
        text = str(problem)
        first, _, rest = text.partition("\n")
        word = f" {problem.severity}: "
        say(first.replace(word, f" {colour(word.strip(), problem.severity)} ", 1))
        if rest:
            say(rest)
        errors += problem.is_error
        warnings += problem.severity == "warning"
    if errors or warnings:
        say(f"{count(errors, 'error')}, {count(warnings, 'warning')}")


def problems_as_data(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """The findings for machines."""
    return [
        {
            "severity": problem.severity,
            "file": problem.mark.file,
            "line": problem.mark.line,
            "column": problem.mark.column,
            "path": problem.path,
            "what": problem.what,
            "fix": problem.fix,
        }
        for problem in problems
    ]


def answer_changes(changes: Iterable[Change], *, diff: bool) -> None:
    """One line per file that is not the same, verb first; then a count."""
    counts: dict[str, int] = {}
    for change in changes:
        counts[change.kind] = counts.get(change.kind, 0) + 1
        if change.kind == "same":
            continue
        answer(f"{change.kind:<9}{change.path}")
        if diff and change.kind in {"create", "update", "conflict", "remove"}:
            for line in difference(change):
                answer(line)
    order = ("create", "update", "remove", "conflict", "keep", "release", "same")
    parts = [f"{counts[kind]} {kind}" for kind in order if counts.get(kind)]
    answer(", ".join(parts) or "nothing planned")


def difference(change: Change) -> list[str]:
    """A unified diff of one change."""
    import difflib  # noqa: PLC0415 - only with --diff

    after = change.file.content if change.file and change.kind != "remove" else b""
    return list(
        difflib.unified_diff(
            (change.before or b"").decode("utf-8", "replace").splitlines(),
            after.decode("utf-8", "replace").splitlines(),
            f"a/{change.path}",
            f"b/{change.path}",
            lineterm="",
        )
    )


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as aligned columns; the last column keeps its length."""
    if not rows:
        return []
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    return [
        "  ".join(
            [*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[-1]]
        )
        for row in rows
    ]


def count(number: int, word: str) -> str:
    """The number with its word in singular or plural."""
    return f"{number} {word}{'' if number == 1 else 's'}"

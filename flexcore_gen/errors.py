"""Errors a person can meet: what is wrong, where, and how to fix it (STYLE §5).

A `Problem` is one finding with its place in a file; validation collects many.
`FlexCoreError` is what stops a command; `InvalidEcosystemError` carries every
problem that was found before the command gave up.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

EXIT_DIFFERENCES = 1
EXIT_BAD_INPUT = 2
EXIT_NOT_WRITTEN = 3
EXIT_INTERRUPTED = 130


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in a file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        """`file:line:column`, as editors and CI systems read it."""
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding in an input file."""

    mark: Mark
    what: str
    fix: str
    path: str = ""
    severity: str = "error"

    def __post_init__(self) -> None:
        """Makes the texts printable: a value in them must not write lines."""
        for name in ("what", "fix", "path"):
            object.__setattr__(self, name, printable(getattr(self, name)))

    @property
    def is_error(self) -> bool:
        """Whether the finding stops the command; warnings and notes do not."""
        return self.severity == "error"

    def __str__(self) -> str:
        """Three parts, the position first."""
        lines = [f"{self.mark}: {self.severity}: {self.what}"]
        if self.path:
            lines.append(f"  where: {self.path}")
        if self.fix:
            lines.append(f"  fix:   {self.fix}")
        return "\n".join(lines)


def printable(text: str) -> str:
    """The text with what a terminal would act on written as escapes."""
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable()
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


class FlexCoreError(Exception):
    """What stops a command.

    Args:
        what: What is wrong, with the value that arrived.
        where: File, setting or command; empty if there is no such place.
        fix: What the reader can do about it.
        exit_code: Exit code of the command (STYLE §6).
    """

    def __init__(
        self, what: str, *, where: str = "", fix: str = "", exit_code: int = 2
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix
        self.exit_code = exit_code

    def __str__(self) -> str:
        """Three parts, one per line."""
        lines = [f"error: {self.what}"]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.fix:
            lines.append(f"  fix:   {self.fix}")
        return "\n".join(lines)


class InvalidEcosystemError(FlexCoreError):
    """The input has errors; `problems` holds all that were found, in order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted_problems(problems)
        errors = sum(problem.is_error for problem in self.problems)
        super().__init__(f"{errors} error{'' if errors == 1 else 's'} found")


def sorted_problems(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """The problems by file and position, each once."""
    unique = dict.fromkeys(problems)
    return tuple(sorted(unique, key=lambda p: (p.mark, p.what)))


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that looks most like `name`, or None."""
    plain = {_plain(candidate): candidate for candidate in sorted(known)}
    found = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=0.6)
    return plain[found[0]] if found else None


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")


def suggest(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """The fix line for a misspelt name: the nearest one, or all allowed."""
    names = sorted(known)
    if best := nearest(name, names):
        return f'did you mean "{best}"?'
    if otherwise:
        return otherwise
    return f"allowed: {', '.join(names)}" if names else "remove it"

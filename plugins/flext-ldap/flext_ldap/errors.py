"""Errors a person meets: what is wrong, where, and how to fix it."""

from __future__ import annotations


class DirectoryError(Exception):
    """Something the user, or the directory's administrator, can act on.

    Args:
        what: One sentence: what is wrong.
        where: Server, setting, stream or DN.
        fix: What to do about it.
    """

    def __init__(self, what: str, *, where: str, fix: str) -> None:
        self.what = what
        self.where = where
        self.fix = fix
        super().__init__(f"{what}; where: {where}; fix: {fix}")

"""The file of a dry run: what would be done, as LDIF, in one piece or not at all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

    from flext_ldap.operations import Operation


class DryRunFile:
    """Collects change records beside the final path and renames at the end.

    Args:
        path: The file to make; only its owner may read it.
        secret: Attributes, in lower case, whose values are not written.
    """

    def __init__(self, path: str, secret: Container[str]) -> None:
        self._path = Path(path)
        self._part = self._path.with_name(f".{self._path.name}.{os.getpid()}.part")
        self._secret = secret
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._file = os.fdopen(handle, "wb")
        self.operations = 0

    def write(self, operation: Operation) -> None:
        """Write one operation."""
        self._file.write(operation.ldif(self._secret))
        self.operations += 1

    def finish(self, *, failed: bool) -> None:
        """Put the file in its place, or away with it."""
        with self._file:
            self._file.flush()
            os.fsync(self._file.fileno())
        if failed:
            with contextlib.suppress(FileNotFoundError):
                self._part.unlink()
        else:
            self._part.replace(self._path)

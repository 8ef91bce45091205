"""The file of a dry run: what would be sent, one JSON object per line, mode 0600."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flext_oracle_oic.keys import redacted

if TYPE_CHECKING:
    from collections.abc import Mapping


class DryRunFile:
    """Written beside its place and put there when the run is over.

    Args:
        path: The file.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._draft = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        self._file = os.fdopen(
            os.open(self._draft, flags, 0o600), "w", encoding="utf-8"
        )
        self.requests = 0

    def add(self, request: Mapping[str, Any]) -> None:
        """Writes one request; values of security properties are left out."""
        text = json.dumps(redacted(dict(request)), ensure_ascii=True, default=str)
        self._file.write(text + "\n")
        self.requests += 1

    def finish(self, *, failed: bool) -> None:
        """Puts the file in its place; after a failure there is none."""
        self._file.close()
        if failed:
            self._draft.unlink()
        else:
            self._draft.replace(self.path)

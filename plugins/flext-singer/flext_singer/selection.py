"""Which streams a run wants, and discovery kept between the processes of a run.

Meltano starts a tap twice, once with `--discover`, and hands the selection to both
in `MELTANO_EXTRACT__SELECT`. A tap that reads it discovers only what is wanted,
and what the first process discovered the second one reads from a file.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import logging
import os
import re
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

VARIABLE = "MELTANO_EXTRACT__SELECT"
# Same run, same discovery: any of these names the run.
_RUN_VARIABLES = ("FLEXCORE_CORRELATION_ID", "MELTANO_RUN_ID")
_WILD = re.compile(r"[*?\[]")


class WantedStreams:
    r"""The streams that the selection asks for.

    Args:
        patterns: Meltano select rules: `stream.property`, `!` excludes, `*`
            matches anything, `\\.` is a dot within a name. None wants all.
    """

    def __init__(self, patterns: list[str] | None) -> None:
        rules = [str(rule) for rule in patterns or ["*.*"]]
        self._included = [_stream(rule) for rule in rules if rule[:1] != "!"]
        # `!users.*` drops the stream, `!users.phone` only one of its properties.
        self._excluded = [
            _stream(rule[1:])
            for rule in rules
            if rule[:1] == "!" and _property(rule) == "*"
        ]

    @classmethod
    def from_environment(cls) -> WantedStreams:
        """Return what `MELTANO_EXTRACT__SELECT` asks for; unset wants all."""
        text = os.environ.get(VARIABLE)
        if not text:
            return cls(None)
        try:
            rules = json.loads(text)
        except ValueError:
            rules = None
        return cls(rules if isinstance(rules, list) and rules else None)

    @property
    def names(self) -> frozenset[str] | None:
        """The names asked for, or None if a wildcard asks for more than names."""
        if any(_WILD.search(name) for name in self._included):
            return None
        return frozenset(filter(self.matches, self._included))

    def matches(self, stream: str) -> bool:
        """Return whether the selection asks for `stream`."""

        def is_in(patterns: list[str]) -> bool:
            return any(fnmatch.fnmatchcase(stream, pattern) for pattern in patterns)

        return is_in(self._included) and not is_in(self._excluded)

    def __repr__(self) -> str:
        """Return the rules; part of the key of the discovery cache."""
        return f"WantedStreams({self._included}, excluded={self._excluded})"


def _split(rule: str) -> list[str]:
    return re.split(r"(?<!\\)\.", rule, maxsplit=1)


def _stream(rule: str) -> str:
    return _split(rule)[0].replace("\\.", ".")


def _property(rule: str) -> str:
    parts = _split(rule)
    return parts[1] if len(parts) > 1 else "*"


class DiscoveryCache:
    """Keeps one JSON value per settings, selection and run in a folder.

    Args:
        folder: Where to keep it; None keeps nothing.
        parts: Everything the discovery depends on; hashed, never written.
        seconds: How long a value serves other runs; within one run it always
            serves.
    """

    def __init__(
        self, folder: Path | None, parts: Mapping[str, Any], seconds: float
    ) -> None:
        run = next(filter(None, map(os.environ.get, _RUN_VARIABLES)), None)
        self._seconds = seconds
        self._run = run
        text = json.dumps(parts, sort_keys=True, default=str)
        digest = hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()
        usable = folder is not None and (run or seconds > 0)
        self._path = folder / f"{digest}.json" if folder and usable else None

    def get(self, compute: Callable[[], Any]) -> Any:  # noqa: ANN401 - any JSON
        """Return the kept value, or compute and keep it.

        Args:
            compute: Returns a value that JSON can hold.
        """
        if self._path is None:
            return compute()
        kept = self._read(self._path)
        if kept is not None:
            logging.getLogger(__name__).debug("Discovery read from %s", self._path)
            return kept["value"]
        value = compute()
        self._write(self._path, {"run": self._run, "value": value})
        return value

    def _read(self, path: Path) -> dict[str, Any] | None:
        try:
            age_seconds = time.time() - path.stat().st_mtime
            kept = json.loads(path.read_bytes())
        except (OSError, ValueError):
            return None
        if not isinstance(kept, dict) or "value" not in kept:
            return None
        same_run = self._run is not None and kept.get("run") == self._run
        return kept if same_run or 0 <= age_seconds < self._seconds else None

    @staticmethod
    def _write(path: Path, kept: dict[str, Any]) -> None:
        draft = path.with_suffix(f".{uuid4().hex}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(file, "w") as opened:
                json.dump(kept, opened)
            draft.replace(path)
        except OSError as error:
            logging.getLogger(__name__).warning("Discovery not kept: %s", error)
            with suppress(OSError):
                draft.unlink()


def cache_folder(setting: str | None) -> Path | None:
    """Return where discovery is kept: the setting, or the Meltano project's."""
    if setting:
        return Path(setting)
    root = os.environ.get("MELTANO_PROJECT_ROOT")
    return Path(root) / ".flexcore" / "catalog_cache" if root else None

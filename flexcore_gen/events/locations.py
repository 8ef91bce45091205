"""Where a project's events are: its root, its `.flexcore` folder, its store.

The hook and the commands both ask here, so that they look in the same place.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from pathlib import Path

ROOT_FILES = ("meltano.yml", "ecosystem.yaml")
DEFAULT_STORE = "sqlite:///.flexcore/events.db"
STORE_VARIABLE = "MELTANO_FLEXCORE_EVENTS_STORE"
DIRECTORY_VARIABLE = "FLEXCORE_DIRECTORY"

_MENTION = "events_store:"
_ANNOTATION = re.compile(
    r"^annotations:\n  flexcore:\n    events_store: *[\"']?([^\"'#\s]+)[\"']?\s*$",
    re.MULTILINE,
)
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def find_root(start: Path) -> Path | None:
    """Return the nearest folder upwards that holds meltano.yml or ecosystem.yaml."""
    for folder in (start, *start.parents):
        if any((folder / name).is_file() for name in ROOT_FILES):
            return folder
    return None


def flexcore_directory(root: Path) -> Path:
    """Return the folder of the store, the spool and the list of running runs.

    `FLEXCORE_DIRECTORY` moves it, for projects on a read-only file system.
    """
    return root / os.environ.get(DIRECTORY_VARIABLE, ".flexcore")


def store_address(
    root: Path, setting: str | None = None, environment: str | None = None
) -> str:
    """Return the store's address.

    Args:
        root: The project's folder.
        setting: What Meltano's own setting `flexcore.events_store` says, if known.
        environment: Meltano's environment; default: what Meltano would choose.

    Returns:
        The first of: the setting (or its variable `MELTANO_FLEXCORE_EVENTS_STORE`),
        `annotations: {flexcore: {events_store: ...}}` of the environment, then of
        the project, in meltano.yml, the default. `${NAME}` is replaced from the
        process environment, percent-encoded where it is a user or a password.
    """
    address = setting or os.environ.get(STORE_VARIABLE) or _annotated(root, environment)
    if not address:
        directory = flexcore_directory(root)
        if directory == root / ".flexcore":
            return DEFAULT_STORE
        return f"sqlite:///{directory / 'events.db'}"
    # In `user:password@`, a value is one word whatever characters it holds.
    *login, rest = address.rsplit("@", 1)
    parts = [_filled(part, is_word=True) for part in login]
    return "@".join([*parts, _filled(rest, is_word=False)])


def _filled(text: str, *, is_word: bool) -> str:
    def value(found: re.Match[str]) -> str:
        given = os.environ.get(found[1], "")
        return quote(given, safe="") if is_word else given

    return _REFERENCE.sub(value, text)


def _annotated(root: Path, environment: str | None) -> str | None:
    try:
        text = (root / "meltano.yml").read_text(encoding="utf-8")
    except OSError:
        return None
    mentions = text.count(_MENTION)
    # A large file takes a second to parse; one line of it is wanted.
    if mentions == 1 and (found := _ANNOTATION.search(text)):
        return found[1]
    return _parsed(text, environment) if mentions else None


def _parsed(text: str, environment: str | None) -> str | None:
    import yaml  # noqa: PLC0415 - rarely

    try:
        document = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
        chosen = (
            environment
            or os.environ.get("MELTANO_ENVIRONMENT")
            or document.get("default_environment")
        )
        holders = [
            each
            for each in document.get("environments") or []
            if each.get("name") == chosen
        ]
        for holder in (*holders, document):
            notes = (holder.get("annotations") or {}).get("flexcore") or {}
            if notes.get("events_store"):
                return str(notes["events_store"])
    except (yaml.YAMLError, AttributeError):
        return None
    return None

"""Where a project's events are: its root, its `.flexcore` folder, its store.

The hook and the commands both ask here, so that they look in the same place.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

ROOT_FILES = ("meltano.yml", "ecosystem.yaml")
DEFAULT_STORE = "sqlite:///.flexcore/events.db"
STORE_VARIABLE = "MELTANO_FLEXCORE_EVENTS_STORE"
DIRECTORY_VARIABLE = "FLEXCORE_DIRECTORY"

_ANNOTATION = re.compile(
    r"^\s+events_store:\s*[\"']?([^\"'#\s]+)[\"']?\s*(?:#.*)?$", re.MULTILINE
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


def store_address(root: Path, setting: str | None = None) -> str:
    """Return the store's address.

    Args:
        root: The project's folder.
        setting: What Meltano's own setting `flexcore.events_store` says, if known.

    Returns:
        The first of: the setting (or its variable `MELTANO_FLEXCORE_EVENTS_STORE`),
        `annotations: {flexcore: {events_store: ...}}` in meltano.yml, the default.
        `${NAME}` is replaced from the environment.
    """
    address = setting or os.environ.get(STORE_VARIABLE) or _annotated(root)
    if not address:
        directory = flexcore_directory(root)
        if directory == root / ".flexcore":
            return DEFAULT_STORE
        return f"sqlite:///{directory / 'events.db'}"
    return _REFERENCE.sub(lambda found: os.environ.get(found[1], ""), address)


def _annotated(root: Path) -> str | None:
    # meltano.yml of 500 pipelines takes a second to parse; one line is wanted.
    try:
        text = (root / "meltano.yml").read_text(encoding="utf-8")
    except OSError:
        return None
    found = _ANNOTATION.search(text) if "events_store:" in text else None
    return found[1] if found else None

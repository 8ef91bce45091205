"""What a target can know of the state that its tap was started with.

A tap that has a bookmark sends only what is new. If the destination has lost what
the bookmark stands for (a deleted DuckDB file, a dropped table, another schema),
the run would succeed with most of the data missing. Meltano keeps the state it
hands to a tap in the tap's run folder, removes it before each run, and tells the
loader the folder's place by its environment: so a target about to create a table
can look.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from flext_singer.errors import FlextError


class LostDestinationError(FlextError):
    """The destination is gone, but the tap goes on from a bookmark."""


def has_bookmark(stream: str) -> bool:
    """Tell whether the tap was given a bookmark for a stream.

    Args:
        stream: Name of the stream.

    Returns:
        False outside of Meltano, where nothing is known.
    """
    path = _state_path()
    if path is None:
        return False
    try:
        state = msgspec.json.decode(path.read_bytes())
    except (OSError, ValueError):
        return False
    bookmarks = state.get("bookmarks") if isinstance(state, dict) else None
    return bool(isinstance(bookmarks, dict) and bookmarks.get(stream))


def refuse_if_lost(stream: str, what: str) -> None:
    """Refuse to create what a bookmark says has been filled before.

    Args:
        stream: Name of the stream.
        what: The thing that is missing, such as `table raw.people`.

    Raises:
        LostDestinationError: The tap goes on from a bookmark of this stream.
    """
    if has_bookmark(stream):
        raise LostDestinationError(
            f"{what} does not exist, but the state says that its rows were loaded",
            where=f"stream {stream!r}",
            fix="load all of it again: `meltano run --full-refresh <pipeline>`, or put"
            " the destination back",
        )


def _state_path() -> Path | None:
    extractor = os.environ.get("MELTANO_EXTRACTOR_NAME")
    root = os.environ.get("MELTANO_PROJECT_ROOT")
    if not extractor or not root:
        return None
    system = os.environ.get("MELTANO_SYS_DIR_ROOT") or f"{root}/.meltano"
    return Path(system) / "run" / extractor / "state.json"

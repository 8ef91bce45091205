"""Files of BATCH messages: where they lie, who may delete them.

A tap puts its files into a folder of its own run, `flext-batch-…`, mode 0700,
and names a file in a BATCH message only when it is whole. The target deletes a
file after the commit that covers it, and only within such a folder: a message
must not make it delete anything else. A file that a dead run left is named by no
later message, hence never loaded; later runs sweep it after a day.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

from flext_singer.errors import FlextError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flext_singer.records import RawRecords
    from flext_singer.sink import FlextSink

FOLDER_PREFIX = "flext-batch-"
LEFT_BEHIND_SECONDS = 24 * 3600.0
ARROW_FORMATS = ("parquet", "arrow")


def local_path(url: str) -> Path:
    """Return the local file that a BATCH message names.

    Args:
        url: `file:///…` or a path.

    Raises:
        FlextError: It is somewhere else, or not there.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"", "file"} or parts.netloc not in {"", "localhost"}:
        raise FlextError(
            f"batch file {url!r} is not on this machine",
            fix="set batch_config.storage.root to a folder both ends can read",
        )
    path = Path(unquote(parts.path) if parts.scheme else url)
    if not path.is_file():
        raise FlextError(
            f"batch file {path} does not exist",
            fix="run the tap again: files are made for one run",
        )
    return path


def load(sink: FlextSink, path: Path, encoding: Mapping[str, Any]) -> int:
    """Load a file of a BATCH message into a sink; return its rows.

    Args:
        sink: The sink.
        path: The file.
        encoding: `encoding` of the message.

    Raises:
        FlextError: The encoding is unknown.
    """
    kind = str(encoding.get("format"))
    if kind in ARROW_FORMATS:
        return sink.load_file(path, kind)
    return sum(map(sink.load_batch, pieces(path, encoding)))


def pieces(path: Path, encoding: Mapping[str, Any]) -> Iterator[RawRecords]:
    """Yield the rows of a file of a BATCH message, as raw records.

    Args:
        path: The file.
        encoding: `encoding` of the message.

    Raises:
        FlextError: The encoding is unknown.
    """
    from flext_singer import batch_reading  # noqa: PLC0415 - pyarrow loads slowly

    kind = str(encoding.get("format"))
    if kind in ARROW_FORMATS:
        return batch_reading.raw_records(path, kind)
    if kind == "jsonl":
        return batch_reading.json_records(path, encoding.get("compression"))
    raise FlextError(
        f"batch files of format {kind!r} are unknown",
        where=f"file {path}",
        fix=f"set batch_config.encoding.format to one of {(*ARROW_FORMATS, 'jsonl')}",
    )


def delete(path: Path) -> None:
    """Delete a loaded file, if a run of ours made it."""
    if path.parent.name.startswith(FOLDER_PREFIX):
        path.unlink(missing_ok=True)


def delete_folder(path: Path) -> None:
    """Delete the folder of a loaded file, if it is ours and empty."""
    if path.parent.name.startswith(FOLDER_PREFIX):
        with suppress(OSError):
            path.parent.rmdir()


def storage_root(storage: Mapping[str, Any] | None) -> Path | None:
    """Return the local folder that `batch_config.storage` names.

    Returns:
        The folder; None if it is not on this machine.
    """
    root = (storage or {}).get("root")
    if not root:
        return Path(tempfile.gettempdir())
    parts = urlsplit(str(root))
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return None if "://" in str(root) else Path(root)


def run_folder(root: Path, tap: str) -> Path:
    """Make and return a new folder for the files of this run.

    Args:
        root: Folder that both ends can read.
        tap: Name of the tap.
    """
    root.mkdir(parents=True, exist_ok=True)
    sweep(root)
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    folder = root / f"{FOLDER_PREFIX}{tap}-{moment}-{os.getpid()}-{uuid4().hex[:8]}"
    folder.mkdir(mode=0o700)
    return folder.resolve()


def sweep(root: Path) -> None:
    """Delete what dead runs left in `root` more than a day ago."""
    for folder in root.glob(f"{FOLDER_PREFIX}*"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > LEFT_BEHIND_SECONDS:
                logging.getLogger(__name__).info("Sweeping %s", folder)
                shutil.rmtree(folder)

"""Opening a DuckDB file, and its errors in plain words."""

from __future__ import annotations

import os
import re
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
from flext_singer.errors import FlextError

from flext_warehouse.identifiers import literal
from flext_warehouse.location import DEFAULT_MEMORY

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_THREADS = 4
_LOCK_HOLDER = re.compile(r"\(PID (\d+)\)")
_POLL_SECONDS = 0.1


@contextmanager
def plain_errors(place: str) -> Iterator[None]:
    """Turn DuckDB's errors into one line that says what to do."""
    try:
        yield
    except duckdb.Error as error:
        text = str(error).strip().splitlines()[0]
        fix = "see the message of DuckDB"
        if "No space left" in text or "out of disk" in text.lower():
            fix = "free disk space; rows of earlier commits are safe"
        elif "Permission denied" in text:
            fix = "give this user the right to write there"
        elif isinstance(error, duckdb.OutOfMemoryException):
            fix = "raise duckdb_memory_limit"
        raise FlextError(text, where=place, fix=fix) from error


def _create_whole(path: Path) -> None:
    """Make a new database under another name and give it its own when it is whole.

    DuckDB writes a new file's header in several steps: a process killed between them
    would leave a file that no later run can open.
    """
    if path.exists():
        return
    for left in path.parent.glob(f".{path.name}.*.new*"):
        left.unlink(missing_ok=True)  # of a creation that was killed
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    duckdb.connect(str(new)).close()
    try:
        # Unlike a rename this never replaces what another process made meanwhile.
        os.link(new, path)
    except OSError:
        if not path.exists():
            new.rename(path)  # a file system without hard links
    finally:
        new.unlink(missing_ok=True)


def connect(
    path: str,
    *,
    read_only: bool = False,
    lock_seconds: float = 10.0,
    memory_limit: str | None = DEFAULT_MEMORY,
) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB file, waiting a while for another process to let go.

    Args:
        path: the file; missing folders are made unless `read_only`.
        read_only: open for reading; the file must exist.
        lock_seconds: how long to wait for the lock.
        memory_limit: DuckDB's own limit, such as `160MB`.

    Raises:
        FlextError: the file is locked, missing, or cannot be opened.
    """
    if read_only and not Path(path).exists():
        raise FlextError(
            "there is no such DuckDB file", where=path, fix="load the warehouse first"
        )
    give_up_at = time.monotonic() + lock_seconds
    while True:
        try:
            if not read_only:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                _create_whole(Path(path))
            connection = duckdb.connect(path, read_only=read_only)
            break
        except OSError as error:
            raise FlextError(
                f"cannot make the folder: {error.strerror}",
                where=path,
                fix="choose a folder that this user may write to",
            ) from error
        except duckdb.IOException as error:
            if "lock" not in str(error):
                with plain_errors(path):
                    raise
            if time.monotonic() >= give_up_at:
                raise _locked(path, str(error), lock_seconds) from error
            time.sleep(_POLL_SECONDS)
        except duckdb.Error:
            with plain_errors(path):
                raise
    connection.execute("SET TimeZone='UTC'")
    connection.execute("SET preserve_insertion_order=false")
    connection.execute(f"SET threads={min(_MOST_THREADS, os.cpu_count() or 1)}")
    if memory_limit:
        with plain_errors('setting "duckdb_memory_limit"'):
            connection.execute(f"SET memory_limit={literal(memory_limit)}")
    return connection


def _locked(path: str, message: str, waited_seconds: float) -> FlextError:
    match = _LOCK_HOLDER.search(message)
    holder = f"process {match[1]}" if match else "another process"
    return FlextError(
        f"the DuckDB file is in use by {holder}; waited {waited_seconds:g} s",
        where=path,
        fix="let it finish, raise lock_timeout_seconds, or use Postgres for "
        "runs in parallel",
    )

"""Find and open the files a tap reads: paths, folders, globs, gzip, stdin."""

from __future__ import annotations

import glob
import gzip
import os
import shutil
import sys
import tempfile
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from flext_singer.errors import FlextError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

STDIN = "-"
GZIP_MARK = b"\x1f\x8b"
FILE_PATTERN = "*.ldif"
_PATH_HELP = "set path to a file, a directory, a glob or a list of these"


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file to read.

    Attributes:
        name: What `source_file` says: the path as the settings give it.
    """

    name: str

    @property
    def is_stdin(self) -> bool:
        """Whether it is the standard input."""
        return self.name == STDIN

    @property
    def is_regular(self) -> bool:
        """Whether it is a file that can be read again from anywhere."""
        return not self.is_stdin and Path(self.name).is_file()

    def open_raw(self) -> IO[bytes]:
        """Open it as it lies on the disk.

        Raises:
            FlextError: It cannot be opened.
        """
        if not self.is_regular:
            return _reopened(_spooled(self.name))
        return _opened(self.name)


def _opened(name: str) -> IO[bytes]:
    try:
        return cast("IO[bytes]", Path(name).open("rb", buffering=0))
    except OSError as error:
        raise FlextError(
            f"{name} cannot be read: {error.strerror}",
            where=f"file {name}",
            fix="check that it exists and that this user may read it",
        ) from error


@cache
def _spooled(name: str) -> IO[bytes]:
    """Return a nameless file that holds all of the standard input or a named pipe.

    A pipe can be read once, and each stream reads its files from the start.
    """
    spool = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
    source = nullcontext(sys.stdin.buffer) if name == STDIN else _opened(name)
    try:
        with source as opened:
            shutil.copyfileobj(opened, spool, 1 << 20)
        spool.flush()
    except OSError as error:
        shown = "the standard input" if name == STDIN else name
        raise FlextError(
            f"{shown} cannot be kept for reading: {error.strerror}",
            where=f"folder {tempfile.gettempdir()}",
            fix="make room there, or set TMPDIR to a folder that has it",
        ) from error
    return cast("IO[bytes]", spool)


def _reopened(file: IO[bytes]) -> IO[bytes]:
    """Return the same file with a position of its own, at the start."""
    path = Path(f"/proc/self/fd/{file.fileno()}")
    return cast("IO[bytes]", path.open("rb", buffering=0))


class _Packed:
    """What gzip needs of a file."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self.read = read


def unpacked(read: Callable[[int], bytes]) -> Callable[[int], bytes]:
    """Return a reader of what another one gives packed by gzip."""
    return gzip.GzipFile(fileobj=cast("IO[bytes]", _Packed(read)), mode="rb").read


def find_files(config: Mapping[str, Any]) -> list[InputFile]:
    """Return the files that the settings name, in order, each one once.

    A directory stands for the files in it that match `file_pattern`, packed ones
    (`.gz`) included. The order of a list is kept; directories and globs are
    sorted.

    Raises:
        FlextError: Something named is not there, cannot be read, or is empty.
    """
    pattern = config.get("file_pattern") or FILE_PATTERN
    found: dict[str, InputFile] = {}
    for path in _named(config):
        for name in _expand(path, pattern):
            found.setdefault(
                name if name == STDIN else os.path.realpath(name), InputFile(name)
            )
    return list(found.values())


def _named(config: Mapping[str, Any]) -> list[str]:
    paths = config.get("path") or config.get("file_path") or []
    named = [paths] if isinstance(paths, str) else list(paths)
    if config.get("directory_path"):
        named.append(config["directory_path"])
    if not named or not all(named):
        raise FlextError(
            "no file to read is named", where='setting "path"', fix=_PATH_HELP
        )
    return named


def _expand(path: str, pattern: str) -> Iterator[str]:
    if path == STDIN:
        yield path
        return
    path = os.path.expanduser(path)  # noqa: PTH111 - the name stays as it is written
    where = f'setting "path": {path}'
    if Path(path).is_dir():
        yield from _listed(path, pattern, where)
        return
    if Path(path).exists():
        yield path
        return
    matches: list[str] = []
    if glob.has_magic(path):
        matches = sorted(name for name in glob.glob(path, recursive=True))  # noqa: PTH207 - keeps names as written
        matches = [name for name in matches if Path(name).is_file()]
        if matches:
            yield from matches
            return
        raise FlextError(f"no file matches {path}", where=where, fix=_PATH_HELP)
    raise FlextError(f"{path} does not exist", where=where, fix=_PATH_HELP)


def _listed(folder: str, pattern: str, where: str) -> Iterator[str]:
    """Yield the files of a directory that match a pattern."""
    try:
        os.listdir(folder)  # noqa: PTH208 - glob takes a folder it may not read for empty
    except OSError as error:
        raise FlextError(
            f"directory {folder} cannot be read: {error.strerror}",
            where=where,
            fix="let this user read the directory",
        ) from error
    root = Path(folder)
    matches = {
        path
        for one in (pattern, f"{pattern}.gz")
        for path in root.glob(one)
        if path.is_file()
    }
    if not matches:
        raise FlextError(
            f"no file in {folder} matches {pattern}",
            where=where,
            fix="set file_pattern to what the files are called",
        )
    yield from sorted(str(path) for path in matches)

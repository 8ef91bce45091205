"""One LDIF file of the target: gathered aside, put in place as a whole at the end.

The new file grows under a name of its own in the same directory and takes the
place of the old one in one step (write, fsync, rename, fsync of the directory).
Whoever looks sees the old file or the new one, also after a crash, a full disk or
a kill. A file whose content would not change is left alone.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from flext_singer.errors import FlextError

from flext_ldif.dn import place
from flext_ldif.entries import Entry, Refusal
from flext_ldif.reader import read
from flext_ldif.spill import Spill
from flext_ldif.writer import VERSION_LINE, LdifWriter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flext_ldif.entries import Attributes, Change

_SUFFIX = ".flexcore-tmp"
_COPY_BYTES = 1 << 20
_SWEEP_AFTER_SECONDS = 60.0
_RANK_CHANGES = 1 << 40
_RANK_DELETES = 1 << 41


@dataclass(slots=True)
class Written:
    """What became of a file.

    Attributes:
        path: The file.
        records: How many records this run put into it, or left in it.
        is_changed: Whether its content is another one now.
        duplicates: How many records a later one with the same DN replaced.
        examples: The DN lines of some of them.
    """

    path: Path
    records: int
    is_changed: bool
    duplicates: int = 0
    examples: list[str] = field(default_factory=list)


class OutputFile:
    """Gathers the records of one file.

    Args:
        path: The file; links are followed.
        writer: Encodes records.
        holds_changes: Entries are written as change records.
        has_version: Begin the file with a version line.
    """

    def __init__(
        self,
        path: Path,
        writer: LdifWriter,
        *,
        holds_changes: bool = False,
        has_version: bool = False,
    ) -> None:
        self.path = Path(os.path.realpath(path))
        self._writer = writer
        self.holds_changes = holds_changes
        self._has_version = has_version
        self._draft: Path | None = None
        folder = self.path.parent
        with _explained(self.path):
            folder.mkdir(parents=True, exist_ok=True)
            self._sweep()
            # Now, not after an hour: may this user write here?
            descriptor, name = tempfile.mkstemp(_SUFFIX, f".{self.path.name}.", folder)
        self._draft = Path(name)
        self._file: IO[bytes] = os.fdopen(descriptor, "wb")
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._spill = Spill(folder)

    def _sweep(self) -> None:
        """Delete drafts that killed runs left: whoever still writes holds a lock."""
        for left in self.path.parent.glob(
            f".{_glob_escaped(self.path.name)}.*{_SUFFIX}"
        ):
            with suppress(OSError), left.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                left.unlink()

    # Gathering

    @property
    def is_empty(self) -> bool:
        """Whether nothing was added."""
        return not len(self._spill)

    def add_entry(self, dn: str, attributes: Attributes) -> None:
        """Add an entry; it replaces an earlier one with the same DN.

        Raises:
            LdifError: It cannot be written.
        """
        key, _, _, depth = place(dn)
        self._add_entry(key, depth, self._encoded(dn, attributes))

    def _encoded(self, dn: str, attributes: Attributes) -> bytes:
        if self.holds_changes:
            return self._writer.added(dn, attributes)
        return self._writer.entry(dn, attributes)

    def _add_entry(
        self, key: str, depth: int | None, data: bytes, *, is_old: bool = False
    ) -> None:
        with _explained(self.path):
            # What is old goes before what is new of the same depth.
            rank = 2 * (depth or 0) + (not is_old)
            self._spill.add_keyed(rank, key, data, is_old=is_old)

    def remove_entry(self, dn: str) -> None:
        """Take out an entry that the source has no more."""
        key, _, _, depth = place(dn)
        data = self._writer.deleted(dn) if self.holds_changes else b""
        with _explained(self.path):
            # Children go before their parents.
            self._spill.add_keyed(_RANK_DELETES - (depth or 0), key, data)

    def add_change(self, change: Change) -> None:
        """Add a change; changes stay in the order they come in.

        Raises:
            LdifError: It cannot be written.
        """
        data = self._writer.change(change)
        with _explained(self.path):
            self._spill.add(_RANK_CHANGES, data)

    # Putting in place

    def replace(
        self,
        *,
        merges: bool = False,
        appends: bool = False,
        allows_duplicates: bool = True,
    ) -> Written:
        """Put the new content in place.

        Args:
            merges: Entries that are in the old file and did not come stay.
            appends: The old content stays, as it is, before the new one.
            allows_duplicates: Of several entries with one DN the last one stays.

        Raises:
            FlextError: It cannot be written; the old file is as it was.
        """
        draft = self._draft
        if draft is None:
            raise AssertionError("replaced twice")
        with _explained(self.path):
            if merges and self.path.exists():
                self._add_old_entries()
            if appends and self.path.exists():
                self._copy_old()
            elif self._has_version:
                self._file.write(VERSION_LINE)
            count = 0
            for data in self._spill.records():
                self._file.write(data)
                count += 1
            self._file.flush()
            found = self._spill.duplicates
            if found.count and not allows_duplicates:
                raise FlextError(
                    f"{found.count} entries came with a DN that came before",
                    where=f"{self.path}: {', '.join(found.examples)}",
                    fix="make DNs unique at the source, or set duplicates: last",
                )
            is_changed = not _same_content(draft, self.path)
            if is_changed:
                self._keep_mode(draft)
                os.fsync(self._file.fileno())
                draft.replace(self.path)
                self._draft = None
                _sync_folder(self.path.parent)
        self.close()
        return Written(self.path, count, is_changed, found.count, found.examples)

    def _add_old_entries(self) -> None:
        with self.path.open("rb", buffering=0) as file:
            for found in read(file.read):
                if not isinstance(found, Entry):
                    reason = (
                        found.reason
                        if isinstance(found, Refusal)
                        else "a change record among entries"
                    )
                    raise FlextError(
                        f"{self.path} cannot be merged with what is new: {reason}",
                        where=f"{self.path}:{found.line}",
                        fix="mend or move the file, or set load_method: overwrite",
                    )
                key, _, _, depth = place(found.dn)
                data = self._encoded(found.dn, found.attributes)
                self._add_entry(key, depth, data, is_old=True)

    def _copy_old(self) -> None:
        with self.path.open("rb") as old:
            shutil.copyfileobj(old, self._file, _COPY_BYTES)
            size = old.tell()
            old.seek(max(0, size - 2))
            tail = old.read()
        if size and tail != b"\n\n":
            # A record must not run into the one before.
            self._file.write(b"\n" if tail.endswith(b"\n") else b"\n\n")

    def _keep_mode(self, draft: Path) -> None:
        # A new file is for its owner alone: entries hold password hashes.
        with suppress(FileNotFoundError):
            old = self.path.stat()
            draft.chmod(old.st_mode & 0o7777)
            with suppress(PermissionError):
                os.chown(draft, old.st_uid, old.st_gid)

    def close(self) -> None:
        """Drop what is not in place; the old file stays as it was."""
        self._spill.close()
        with suppress(OSError):
            self._file.close()
        if self._draft is not None:
            self._draft.unlink(missing_ok=True)
            self._draft = None


class _explained:  # noqa: N801 - reads as a statement
    """Turns errors of the file system into ones that a person can act on."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        """Explain."""
        if isinstance(error, OSError):
            raise FlextError(
                f"{self._path} cannot be written: {error.strerror or error}",
                where=f"directory {self._path.parent}",
                fix="make room there and let this user write; the old file is intact",
            ) from error


def _same_content(one: Path, other: Path) -> bool:
    try:
        with one.open("rb") as first, other.open("rb") as second:
            if os.fstat(first.fileno()).st_size != os.fstat(second.fileno()).st_size:
                return False
            return all(a == b for a, b in _pairs(first, second))
    except FileNotFoundError:
        return False


def _pairs(first: IO[bytes], second: IO[bytes]) -> Iterator[tuple[bytes, bytes]]:
    while data := first.read(_COPY_BYTES):
        yield data, second.read(_COPY_BYTES)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _glob_escaped(name: str) -> str:
    return "".join(f"[{char}]" if char in "*?[" else char for char in name)

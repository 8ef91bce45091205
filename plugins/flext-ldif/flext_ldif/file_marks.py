"""What a run remembers of the files it has read, and what the next one then reads.

The state keeps one mark per file, set only when all records of the file are out.
Files that did not change are passed over; one that only grew is read on from its
end; anything else (a file changed, vanished or was refused in part, or settings
changed) means that all files are read again under a new version, so that rows
which are in no file any more can be dropped.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flext_ldif.input_files import InputFile

_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class FileMark:
    """How far a file was read.

    Attributes:
        path: `source_file` of its records.
        size: Bytes that were read, from its start.
        mtime_ns: When it was last changed, as its file system says.
        sha256: Digest of those bytes, hexadecimal.
        lines: Line ends in those bytes; -1 if reading on is impossible (gzip,
            UTF-16).
        open_position: Where the last record begins if no blank line ends it yet:
            the file may go on within it. Else equal to `size`.
        open_line: Number of the line at that position.
        rejected: How many of its records were set aside.
    """

    path: str
    size: int
    mtime_ns: int
    sha256: str
    lines: int
    open_position: int
    open_line: int
    rejected: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the mark as the state holds it."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> FileMark | None:
        """Return a mark from a state, or None if it is none."""
        try:
            return cls(**{one.name: value[one.name] for one in fields(cls)})
        except (KeyError, TypeError):
            return None


class Digest:
    """Counts and digests bytes on their way.

    Args:
        read: Returns up to so many bytes.
    """

    def __init__(self, read: Any) -> None:  # noqa: ANN401 - a file's read
        self._read = read
        self._hash = hashlib.sha256()
        self.size = 0
        self.lines = 0
        self.ends_in_line_end = True

    def read(self, size: int) -> bytes:
        """Return up to so many bytes, noting them."""
        data: bytes = self._read(size)
        if data:
            self._hash.update(data)
            self.size += len(data)
            self.lines += data.count(b"\n")
            self.ends_in_line_end = data[-1:] == b"\n"
        return data

    def skip(self, size: int) -> None:
        """Read and note so many bytes."""
        while size > 0 and (data := self.read(min(size, _READ_BYTES))):
            size -= len(data)

    @property
    def sha256(self) -> str:
        """Digest of all bytes so far."""
        return self._hash.hexdigest()


@dataclass(frozen=True, slots=True)
class Work:
    """A file that is to be read, from a position on.

    Attributes:
        file: The file.
        position: First byte to parse; 0 reads all of it.
        line: Number of the line there.
        mark: What was read before, if reading goes on from there.
    """

    file: InputFile
    position: int = 0
    line: int = 1
    mark: FileMark | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run reads.

    Attributes:
        works: The files to read, in order.
        kept: Marks of files that have not changed.
        is_full: All files are read, and rows of earlier runs are void.
        why: What made it full, for the log; "" if it is not, or the first run.
    """

    works: list[Work]
    kept: list[FileMark]
    is_full: bool
    why: str = ""


def plan(files: Sequence[InputFile], marks: Iterable[FileMark]) -> Plan:
    """Return what is to be read, given what was read before."""
    known = {mark.path: mark for mark in marks}
    gone = known.keys() - {file.name for file in files}
    everything = [Work(file) for file in files]
    if gone:
        return Plan(everything, [], is_full=True, why=f"{min(gone)} is gone")
    works: list[Work] = []
    kept: list[FileMark] = []
    for file in files:
        mark = known.get(file.name)
        if mark is None:
            works.append(Work(file))
            continue
        outcome = _compare(file, mark)
        if outcome is None:
            why = f"{file.name} has changed"
            return Plan(everything, [], is_full=True, why=why)
        if isinstance(outcome, Work):
            works.append(outcome)
        else:
            kept.append(outcome)
    return Plan(works, kept, is_full=not known)


def is_unchanged(file: InputFile, mark: FileMark) -> bool:
    """Whether a file is, by its size and time, what it was when it was read."""
    if not file.is_regular:
        return False
    status = Path(file.name).stat()
    return status.st_size == mark.size and status.st_mtime_ns == mark.mtime_ns


def _compare(file: InputFile, mark: FileMark) -> FileMark | Work | None:
    """Return the mark if nothing changed, what is new, or None: read all."""
    if not file.is_regular:
        return None
    if is_unchanged(file, mark):
        return mark
    status = Path(file.name).stat()
    if status.st_size < mark.size:
        return None
    return _read_on(file, mark, status.st_mtime_ns)


def _read_on(file: InputFile, mark: FileMark, mtime_ns: int) -> FileMark | Work | None:
    with file.open_raw() as opened:
        digest = Digest(opened.read)
        digest.skip(mark.size)
        if digest.sha256 != mark.sha256:
            return None
        ended, more = digest.ends_in_line_end, opened.read(2)
    if not more:
        return replace(mark, mtime_ns=mtime_ns)
    if mark.lines < 0:
        return None
    if ended and (more[:1] == b"\n" or more == b"\r\n"):
        # The last record was whole: a blank line follows it.
        return Work(file, mark.size, mark.lines + 1, mark)
    return Work(file, mark.open_position, mark.open_line, mark)

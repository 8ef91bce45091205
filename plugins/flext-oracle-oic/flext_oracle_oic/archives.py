"""Archives (.iar, .par, .car): saving whole ones, telling two apart."""

from __future__ import annotations

import base64
import binascii
import io
import zipfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from flext_oracle_oic.answers import BrokenAnswerError
from flext_oracle_oic.errors import OicError, RecordError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Larger than any archive that the service takes; what unpacks to more is no archive.
MAX_ARCHIVE_BYTES = 2 * 2**30


def save(parts: Iterable[bytes], path: Path, where: str) -> None:
    """Writes a body to a file as it comes.

    Raises:
        OicError: It is larger than an archive can be.
    """
    size = 0
    with path.open("wb") as file:
        for part in parts:
            size += len(part)
            if size > MAX_ARCHIVE_BYTES:
                raise OicError(
                    f"the archive exceeds {MAX_ARCHIVE_BYTES // 2**20} MiB",
                    where=where,
                )
            file.write(part)


def check_archive(path: Path) -> None:
    """Makes sure that a file is a zip with its directory, which stands at the end.

    Raises:
        BrokenAnswerError: It is not, or not whole.
    """
    if not zipfile.is_zipfile(path):
        raise BrokenAnswerError(
            f"the archive came as {path.stat().st_size} bytes that are no whole zip"
        )


def is_same(first: Path | bytes, second: Path | bytes) -> bool:
    """Whether two archives hold the same files, however they are packed."""
    try:
        return _members(first) == _members(second)
    except (zipfile.BadZipFile, OSError):
        return False


def _members(archive: Path | bytes) -> dict[str, tuple[int, int]]:
    source: Path | IO[bytes] = (
        io.BytesIO(archive) if isinstance(archive, bytes) else archive
    )
    with zipfile.ZipFile(source) as file:
        return {
            entry.filename: (entry.file_size, entry.CRC)
            for entry in file.infolist()
            if not entry.is_dir()
        }


def archive_of(record: Mapping[str, Any], name: str) -> tuple[str, bytes] | None:
    """File name and content of a record's archive, from a path or from base64.

    Args:
        record: With `archive_path` (also `archivePath`, as the tap writes it) or
            `archive`, base64.
        name: File name of what came as base64.

    Raises:
        RecordError: It cannot be read.
    """
    if path := record.get("archive_path") or record.get("archivePath"):
        try:
            content = Path(str(path)).read_bytes()
        except OSError as error:
            raise RecordError(f"{path} cannot be read: {error.strerror}") from error
        return Path(str(path)).name, content
    if encoded := record.get("archive"):
        try:
            return name, base64.b64decode(str(encoded), validate=True)
        except binascii.Error as error:
            raise RecordError("archive is not base64") from error
    return None

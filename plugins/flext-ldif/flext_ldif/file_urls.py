"""Values that stand in a file of their own (`jpegPhoto:< file:photo.jpg`).

RFC 2849 lets a value name any URL, and some readers really open what they are
told to. Here only `file:` is known, and only below a folder that the settings
name; without one every URL is refused unread.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

    #: Returns the bytes that an URL names; raises ValueError saying why not.
    UrlReader = Callable[[str], bytes]

MAX_FILE_BYTES = 512 << 20


def refuse_urls(url: str) -> bytes:
    """Refuse any URL, without touching it.

    Raises:
        ValueError: Always.
    """
    raise ValueError(
        f"the value stands in another file ({url[:80]}), and url_base_dir is not set"
    )


def file_urls(base: str | os.PathLike[str]) -> UrlReader:
    """Return a reader of `file:` URLs below a folder.

    Args:
        base: The folder; relative URLs start here. Links are followed first, and
            what they lead to must lie below it too.
    """
    folder = os.path.realpath(base)

    def read(url: str) -> bytes:
        path = _path(url, folder)
        _check_inside(path, folder, url)
        try:
            # O_NONBLOCK: opening a named pipe must not wait for a writer.
            file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise ValueError(f"{url[:80]} cannot be read: {error.strerror}") from error
        try:
            # The name may have been changed into a link since it was checked.
            link = Path(f"/proc/self/fd/{file}")
            if link.exists():
                _check_inside(str(link), folder, url)
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):
                raise ValueError(f"{url[:80]} is no regular file")
            if status.st_size > MAX_FILE_BYTES:
                raise ValueError(
                    f"{url[:80]} has {status.st_size} bytes, more than {MAX_FILE_BYTES}"
                )
            with open(file, "rb", closefd=False) as opened:
                return opened.read()
        finally:
            os.close(file)

    return read


def _path(url: str, folder: str) -> str:
    parts = urlsplit(url)
    if parts.scheme.lower() != "file":
        raise ValueError(f"{url[:80]}: only file: URLs are read")
    if parts.netloc not in ("", "localhost"):
        raise ValueError(f"{url[:80]}: the file is on another host")
    path = os.fsdecode(unquote_to_bytes(parts.path))
    if not path or "\0" in path or parts.query or parts.fragment:
        raise ValueError(f"{url[:80]} names no file")
    return os.path.join(folder, path)  # noqa: PTH118 - an absolute path wins


def _check_inside(path: str, folder: str, url: str) -> None:
    real = os.path.realpath(path)
    if os.path.commonpath([real, folder]) != folder:
        raise ValueError(f"{url[:80]} leads out of url_base_dir")

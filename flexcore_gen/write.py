"""The only module that writes: one file at a time, each in one step.

A file is written beside its place, synced and renamed, so a reader sees the
old or the new one and never half. Folders are opened without following links.
The manifest is written first with old and new hashes and last with the new
ones, so an interrupted run is carried on by the next.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from typing import TYPE_CHECKING

from flexcore_gen.changes import (
    CONFLICT,
    CREATE,
    KEEP,
    REMOVE,
    SAME,
    UPDATE,
    check_path,
)
from flexcore_gen.errors import EXIT_NOT_WRITTEN, FlexCoreError
from flexcore_gen.manifest import MANIFEST, Entry, Manifest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from flexcore_gen.changes import Change

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


def apply(changes: Iterable[Change], root: Path, manifest: Manifest) -> Manifest:
    """Carries out changes; conflicts must have been refused before.

    Returns:
        The new manifest, as written.

    Raises:
        FlexCoreError: Something could not be written; the rest is as it was.
    """
    changes = tuple(changes)
    assert not any(c.kind == CONFLICT for c in changes)  # noqa: S101 - the caller's duty
    final = _final(changes)
    with _lock(root):
        if any(change.kind in {CREATE, UPDATE, REMOVE} for change in changes):
            write_file(root, MANIFEST, _underway(changes, manifest, final).dump())
        folders = set()
        for change in changes:
            if change.kind in {CREATE, UPDATE} and change.file is not None:
                write_file(root, change.path, change.file.content, sync_folder=False)
                folders.add(change.path.rpartition("/")[0])
            elif change.kind == REMOVE:
                _remove(root, change.path)
        for folder in sorted(folders):
            _sync(root, folder)
        if final != manifest:
            write_file(root, MANIFEST, final.dump())
    return final


def _final(changes: Iterable[Change]) -> Manifest:
    return Manifest(
        {
            change.path: Entry(change.file.owner, (change.file.digest,))
            for change in changes
            if change.file is not None
            and (
                change.kind in {CREATE, UPDATE, SAME}
                or (change.kind == KEEP and change.file.owner == "starter")
            )
        }
    )


def _underway(changes: Iterable[Change], before: Manifest, final: Manifest) -> Manifest:
    files: dict[str, Entry] = dict(before.files)
    for change in changes:
        if (entry := final.files.get(change.path)) is None:
            continue
        old = before.files.get(change.path)
        digests = dict.fromkeys([*(old.digests if old else ()), *entry.digests])
        files[change.path] = Entry(entry.owner, tuple(digests))
    return Manifest(files)


def write_file(
    root: Path, path: str, content: bytes, *, sync_folder: bool = True
) -> None:
    """Replaces one file in one step.

    Args:
        root: The project.
        path: The file, relative to the project.
        content: What it holds then.
        sync_folder: Whether the new name survives a power cut when this returns;
            who writes many files syncs each folder once.

    Raises:
        FlexCoreError: The path leaves the project, leads through a link, or
            cannot be written.
    """
    check_path(path)
    *folders, name = path.split("/")
    temporary = f".{name}.{os.getpid()}.flexcore"
    try:
        with _folder(root, folders, create=True) as folder:
            try:
                descriptor = os.open(
                    temporary,
                    os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW,
                    0o644,
                    dir_fd=folder,
                )
                with os.fdopen(descriptor, "wb") as stream:
                    stream.write(content)
                    stream.flush()
                    os.fsync(stream.fileno())
                os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary, dir_fd=folder)
                raise
            if sync_folder:
                os.fsync(folder)
    except OSError as error:
        raise _not_written(path, error) from error


def link_folder(root: Path, path: str, target: str) -> bool:
    """Makes `path` a relative link to `target`; False if it was one already.

    A folder that stands there is left alone: `dbt deps` may have copied it.
    """
    check_path(path)
    place = root / path
    if place.is_symlink():
        if place.readlink().as_posix() == target:
            return False
        place.unlink()
    elif place.exists():
        return False
    *folders, name = path.split("/")
    try:
        with _folder(root, folders, create=True) as folder:
            os.symlink(target, name, dir_fd=folder)
    except OSError as error:
        raise _not_written(path, error) from error
    return True


def _sync(root: Path, path: str) -> None:
    try:
        with _folder(root, path.split("/") if path else [], create=False) as folder:
            os.fsync(folder)
    except OSError as error:
        raise _not_written(path or ".", error) from error


def _remove(root: Path, path: str) -> None:
    check_path(path)
    *folders, name = path.split("/")
    try:
        with _folder(root, folders, create=False) as folder:
            os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _not_written(path, error) from error
    for depth in range(len(folders), 0, -1):
        with contextlib.suppress(OSError):
            (root / "/".join(folders[:depth])).rmdir()


@contextlib.contextmanager
def _folder(root: Path, parts: list[str], *, create: bool) -> Iterator[int]:
    """A folder's descriptor, reached step by step without following links."""
    if create:
        root.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parts:
            if create:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, 0o755, dir_fd=descriptor)
            following = os.open(part, _FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = following
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _lock(root: Path) -> Iterator[None]:
    """One writer per project; a second one is told so."""
    try:
        with _folder(root, [".flexcore", "locks"], create=True) as folder:
            descriptor = os.open(
                "generate", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644, dir_fd=folder
            )
    except OSError as error:
        raise _not_written(".flexcore/locks/generate", error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FlexCoreError(
                "another flexcore-gen is writing here",
                where=str(root),
                fix="wait until it is done",
                exit_code=EXIT_NOT_WRITTEN,
            ) from error
        yield
    finally:
        os.close(descriptor)


def _not_written(path: str, error: OSError) -> FlexCoreError:
    reasons: Mapping[int | None, str] = {
        errno.ELOOP: "it leads through a symbolic link",
        errno.ENOTDIR: "a folder on the way is a file or a symbolic link",
        errno.ENOSPC: "the disk is full",
        errno.EACCES: "permission denied",
        errno.EROFS: "the disk is read-only",
    }
    reason = reasons.get(error.errno, error.strerror or str(error))
    return FlexCoreError(
        f"cannot write {path}: {reason}",
        fix="every file is the old or the new one; mend it and run generate again",
        exit_code=EXIT_NOT_WRITTEN,
    )

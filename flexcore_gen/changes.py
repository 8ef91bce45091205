"""Compares rendered files with the disk: what `generate` would do, and why not.

| kind | when |
|---|---|
| create | the file is not there |
| update | it is as we wrote it, and would be written differently now |
| same | it is already what would be written |
| keep | it is a starter or taken over, so it is a person's |
| conflict | a person changed or wrote it, and it would be overwritten |
| remove | we wrote it, nobody touched it, nothing plans it any more |
| release | we wrote it, it was changed, and nothing plans it any more |
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flexcore_gen.errors import FlexCoreError
from flexcore_gen.plan import STARTER

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from flexcore_gen.manifest import Manifest
    from flexcore_gen.render import RenderedFile

CREATE, UPDATE, SAME, KEEP = "create", "update", "same", "keep"
CONFLICT, REMOVE, RELEASE = "conflict", "remove", "release"
#: Kinds that make `check` fail.
PENDING = (CREATE, UPDATE, CONFLICT, REMOVE)


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one file; `before` is its content on the disk, if any."""

    kind: str
    path: str
    file: RenderedFile | None = None
    before: bytes | None = None


def compare(
    files: Iterable[RenderedFile],
    root: Path,
    manifest: Manifest,
    owned: Iterable[str] = (),
) -> tuple[Change, ...]:
    """The changes by path.

    Raises:
        FlexCoreError: A path leaves the project or leads through a link.
    """
    taken_over = set(owned)
    changes = []
    planned = set()
    for file in files:
        planned.add(file.path)
        changes.append(_change(file, root, manifest, taken_over))
    for path, entry in manifest.files.items():
        if path in planned:
            continue
        if path in taken_over or entry.owner == STARTER:
            changes.append(Change(RELEASE, path))
            continue
        before = read_inside(root, path)
        if before is None or hashlib.sha256(before).hexdigest() not in entry.digests:
            changes.append(Change(RELEASE, path, before=before))
        else:
            changes.append(Change(REMOVE, path, before=before))
    return tuple(sorted(changes, key=lambda change: change.path))


def _change(
    file: RenderedFile, root: Path, manifest: Manifest, owned: set[str]
) -> Change:
    before = read_inside(root, file.path)
    if file.path in owned:
        return Change(KEEP, file.path, file, before)
    if before is None:
        return Change(CREATE, file.path, file)
    if before == file.content:
        return Change(SAME, file.path, file, before)
    if file.owner == STARTER:
        return Change(KEEP, file.path, file, before)
    entry = manifest.files.get(file.path)
    if entry and hashlib.sha256(before).hexdigest() in entry.digests:
        return Change(UPDATE, file.path, file, before)
    return Change(CONFLICT, file.path, file, before)


def check_path(path: str) -> None:
    """Refuses a path that could leave the project.

    Raises:
        FlexCoreError: The path is absolute, has `..` or odd characters.
    """
    parts = path.split("/")
    if (
        not path
        or path.startswith("/")
        or "\\" in path
        or any(part in {"", ".", ".."} for part in parts)
        or any(ord(character) < 32 for character in path)  # noqa: PLR2004 - controls
    ):
        raise FlexCoreError(f"refusing to write outside the project: {path!r}")


def read_inside(root: Path, path: str) -> bytes | None:
    """A file's content, or None if it is not there; links are refused.

    Raises:
        FlexCoreError: The path leads through a link or to something else than a
            file.
    """
    check_path(path)
    place = root
    for part in path.split("/"):
        place = place / part
        if place.is_symlink():
            raise FlexCoreError(
                f"{path} leads through a symbolic link",
                where=str(place),
                fix="replace the link by a real file or folder",
                exit_code=3,
            )
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FlexCoreError(
            f"cannot read {path}: {error.strerror}",
            fix="a file stands where a folder belongs, or you may not read it",
            exit_code=3,
        ) from error
    try:
        with os.fdopen(descriptor, "rb") as stream:
            return stream.read()
    except OSError as error:
        raise FlexCoreError(
            f"cannot read {path}: {error.strerror}",
            fix="move what stands there out of the way",
            exit_code=3,
        ) from error

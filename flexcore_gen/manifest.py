"""What we wrote: `.flexcore/manifest.json`, path to owner and content hash.

An entry has several hashes only while a `generate` is under way: a run that
was interrupted leaves files of both kinds, and both are ours.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flexcore_gen.errors import FlexCoreError

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = ".flexcore/manifest.json"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file: who owns it and which contents are ours."""

    owner: str
    digests: tuple[str, ...]


@dataclass(slots=True)
class Manifest:
    """Entries by path."""

    files: dict[str, Entry] = field(default_factory=dict)

    def dump(self) -> bytes:
        """The manifest as JSON, sorted, one file per line group."""
        files = {
            path: {"owner": entry.owner, "sha256": list(entry.digests)}
            for path, entry in sorted(self.files.items())
        }
        text = json.dumps({"version": 1, "files": files}, indent=2, ensure_ascii=True)
        return f"{text}\n".encode()


def load_manifest(root: Path) -> Manifest:
    """Reads the manifest of a project; an empty one if there is none.

    Raises:
        FlexCoreError: The file is damaged.
    """
    path = root / MANIFEST
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return Manifest()
    except OSError as error:
        raise FlexCoreError(
            f"cannot read {MANIFEST}: {error.strerror}",
            where=str(path),
            fix="a folder .flexcore with this file belongs there; move what stands "
            "in its place away",
            exit_code=3,
        ) from error
    try:
        files = _files(json.loads(raw))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FlexCoreError(
            f"{MANIFEST} is damaged: {error}",
            where=str(path),
            fix="restore it from version control, or delete it: files that are as "
            "they would be written are taken in again, others become conflicts",
            exit_code=3,
        ) from error
    return Manifest(files)


def _files(document: dict[str, Any]) -> dict[str, Entry]:
    if document["version"] != 1:
        raise ValueError("unknown version")
    return {
        str(name): Entry(str(item["owner"]), tuple(map(str, item["sha256"])))
        for name, item in document["files"].items()
    }

"""The wheels that a project runs on, collected with their hashes.

What is collected is what runs here: the exact versions of this environment that
the project's plugins need, found by following the installed metadata. Published
packages come from the index that pip is set up for; those that are installed
from a folder (a checkout of FlexCore, a plugin of one's own) are built from it.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from flexcore_gen.errors import EXIT_NOT_WRITTEN, FlexCoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_SHOWN_LINES = 3


@dataclass(frozen=True, slots=True)
class Pin:
    """One package as it is installed; `folder` is set if it came from one."""

    name: str
    version: str
    folder: Path | None = None


def installed_pins(roots: Iterable[str]) -> tuple[Pin, ...]:
    """The packages that `roots` need, themselves included, sorted by name.

    Args:
        roots: Requirements such as `flexcore[dbt]`; their versions do not matter.

    Raises:
        FlexCoreError: One of them, or of what they need, is not installed.
    """
    pins: dict[str, Pin] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(Requirement(root), "the project") for root in roots]
    while waiting:
        wanted, wanted_by = waiting.pop()
        name = canonicalize_name(wanted.name)
        for extra in ("", *sorted(wanted.extras)):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            found = _distribution(name, wanted_by)
            pins[name] = Pin(name, found.version, _folder(found))
            for line in found.requires or ():
                needed = Requirement(line)
                if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                    waiting.append((needed, found.metadata["Name"]))
    return tuple(pins[name] for name in sorted(pins))


def collect_wheels(pins: Sequence[Pin], folder: Path) -> dict[str, str]:
    """Puts a wheel of each pin into `folder`.

    Returns:
        The SHA-256 of each wheel by its file name.

    Raises:
        FlexCoreError: pip could not get or build one.
    """
    folder.mkdir(parents=True)
    listed = [f"{p.name}=={p.version}" for p in pins if p.folder is None]
    requirements = folder / "published.txt"
    requirements.write_text("".join(f"{line}\n" for line in listed), encoding="utf-8")
    _pip("wheel", "--no-deps", "--wheel-dir", str(folder), "-r", str(requirements))
    requirements.unlink()
    for pin in pins:
        if pin.folder is not None:
            _pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(pin.folder))
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.glob("*.whl"))
    }


def requirements_text(hashes: dict[str, str]) -> str:
    """What `pip install --require-hashes -r` reads.

    Args:
        hashes: SHA-256 by wheel file name.
    """
    lines = []
    for file, digest in sorted(hashes.items()):
        name, version, *_ = file.split("-")
        lines.append(f"{canonicalize_name(name)}=={version} --hash=sha256:{digest}\n")
    return "".join(sorted(lines))


def _distribution(name: str, wanted_by: str) -> Distribution:
    try:
        return Distribution.from_name(name)
    except PackageNotFoundError as error:
        raise FlexCoreError(
            f"{name} is not installed here, and {wanted_by} needs it",
            fix=f"install it, so that what is bundled is what runs: "
            f"`uv pip install {name}`",
        ) from error


def _folder(found: Distribution) -> Path | None:
    """Where an installed package came from, if from a folder (PEP 610)."""
    text = found.read_text("direct_url.json")
    if text is None:
        return None
    url = urlsplit(json.loads(text).get("url", ""))
    folder = Path(unquote(url.path))
    return folder if url.scheme == "file" and folder.is_dir() else None


def _pip(*arguments: str) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        *arguments,
        "--disable-pip-version-check",
        "--quiet",
    ]
    ended = subprocess.run(  # noqa: S603 - pip, with names of installed packages
        command, capture_output=True, text=True, check=False
    )
    if ended.returncode:
        said = [line for line in ended.stderr.splitlines() if line.strip()]
        raise FlexCoreError(
            f"pip failed: {' '.join(said[-_SHOWN_LINES:]) or 'without a word'}",
            where=" ".join(command[2:5]),
            fix="see that pip reaches its index here: `pip config list`",
            exit_code=EXIT_NOT_WRITTEN,
        )

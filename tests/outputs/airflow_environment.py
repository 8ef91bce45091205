"""Airflow in a virtual environment of its own, from the rendered requirements.

It is installed once, with uv and hashes checked, into .judges/ of the checkout; other
requirements are another folder. Processes that ask at once wait for each other.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "templates" / "airflow" / "requirements.txt"


def airflow_commands() -> Path:
    """The bin folder of the environment, made if it is not there yet."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = ROOT / ".judges"
    place = folder / f"airflow-{version}-{digest}"
    folder.mkdir(exist_ok=True)
    with (folder / "airflow.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Last written, so a killed installation is begun again.
        done = place / "installed"
        if not done.exists():
            shutil.rmtree(place, ignore_errors=True)
            python = str(place / "bin" / "python")
            _uv("venv", "-q", "--python", sys.executable, str(place))
            _uv("pip", "install", "-q", "--require-hashes", "--compile-bytecode",
                "--python", python, "-r", str(REQUIREMENTS))  # fmt: skip
            done.touch()
    return place / "bin"


def _uv(*arguments: str) -> None:
    run = subprocess.run(
        ["uv", *arguments], capture_output=True, text=True, timeout=280, check=False
    )
    if run.returncode:
        raise RuntimeError(f"cannot install Airflow from PyPI:\n{run.stderr}")

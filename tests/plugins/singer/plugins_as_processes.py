"""Runs the reference tap and target as processes; shared by the tests here."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

FAKES = Path(__file__).parents[2] / "fakes"
SECONDS = 60


def command(name: str, config: dict, folder: Path, *more: str) -> list[str]:
    path = folder / f"{name}-{len(list(folder.iterdir()))}.json"
    path.write_text(json.dumps(config))
    return [sys.executable, str(FAKES / f"{name}.py"), "--config", str(path), *more]


def run(command, *, data: bytes = b"", **environment: str):
    return subprocess.run(
        command,
        input=data,
        capture_output=True,
        timeout=SECONDS,
        check=False,
        env={**os.environ, **environment},
    )


def run_tap(folder: Path, state: dict | None = None, failpoint: str = "", **config):
    more = []
    if state is not None:
        path = folder / f"state-{len(list(folder.iterdir()))}.json"
        path.write_text(json.dumps(state))
        more = ["--state", str(path)]
    return run(
        command("reference_tap", config, folder, *more), FLEXCORE_FAILPOINT=failpoint
    )


def run_target(folder: Path, data: bytes, failpoint: str = "", **config):
    config.setdefault("path", str(folder / "out.db"))
    return run(
        command("reference_target", config, folder),
        data=data,
        FLEXCORE_FAILPOINT=failpoint,
    )


def messages(output: bytes, kind: str) -> list[dict]:
    lines = map(json.loads, output.split(b"\n")[:-1])
    return [line for line in lines if line["type"] == kind]


def last_state(output: bytes) -> dict | None:
    lines = [line for line in output.split(b"\n")[:-1] if line]
    return json.loads(lines[-1]) if lines else None


def rows(folder: Path, stream: str = "numbers") -> list[dict]:
    database = sqlite3.connect(folder / "out.db")
    try:
        found = database.execute(f'select record from "{stream}" order by rowid')
        return [json.loads(record) for (record,) in found]
    except sqlite3.OperationalError:
        return []
    finally:
        database.close()

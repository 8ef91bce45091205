"""What the Oracle plugin's tests stand on: a database, and both commands."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from servers.oracle_server import oracle_server

__all__ = ["oracle_server"]

COMMANDS = Path(sys.executable).parent
RUN_SECONDS = 120


@dataclass
class Run:
    """How a command ended."""

    code: int
    output: bytes
    errors: str

    @property
    def messages(self):
        return [json.loads(line) for line in self.output.splitlines() if line.strip()]

    @property
    def records(self):
        return [m["record"] for m in self.messages if m.get("type") == "RECORD"]

    @property
    def state(self):
        """The last STATE of a tap, or what a target wrote last."""
        lines = [m for m in self.messages if m.get("type") in ("STATE", None)]
        return lines[-1].get("value", lines[-1]) if lines else None

    @property
    def error(self):
        """The three lines of the error."""
        lines = self.errors.splitlines()
        starts = [n for n, line in enumerate(lines) if ": error: " in line]
        return lines[starts[-1] : starts[-1] + 3] if starts else []


@pytest.fixture
def database(oracle_server):
    """An empty schema and no faults ordered."""
    oracle_server.clear_faults()
    oracle_server.drop_everything()
    yield oracle_server
    oracle_server.clear_faults()


@pytest.fixture
def settings(oracle_server):
    """Connection settings of the tap and the target."""
    return {
        "dsn": oracle_server.dsn,
        "username": oracle_server.user,
        "password": oracle_server.password,
        "max_retries": 2,
    }


@pytest.fixture
def config_file(tmp_path, settings):
    """Writes settings to a file."""
    count = iter(range(10_000))

    def write(**more):
        path = tmp_path / f"config{next(count)}.json"
        path.write_text(json.dumps({**settings, **more}))
        return str(path)

    return write


@pytest.fixture
def tap(config_file, tmp_path):
    """Runs the tap as its users do."""

    def run(*arguments, state=None, catalog=None, env=None, **more):
        command = [COMMANDS / "flext-tap-oracle", "--config", config_file(**more)]
        for name, value in (("state", state), ("catalog", catalog)):
            if value is not None:
                path = tmp_path / f"{name}.json"
                path.write_text(json.dumps(value))
                command += [f"--{name}", path]
        done = subprocess.run(
            [*map(str, command), *arguments],
            capture_output=True,
            timeout=RUN_SECONDS,
            check=False,
            env=env,
        )
        return Run(done.returncode, done.stdout, done.stderr.decode())

    return run


@pytest.fixture
def target(config_file):
    """Runs the target as its users do."""

    def run(source, env=None, **more):
        if not isinstance(source, bytes):
            source = b"".join(json.dumps(m).encode() + b"\n" for m in source)
        done = subprocess.run(
            [str(COMMANDS / "flext-target-oracle"), "--config", config_file(**more)],
            input=source,
            capture_output=True,
            timeout=RUN_SECONDS,
            check=False,
            env=env,
        )
        return Run(done.returncode, done.stdout, done.stderr.decode())

    return run

"""A small Meltano project with fast stand-ins for taps, targets and dbt."""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner

from flexcore_gen.events.commands import events as events_command
from flexcore_gen.events.commands import runs as runs_command
from flexcore_gen.events.run_event import TERMINAL
from flexcore_gen.events.run_state import fold
from flexcore_gen.events.sqlite_store import SqliteStore

FAKES = Path(__file__).parents[1] / "fakes" / "meltano"
SECONDS = 60
VIEW_FIELDS = [
    "run_id",
    "correlation_id",
    "pipeline",
    "environment",
    "status",
    "started_at",
    "ended_at",
    "duration_seconds",
    "rows",
    "error",
]


def wait_until(condition, what):
    deadline = time.monotonic() + SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.02)
    return found


@dataclass
class Project:
    root: Path
    env: dict = field(default_factory=dict)
    started: list = field(default_factory=list)

    @property
    def store_path(self):
        return self.root / ".flexcore" / "events.db"

    def start(self, *command, cwd=None, **env):
        process = subprocess.Popen(
            ["meltano", *command],
            cwd=cwd or self.root,
            env={**self.env, **{k: str(v) for k, v in env.items()}},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def run(self, *command, cwd=None, **env):
        process = self.start(*command, cwd=cwd, **env)
        return self.finish(process)

    def finish(self, process):
        out, err = process.communicate(timeout=SECONDS)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def start_and_hang(self, *command, **env):
        """Start a run and wait until its tap (or dbt) is in the middle of its work."""
        file = self.root / f"hangs-{len(self.started)}"
        process = self.start(
            *command,
            FAKE_TAP_HANG_AT=env.pop("hang_at", 3),
            FAKE_TAP_HANG_FILE=file,
            FAKE_DBT_HANG_FILE=file,
            **env,
        )
        wait_until(lambda: file.exists() and file.read_text(), "a hanging plugin")
        return process, int(file.read_text())

    def envelopes(self, run_id=None):
        args = ["--json"] + (["--run", run_id] if run_id else [])
        return json.loads(self.invoke(events_command, *args).stdout)

    def names(self):
        return [event["name"] for event in self.envelopes()]

    def runs(self, *args):
        return json.loads(self.invoke(runs_command, "--json", *args).stdout)

    def last_run(self):
        return self.runs()[0]

    def last_event(self):
        return self.envelopes()[-1]

    def invoke(self, command, *args):
        with contextlib.chdir(self.root):
            result = CliRunner().invoke(command, args, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result

    def check(self):
        """What must hold whatever happened: see docs/explanation/events.md."""
        if not self.store_path.is_file():
            return
        store = SqliteStore(self.store_path, create=False)
        try:
            assert store.verify().problem is None
            with contextlib.closing(sqlite3.connect(self.store_path)) as reader:
                reader.row_factory = sqlite3.Row
                view = {
                    row["run_id"]: dict(row)
                    for row in reader.execute("SELECT * FROM runs")
                }
            assert sorted(view) == sorted(store.run_ids())
            for run_id, row in view.items():
                stored = list(store.events(run_id))
                names = [each.event.name for each in stored]
                assert names[0] == "PipelineStarted"
                assert [each.version for each in stored] == [*range(1, len(stored) + 1)]
                ends = [name for name in names if name in TERMINAL]
                assert len(ends) <= 1
                assert not ends or names[-1] == ends[0]
                summary = fold(run_id, stored).summary()
                assert row == {name: summary[name] for name in VIEW_FIELDS}
        finally:
            store.close()

    def stop(self):
        for process in self.started:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            process.communicate(timeout=SECONDS)


@pytest.fixture(scope="session")
def prepared_project(tmp_path_factory):
    """A project whose system database exists, which takes Meltano a moment."""
    root = tmp_path_factory.mktemp("prepared") / "demo"
    root.mkdir()
    shutil.copy(FAKES / "meltano.yml", root)
    shutil.copytree(FAKES, root / "bin", ignore=shutil.ignore_patterns("*.yml"))
    subprocess.run(
        ["meltano", "state", "list"],
        cwd=root,
        env=environment(root),
        check=True,
        capture_output=True,
        timeout=SECONDS,
    )
    return root


def environment(root):
    dropped = ("FLEXCORE_", "MELTANO_", "FAKE_", "DBT_", "TRACE", "PYTHONDONTWRITE")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
    binaries = str(Path(sys.executable).parent)
    return {
        **kept,
        "PATH": f"{binaries}:{kept.get('PATH', '')}",
        "HOME": str(root.parent),
        "FAKE_TARGET_PATH": str(root / "loaded.jsonl"),
    }


@pytest.fixture
def project(prepared_project, tmp_path):
    root = tmp_path / "demo"
    shutil.copytree(prepared_project, root, symlinks=True)
    made = Project(root, environment(root))
    yield made
    made.stop()
    made.check()

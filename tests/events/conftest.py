"""A small Meltano project with fast stand-ins for taps, targets and dbt."""

import contextlib
import itertools
import json
import os
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from servers import postgres as postgres_server

from flexcore_gen.events.commands import events as events_command
from flexcore_gen.events.commands import runs as runs_command
from flexcore_gen.events.postgres_store import PostgresStore, set_up
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

    def start(self, *command, cwd=None, prefix=(), **env):
        process = subprocess.Popen(
            [*prefix, "meltano", *command],
            cwd=cwd or self.root,
            env={**self.env, **{k: str(v) for k, v in env.items()}},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def run(self, *command, **options):
        process = self.start(*command, **options)
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


@pytest.fixture
def other_project(prepared_project, tmp_path):
    """The same project in another folder, as on another host."""
    root = tmp_path / "far" / "elsewhere"
    shutil.copytree(prepared_project, root, symlinks=True)
    made = Project(root, environment(root))
    yield made
    made.stop()


class SqlitePlace:
    """A store for one test, and the hand of someone who owns its file."""

    def __init__(self, path):
        self.path = path
        self.address = f"sqlite:///{path}"
        self.table = "events"

    def open(self):
        return SqliteStore(self.path)

    def rows(self, query):
        with contextlib.closing(sqlite3.connect(self.path)) as other:
            found = other.execute(query).fetchall()
            other.commit()
            return found

    def drop_triggers(self):
        for trigger in ("events_no_update", "events_no_delete"):
            self.rows(f"DROP TRIGGER {trigger}")


class PostgresPlace:
    """The same in Postgres: a login that may write, and the superuser's hand."""

    def __init__(self, server, name):
        self.admin = server.create_database(name)
        set_up(self.admin)
        login = f"runner_{name}"
        with psycopg.connect(self.admin, autocommit=True) as connection:
            connection.execute(f"CREATE ROLE {login} LOGIN PASSWORD '{CANARY}'")
            connection.execute(f"GRANT flexcore_writer TO {login}")
        quoted = CANARY.replace("@", "%40").replace("/", "%2F")
        self.address = f"postgresql://{login}:{quoted}@127.0.0.1:{server.port}/{name}"
        self.table = "flexcore.events"

    def open(self):
        return PostgresStore(self.address)

    def rows(self, query, address=None):
        with psycopg.connect(
            address or self.admin, autocommit=True, options="-c search_path=flexcore"
        ) as other:
            cursor = other.execute(query)
            return cursor.fetchall() if cursor.description else []

    def drop_triggers(self):
        self.rows("DROP TRIGGER events_no_change ON events")


CANARY = "canary@4711/x"


@pytest.fixture(scope="session")
def postgres():
    if postgres_server.find_programs() is None:
        pytest.skip(postgres_server.MISSING)
    with postgres_server.Postgres() as server:
        yield server


_numbers = itertools.count()


@pytest.fixture
def postgres_place(postgres):
    return PostgresPlace(postgres, f"events_{next(_numbers)}")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.servers)])
def place(request, tmp_path):
    if request.param == "postgres":
        return request.getfixturevalue("postgres_place")
    return SqlitePlace(tmp_path / "store" / "events.db")


RECEIVERS = Path(__file__).parents[1] / "fakes" / "receivers"


class Receiver:
    """A server of its own process that keeps what it receives."""

    def __init__(self, script, log, *words):
        self.log = log
        self.process = subprocess.Popen(
            [sys.executable, RECEIVERS / script, log, *words],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert select.select([self.process.stdout], [], [], 30)[0]
        self.port = int(self.process.stdout.readline())

    def received(self):
        if not self.log.exists():
            return []
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def stop(self):
        self.process.kill()
        self.process.communicate(timeout=10)


@pytest.fixture
def http(tmp_path):
    receiver = Receiver("http_receiver.py", tmp_path / "http.jsonl")
    yield receiver
    receiver.stop()


@pytest.fixture
def receivers():
    """Starts other kinds of receivers; the test stops them."""
    return Receiver

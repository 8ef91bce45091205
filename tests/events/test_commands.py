"""`runs` and `events`: for people and for machines, on a store or without one."""

import contextlib
import json
import sqlite3

import pytest
from click.testing import CliRunner

from flexcore_gen.events.commands import events as events_command
from flexcore_gen.events.commands import runs as runs_command
from flexcore_gen.events.run_event import RunEvent
from flexcore_gen.events.sqlite_store import SqliteStore


@pytest.fixture
def root(tmp_path, monkeypatch):
    (tmp_path / "meltano.yml").write_text("version: 1\n")
    monkeypatch.chdir(tmp_path)
    for name in ("MELTANO_FLEXCORE_EVENTS_STORE", "FLEXCORE_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def call(command, *args):
    return CliRunner().invoke(command, args, catch_exceptions=False)


def record(root, run, pipeline="people", end="PipelineCompleted", **data):
    store = SqliteStore(root / ".flexcore" / "events.db")
    stories = {
        "PipelineStarted": {
            "environment": "dev",
            "startup_seconds": 1.5,
            "steps": ["tap target", "dbt:build", "tap2 target2"],
            "host": "elsewhere",
            "pid": 1,
        },
        "DataExtracted": {
            "name": "tap target",
            "duration_seconds": 2.0,
            "rows": 5,
            "streams": {"people": {"extracted": 5, "loaded": 4, "rejected": 1}},
        },
        "TargetLoaded": {
            "rows": 4,
            "files": [{"path": "out/people.ldif", "records": 4, "changed": False}],
        },
    }
    if end:
        stories[end] = {
            "duration_seconds": 3.0,
            "startup_seconds": 1.5,
            "wall_seconds": 4.5,
            "rows": 4,
            "error": None,
            **data,
        }
    for name, story in stories.items():
        store.append(
            RunEvent(
                name=name,
                source="/flexcore/demo/dev",
                subject=pipeline,
                aggregate_id=run,
                correlation_id=f"c-{run}",
                causation_id=None,
                data=story,
            )
        )
    store.close()


@pytest.mark.parametrize(
    ("command", "args", "output"),
    [
        (runs_command, [], "no runs yet\n"),
        (runs_command, ["--json"], "[]\n"),
        (events_command, [], "no events yet\n"),
        (events_command, ["--json"], "[\n]\n"),
        (events_command, ["verify"], "no events yet\n"),
        (events_command, ["reconcile"], "no runs yet\n"),
    ],
)
def test_nothing_has_run_yet(root, command, args, output):
    result = call(command, *args)

    assert (result.exit_code, result.output) == (0, output)
    assert not (root / ".flexcore").exists()


@pytest.mark.usefixtures("root")
def test_latest_of_nothing_is_an_error_in_three_parts():
    result = call(runs_command, "latest")

    assert result.exit_code == 2
    what, where, fix = result.stderr.splitlines()
    assert what == 'flexcore-gen: error: no run "latest"'
    assert where.startswith("  where: ")
    assert fix.startswith("  fix:   ")


def test_outside_a_project_is_an_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = call(runs_command)

    assert result.exit_code == 2
    assert "no project here" in result.stderr


def test_a_project_is_found_from_below(root, monkeypatch):
    record(root, "r1")
    below = root / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)

    assert [run["run_id"] for run in json.loads(call(runs_command, "--json").output)]


def test_runs_are_listed_newest_first_and_filtered(root):
    record(root, "r1")
    record(root, "r2", end="PipelineFailed", error="broke")
    record(root, "r3", pipeline="orders")
    record(root, "r4", end=None)

    def ids(*args):
        return [run["run_id"] for run in json.loads(call(runs_command, *args).output)]

    assert ids("--json") == ["r4", "r3", "r2", "r1"]
    assert ids("--json", "--limit", "2") == ["r4", "r3"]
    assert ids("--json", "--pipeline", "people") == ["r4", "r2", "r1"]
    assert ids("--json", "--status", "failed") == ["r2"]
    assert ids("--json", "--status", "running") == ["r4"]
    assert ids("--json", "c-r1") == ["r1"]
    table = call(runs_command).output.splitlines()
    assert table[0].split()[:3] == ["started", "(UTC)", "status"]
    assert [line.split()[-1] for line in table[1:]] == ["r4", "r3", "r2", "r1"]


def test_a_run_for_machines_has_these_fields(root):
    record(root, "r1")
    (run,) = json.loads(call(runs_command, "--json").output)

    assert {
        "run_id": "r1",
        "pipeline": "people",
        "environment": "dev",
        "status": "success",
        "duration_seconds": 3.0,
        "startup_seconds": 1.5,
        "wall_seconds": 4.5,
        "rows": 4,
        "error": None,
    }.items() <= run.items()


def test_a_run_is_asked_for_by_the_beginning_of_its_id(root):
    for run in ("01a2-1", "01a2-2", "01a3-1"):
        record(root, run)
    (found,) = json.loads(call(runs_command, "01A3", "--json").stdout)
    assert found["run_id"] == "01a3-1"
    result = call(runs_command, "01a2")
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        'flexcore-gen: error: 2 runs begin with "01a2"',
        "  where: 01a2-2, 01a2-1",
        "  fix:   give more of the id",
    ]


def test_one_run_tells_rows_files_time_and_what_was_not_reached(root):
    record(root, "r1", end="PipelineFailed", error="dbt broke", failed_step=None)
    text = call(runs_command, "latest").output

    assert "people in dev: failed" in text
    assert "people: 5 rows out, 4 in, 1 rejected" in text
    assert "wrote    out/people.ldif (4 records, unchanged)" in text
    assert "4.5 s in all, of which 1.5 s Meltano's own start-up" in text
    assert "tap2 target2: not reached" in text
    assert "error    dbt broke" in text


def test_control_characters_of_a_log_do_not_reach_the_terminal(root):
    record(root, "r1", end="PipelineFailed", error="\x1b[31mred\x07")

    assert "error    [31mred\n" in call(runs_command, "r1").output


def test_events_are_shown_in_order_for_one_run(root):
    record(root, "r1")
    record(root, "r2")

    envelopes = json.loads(call(events_command, "--json", "--run", "r2").output)
    assert [each["version"] for each in envelopes] == [1, 2, 3, 4]
    assert {each["aggregate_id"] for each in envelopes} == {"r2"}
    assert set(envelopes[0]) >= {
        "specversion", "id", "source", "type", "subject", "time", "data", "name",
        "aggregate_id", "version", "correlation_id", "causation_id",
    }  # fmt: skip
    assert envelopes[0]["type"] == "flexcore.pipeline.started.v1"
    assert len(call(events_command).output.splitlines()) == 8


def test_verify_finds_a_change_and_a_cut(root):
    record(root, "r1")
    said = call(events_command, "verify").output
    assert said.startswith("4 events, unbroken; head ")
    head = said.split()[-1]
    assert call(events_command, "verify", "--expect-head", head).exit_code == 0
    assert call(events_command, "verify", "--expect-head", "0" * 64).exit_code == 1

    with contextlib.closing(sqlite3.connect(root / ".flexcore/events.db")) as other:
        other.execute("DROP TRIGGER events_no_update")
        other.execute("UPDATE events SET subject = 'x' WHERE sequence = 2")
        other.commit()
    result = call(events_command, "verify")
    assert result.exit_code == 1
    assert "event 2 was changed" in result.stderr


def test_reconcile_leaves_a_run_of_another_host_until_told(root):
    record(root, "r1", end=None)

    assert "0 lost run(s) closed" in call(events_command, "reconcile").output
    said = call(events_command, "reconcile", "--run", "r1").output
    assert "1 lost run(s) closed\nlost  r1\n" in said
    assert json.loads(call(runs_command, "--json").output)[0]["status"] == "lost"


def test_a_store_that_a_first_run_is_about_to_fill_is_empty(root):
    (root / ".flexcore").mkdir()
    (root / ".flexcore" / "events.db").touch()
    result = call(runs_command, "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, [])


def test_a_store_that_cannot_be_read_is_named(root):
    (root / ".flexcore").mkdir()
    (root / ".flexcore/events.db").write_text("garbage" * 200)
    result = call(runs_command)

    assert result.exit_code == 2
    assert "the event store cannot be read" in result.stderr


@pytest.mark.usefixtures("root")
def test_another_store_can_be_given_as_a_path(tmp_path):
    record(tmp_path / "other", "r9")

    path = tmp_path / "other" / ".flexcore" / "events.db"
    for given in (str(path), f"sqlite:///{path}"):
        (run,) = json.loads(call(runs_command, "--json", "--store", given).output)
        assert run["run_id"] == "r9"

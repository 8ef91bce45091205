"""The hook hears Meltano under any logging settings and from any folder."""

import json
import sqlite3
import stat

import pytest

pytestmark = pytest.mark.end_to_end

SILENCING = """
version: 1
handlers: {console: {class: logging.StreamHandler, stream: 'ext://sys.stderr'}}
root: {level: ERROR, handlers: [console]}
"""


@pytest.mark.parametrize(
    "options",
    [
        ["--log-level=disabled"],
        ["--log-level=error"],
        ["--log-level=debug"],
        ["--log-format=json"],
        ["--log-config=silencing.yaml"],
    ],
)
def test_a_run_is_recorded_whatever_is_logged(project, options):
    (project.root / "silencing.yaml").write_text(SILENCING)
    result = project.run(*options, "run", "load-people")

    assert result.returncode == 0, result.stderr
    run = project.last_run()
    assert (run["status"], run["rows"]) == ("success", 5)
    hidden = "starting execution"
    assert (hidden in result.stderr) == ("--log-level=debug" in options)
    if "disabled" in options[0] or "silencing" in options[0]:
        assert "METRIC" not in result.stderr


def test_debug_of_el_is_as_without_the_hook(project):
    command = ("--log-level=debug", "el", "fake-tap", "fake-target", "--state-id", "s")
    with_hook = project.run(*command).stderr
    without = project.run(*command, FLEXCORE_HOOK=0).stderr

    assert with_hook.count('"RECORD"') == without.count('"RECORD"') > 0
    assert project.run(*command[1:]).stderr.count('"RECORD"') == 0


def test_a_run_from_a_subfolder_is_recorded_at_the_root(project):
    below = project.root / "transform" / "models"
    below.mkdir(parents=True)
    project.run("run", "load-people", cwd=below)

    assert project.last_run()["status"] == "success"


def test_the_hook_can_be_turned_off(project):
    result = project.run("run", "load-people", FLEXCORE_HOOK=0)

    assert result.returncode == 0
    assert project.envelopes() == []


def test_the_store_may_be_elsewhere_by_variable_or_by_annotation(project, tmp_path):
    elsewhere = tmp_path / "by-variable.db"
    project.run(
        "run", "load-people", MELTANO_FLEXCORE_EVENTS_STORE=f"sqlite:///{elsewhere}"
    )
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o600
    assert not project.store_path.exists()

    with (project.root / "meltano.yml").open("a") as file:
        file.write("annotations:\n  flexcore:\n    events_store: sqlite:///other.db\n")
    project.run("run", "load-people")
    assert (project.root / "other.db").exists()
    assert len(project.runs()) == 1


def test_store_files_are_private(project):
    reader = None
    project.run("run", "load-people")
    try:
        reader = sqlite3.connect(project.store_path)
        reader.execute("SELECT count(*) FROM events").fetchone()
        for path in (project.root / ".flexcore").rglob("*"):
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    finally:
        reader.close()


def test_secrets_never_reach_an_event(project):
    canary, other = "cän4ry/p@ss+word", "env-canary-0815"
    result = project.run(
        "run",
        "load-people",
        FAKE_TAP_PASSWORD=canary,
        SOME_API_TOKEN=other,
        FAKE_TAP_SAYS=f"connecting with {json.dumps(canary)} and {other}: "
        "postgresql://me:topsecret1@db/x password=topsecret2",
        FAKE_TAP_FAIL_AT=2,
    )

    assert result.returncode == 1
    text = json.dumps(project.envelopes(), ensure_ascii=False)
    assert "connecting with" in text
    stored = b"".join(
        path.read_bytes() for path in (project.root / ".flexcore").rglob("*.db*")
    )
    for secret in (canary, json.dumps(canary)[1:-1], other, "topsecret"):
        assert secret not in text
        assert secret.encode() not in stored


def test_a_store_that_is_away_costs_one_line_and_the_next_run_adds_the_events(project):
    project.store_path.mkdir(parents=True)
    result = project.run("run", "load-people")

    assert result.returncode == 0
    assert result.stderr.count("flexcore: event store away") == 1
    project.store_path.rmdir()
    assert project.run("run", "orders").returncode == 0
    assert [run["pipeline"] for run in project.runs()] == ["orders", "load-people"]
    assert {run["status"] for run in project.runs()} == {"success"}


def test_without_any_place_to_write_the_run_is_as_without_the_hook(project):
    (project.root / ".flexcore").write_text("a file where the folder should be")
    result = project.run("run", "load-people")

    assert result.returncode == 0
    said = [line for line in result.stderr.splitlines() if line.startswith("flexcore:")]
    assert len(said) == 3
    assert "holds no lock" in said[0]
    assert "events are lost" in said[2]


def test_hostile_log_lines_do_not_end_the_recording(project):
    hostile = [
        'METRIC: {"metric": "record_count", "value": "many", "tags": []}',
        'METRIC: {"metric": "bytes", "value": NaN, "tags": {"stream": "people"}}',
        'METRIC: {"metric": "bookmark", "value": "\\ud800", "tags": {"stream": "s"}}',
        "METRIC: {not json",
        "METRIC: {}",
    ]
    result = project.run("run", "load-people", FAKE_TAP_SAYS="\n".join(hostile))

    assert result.returncode == 0, result.stderr
    assert "no longer recorded" not in result.stderr
    assert project.last_run()["status"] == "success"

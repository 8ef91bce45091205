"""Every way a run can end leaves exactly one terminal event, and never a false one."""

import os
import signal
import time

import pytest

pytestmark = pytest.mark.end_to_end


def test_a_successful_run_tells_its_whole_story(project):
    result = project.run("run", "people")

    assert result.returncode == 0, result.stderr
    events = project.envelopes()
    assert [event["name"] for event in events] == [
        "PipelineStarted",
        "DataExtracted",
        "TargetLoaded",
        "DataExtractionCompleted",
        "TransformationStarted",
        "DataTransformationCompleted",
        "PipelineCompleted",
    ]
    started, extracted, loaded, _, _, transformed, completed = (
        event["data"] for event in events
    )
    assert started["pipeline"] == "people"
    assert started["environment"] == "dev"
    assert started["startup_seconds"] > 0
    assert extracted["streams"] == {
        "people": {
            "extracted": 5,
            "loaded": 5,
            "rejected": 0,
            "bytes": 500,
            "seconds": 0.25,
            "bookmark": "5",
        }
    }
    assert loaded["files"] == [
        {
            "path": str(project.root / "loaded.jsonl"),
            "stream": "people",
            "records": 5,
            "changed": True,
        }
    ]
    assert [(m["name"], m["status"], m["rows"]) for m in transformed["models"]] == [
        ("stg_people", "success", 5),
        ("people", "success", None),
    ]
    assert transformed["tests"]["passed"] == 1
    assert completed["rows"] == 5
    assert completed["wall_seconds"] >= completed["duration_seconds"]


def test_each_event_is_caused_by_the_one_before_it(project):
    project.run("run", "load-people")

    events = project.envelopes()
    causes = [event["causation_id"] for event in events]
    assert causes == [None, *(event["id"] for event in events[:-1])]
    assert {event["specversion"] for event in events} == {"1.0"}
    assert {event["correlation_id"] for event in events} == {
        events[0]["data"]["meltano_run_id"]
    }


def test_a_failing_tap_is_named_with_its_own_words(project):
    result = project.run("run", "load-people", FAKE_TAP_FAIL_AT=3)

    assert result.returncode == 1
    data = project.last_event()["data"]
    assert data["reason"] == "tap_failed"
    step = data["failed_step"]
    assert step["plugin"] == "fake-tap--people--extract"
    assert step["exit_code"] == 3
    assert step["plugin_error"]["message"] == (
        "fake-tap: error: record 3 is broken\n"
        "where: people.json:3:1\nfix:   mend the record"
    )
    assert step["streams"]["people"]["extracted"] == 2
    assert "record 3 is broken" in data["error"]
    assert any("record 3 is broken" in line for line in step["log_tail"])


def test_a_failing_target_is_named_with_its_exit_code(project):
    result = project.run("run", "load-people", FAKE_TARGET_FAIL=1)

    assert result.returncode == 1
    data = project.last_event()["data"]
    assert data["reason"] == "target_failed"
    assert data["failed_step"]["plugin"] == "fake-target--people--load"
    assert data["failed_step"]["exit_code"] == 4
    assert "RuntimeError: target fell over" in data["error"]


def test_a_failing_dbt_model_is_named(project):
    result = project.run("run", "people", FAKE_DBT_FAIL=1)

    assert result.returncode == 1
    data = project.last_event()["data"]
    assert data["reason"] == "transformation_failed"
    assert "people" in data["error"]
    models = {m["name"]: m for m in data["failed_step"]["models"]}
    assert models["stg_people"]["status"] == "success"
    assert models["people"]["message"] == "Compilation Error in model people"


def test_a_failed_dbt_test_is_put_to_its_model(project):
    result = project.run("run", "people", FAKE_DBT_TEST_FAIL=1)

    assert result.returncode == 1
    step = project.last_event()["data"]["failed_step"]
    models = {m["name"]: m["failed_tests"] for m in step["models"]}
    assert models == {"stg_people": [], "people": ["not_null_people_id"]}
    assert step["tests"]["failed"][0]["failures"] == 2


def test_dbt_results_of_an_earlier_run_are_not_taken_for_this_one(project):
    project.run("run", "dbt-only")
    project.run("run", "dbt-only", FAKE_DBT_SILENT=1)

    done = [e for e in project.envelopes() if e["name"].startswith("DataTransf")]
    assert len(done[0]["data"]["models"]) == 2
    assert "models" not in done[1]["data"]


def test_dbt_results_of_a_run_beside_this_one_are_not_taken_for_its_own(project):
    project.run("run", "dbt-only", DBT_ENV_CUSTOM_ENV_FLEXCORE_RUN_ID="from outside")
    assert len(project.envelopes()[-2]["data"]["models"]) == 2

    results = project.root / "transform/target/run_results.json"
    project.run("run", "dbt-only", FAKE_DBT_SILENT=1, FAKE_DBT_OTHER_RESULTS=results)
    assert "overwritten by another run" in project.envelopes()[-2]["data"]["note"]


@pytest.mark.parametrize("command", [("run", "load-people"), ("run", "dbt-only")])
def test_sigterm_is_recorded_and_stops_the_plugin(project, command):
    process, plugin = project.start_and_hang(*command)
    process.send_signal(signal.SIGTERM)
    result = project.finish(process)

    assert result.returncode == 143
    assert not _is_running(plugin)
    data = project.last_event()["data"]
    assert project.last_event()["name"] == "PipelineFailed"
    assert data["error"] == "terminated (SIGTERM)"
    assert data["reason"] == "terminated"


def test_sigterm_in_dbt_after_a_load_keeps_what_was_loaded(project):
    process, plugin = project.start_and_hang("run", "people", hang_at=99)
    process.send_signal(signal.SIGTERM)
    result = project.finish(process)

    assert result.returncode == 143
    assert not _is_running(plugin)
    assert project.names() == [
        "PipelineStarted",
        "DataExtracted",
        "TargetLoaded",
        "DataExtractionCompleted",
        "TransformationStarted",
        "PipelineFailed",
    ]
    assert project.last_run()["rows"] == 5


def test_a_closed_terminal_is_recorded(project):
    process, _ = project.start_and_hang("run", "dbt-only")
    process.send_signal(signal.SIGHUP)

    assert project.finish(process).returncode == 129
    assert project.last_event()["data"]["error"] == "terminated (SIGHUP)"


def test_ctrl_c_is_recorded(project):
    process, _ = project.start_and_hang("run", "load-people")
    os.killpg(process.pid, signal.SIGINT)

    assert project.finish(process).returncode == 1
    assert project.last_event()["data"]["error"] == "interrupted (Ctrl-C)"


def test_a_timeout_is_recorded(project):
    process, _ = project.start_and_hang("run", "load-people", "--timeout", "1")

    assert project.finish(process).returncode == 1
    assert project.last_event()["data"]["error"] == "timed out after 1 s"
    assert project.last_event()["data"]["reason"] == "timed_out"


def test_plugins_that_ignore_sigterm_hold_up_the_end_for_ten_seconds_at_most(project):
    process, plugin = project.start_and_hang(
        "run", "load-people", FAKE_TAP_IGNORES_SIGTERM=1, FAKE_TARGET_IGNORES_SIGTERM=1
    )
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    result = project.finish(process)

    assert result.returncode == 143
    assert time.monotonic() - began < 10
    assert not _is_running(plugin)
    assert project.last_event()["data"]["error"] == "terminated (SIGTERM)"


def test_a_missing_executable_is_recorded(project):
    (project.root / "bin" / "fake_tap.py").unlink()
    result = project.run("run", "load-people")

    assert result.returncode == 1
    assert project.names() == ["PipelineStarted", "PipelineFailed"]


def test_el_is_recorded_like_run(project):
    result = project.run("el", "fake-tap", "fake-target", "--state-id", "s")

    assert result.returncode == 0, result.stderr
    assert project.names() == [
        "PipelineStarted",
        "DataExtracted",
        "TargetLoaded",
        "DataExtractionCompleted",
        "PipelineCompleted",
    ]
    assert project.last_run()["pipeline"] == "fake-tap fake-target"
    assert project.last_run()["rows"] == 5


def test_a_failing_el_is_recorded(project):
    result = project.run(
        "el", "fake-tap", "fake-target", "--state-id", "s", FAKE_TAP_FAIL_AT=2
    )

    assert result.returncode == 1
    data = project.last_event()["data"]
    assert data["reason"] == "tap_failed"
    assert data["failed_step"]["exit_code"] == 3
    assert "record 2 is broken" in data["failed_step"]["plugin_error"]["message"]


def test_sigterm_in_el_is_recorded(project):
    process, plugin = project.start_and_hang(
        "el", "fake-tap", "fake-target", "--state-id", "s"
    )
    process.send_signal(signal.SIGTERM)

    assert project.finish(process).returncode == 143
    assert not _is_running(plugin)
    assert project.last_event()["data"]["error"] == "terminated (SIGTERM)"


def test_a_scheduled_run_has_the_name_of_its_job(project):
    result = project.run("schedule", "run", "nightly")

    assert result.returncode == 0, result.stderr
    assert project.last_run()["pipeline"] == "load-people"
    assert project.last_run()["status"] == "success"


@pytest.mark.parametrize(
    "command",
    [
        ("run", "--dry-run", "load-people"),
        ("run", "--only-install", "load-people"),
        ("run", "no-such-block"),
        ("config", "list", "fake-tap"),
    ],
)
def test_what_runs_nothing_records_nothing(project, command):
    project.run(*command)

    assert project.envelopes() == []


def _is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123 - a line of /proc
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

"""Exit codes say success; the plugins' own counts say otherwise."""

import pytest

pytestmark = pytest.mark.end_to_end


def test_records_that_the_target_lost_fail_the_run(project):
    result = project.run("run", "people", FAKE_TARGET_DROP=2)

    assert result.returncode == 1
    assert "the tap sent 5 records, 3 were loaded" in result.stderr
    assert project.names() == ["PipelineStarted", "PipelineFailed"]
    data = project.last_event()["data"]
    assert data["reason"] == "incomplete"
    assert data["failed_step"]["streams"]["people"]["loaded"] == 3


def test_records_that_the_target_lost_fail_el_too(project):
    result = project.run(
        "el", "fake-tap", "fake-target", "--state-id", "s", FAKE_TARGET_DROP=2
    )

    assert result.returncode == 1
    assert "the tap sent 5 records, 3 were loaded" in result.stderr
    assert project.last_run()["status"] == "failed"


def test_counted_rejects_are_no_loss(project):
    result = project.run("run", "load-people", FAKE_TARGET_REJECT=2)

    assert result.returncode == 0, result.stderr
    streams = project.envelopes()[1]["data"]["streams"]
    assert streams["people"]["rejected"] == 2
    assert streams["people"]["loaded"] == 3


def test_a_target_that_counts_nothing_is_believed(project):
    result = project.run("run", "load-people", FAKE_TARGET_SILENT=1)

    assert result.returncode == 0, result.stderr
    assert project.last_run()["rows"] == 5


def test_stream_maps_may_drop_records(project):
    result = project.run(
        "run",
        "load-people",
        FAKE_TARGET_DROP=2,
        FAKE_TAP_STREAM_MAPS='{"people": {"__filter__": "id > 2"}}',
    )

    assert result.returncode == 0, result.stderr
    assert project.last_run()["rows"] == 3


def test_a_tap_that_breaks_off_and_exits_0_fails_the_run(project):
    result = project.run("run", "load-people", FAKE_TAP_BROKEN_OFF=1)

    assert result.returncode == 1
    assert "broken off" in project.last_run()["error"]


def test_a_target_that_leaves_early_and_exits_0_fails_the_run(project):
    process, _ = project.start_and_hang("run", "load-people", FAKE_TARGET_LEAVE_AT=2)
    result = project.finish(process)

    assert result.returncode == 1
    assert "begun and not finished" in project.last_run()["error"]

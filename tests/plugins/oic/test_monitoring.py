"""Monitoring: windows, the offset ceiling, bookmarks, retention, activity."""

from __future__ import annotations

import datetime as dt
import json
import logging

import pytest
from fakes.oic.tokens import USER
from flext_oracle_oic.errors import OicError
from flext_oracle_oic.streams import steps
from servers.oic_commands import Run, read
from servers.oic_commands import run as run_command

UTC = dt.UTC
INSTANCES = "monitoring_instances"


def ids(rows):
    return sorted(row["id"] for row in rows)


def crowd(stand, count, second, codes=1):
    """So many more instances within one second."""
    contents = stand.contents
    at = contents.start - dt.timedelta(hours=second)
    base = len(contents.instances)
    for number in range(count):
        row = contents.instance(base + number, 10_000)
        row["lastTrackedTime"] = at.replace(microsecond=number % 1000 * 1000)
        row["status"] = "COMPLETED"
        row["integrationId"] = f"INT{number % codes:04d}|01.00.0000"
        contents.instances.append(row)


def test_the_first_run_reads_all_that_is_kept_and_not_the_last_hour(stand):
    run = read(stand, INSTANCES)
    assert sorted(run.ids(INSTANCES)) == ids(stand.truth("instances"))
    times = [r["lastTrackedTime"] for r in run.records(INSTANCES)]
    assert times == sorted(times)
    assert run.bookmark(INSTANCES)[:19] == times[-1][:19]


@pytest.mark.parametrize("beyond", ["empty", "400", "repeat"])
def test_more_rows_than_can_be_paged_come_whole(start, beyond):
    stand = start(instances=2000, beyond_wall=beyond)
    run = read(stand, INSTANCES)
    assert sorted(run.ids(INSTANCES)) == ids(stand.truth("instances"))
    assert all(
        int(path.split("offset=")[1].split("&")[0]) <= 450
        for path in stand.requests("/instances")
    )
    # A page holds 100: 20 are needed, the rest is finding the windows.
    assert len(stand.requests("/instances")) <= 40


@pytest.mark.parametrize("count", [300, 2000])
def test_a_total_that_counts_only_the_page_hides_no_row(start, count):
    stand = start(instances=count, monitoring_totals="page")
    run = read(stand, INSTANCES)
    assert sorted(run.ids(INSTANCES)) == ids(stand.truth("instances"))


def test_a_crowded_second_is_taken_apart_by_integration(stand):
    crowd(stand, 600, second=5, codes=10)
    run = read(stand, INSTANCES)
    assert sorted(run.ids(INSTANCES)) == ids(stand.truth("instances"))


def test_a_second_that_cannot_be_read_whole_fails_and_says_which(stand):
    crowd(stand, 600, second=5, codes=1)
    with pytest.raises(OicError, match="rows, of which the service pages 450") as error:
        read(stand, INSTANCES)
    assert "UTC" in error.value.where


def test_a_rerun_begins_at_the_bookmark_less_the_look_back(stand):
    first = read(stand, INSTANCES)
    stand.sim.log.clear()
    again = read(stand, INSTANCES, state=first.state, lookback_seconds=3600)
    reach = dt.datetime.fromisoformat(first.bookmark(INSTANCES)) - dt.timedelta(hours=1)
    expected = [
        row["id"]
        for row in stand.truth("instances")
        if dt.datetime.fromisoformat(row["lastTrackedTime"]) >= reach
    ]
    assert set(expected) <= set(again.ids(INSTANCES))
    assert len(again.ids(INSTANCES)) <= len(expected) + 1  # to the second
    assert again.bookmark(INSTANCES) == first.bookmark(INSTANCES)
    assert len(stand.requests("/instances")) == 1


def test_an_instance_that_goes_on_comes_again(stand):
    first = read(stand, INSTANCES)
    row = next(r for r in stand.contents.instances if r["status"] == "IN_PROGRESS")
    row["status"] = "COMPLETED"
    row["lastTrackedTime"] = stand.contents.clock.now()
    again = read(stand, INSTANCES, state=first.state)
    found = {r["id"]: r["status"] for r in again.records(INSTANCES)}
    assert found[row["id"]] == "COMPLETED"
    assert again.bookmark(INSTANCES) > first.bookmark(INSTANCES)


def test_a_row_that_arrives_late_is_within_the_look_back(stand):
    late = stand.contents.instances.pop(0)
    first = read(stand, INSTANCES)
    late["lastTrackedTime"] = dt.datetime.fromisoformat(
        first.bookmark(INSTANCES)
    ) - dt.timedelta(seconds=200)
    stand.contents.instances.append(late)
    assert late["id"] in read(stand, INSTANCES, state=first.state).ids(INSTANCES)


def test_a_start_date_is_where_the_first_run_begins(stand):
    start = stand.contents.start - dt.timedelta(days=5)
    run = read(stand, INSTANCES, start_date=start.isoformat())
    expected = [
        row["id"]
        for row in stand.truth("instances")
        if dt.datetime.fromisoformat(row["lastTrackedTime"])
        >= start.replace(microsecond=0)
    ]
    assert sorted(run.ids(INSTANCES)) == sorted(expected)


@pytest.mark.parametrize("old", ["400", "clipped"])
def test_a_bookmark_older_than_what_is_kept_warns_and_reads_the_rest(
    start, old, caplog
):
    stand = start(before_retention=old)
    bookmark = {
        "replication_key": "lastTrackedTime",
        "replication_key_value": "2020-01-01T00:00:00+00:00",
    }
    with caplog.at_level(logging.WARNING):
        run = read(stand, INSTANCES, state={"bookmarks": {INSTANCES: bookmark}})
    assert "older than what the service keeps" in caplog.text
    assert sorted(run.ids(INSTANCES)) == ids(stand.truth("instances"))


def test_errors_and_audit_records_come_the_same_way(stand):
    run = read(stand, "errors", "audit_records")
    assert sorted(run.ids("errors")) == ids(stand.truth("errors"))
    assert sorted(run.ids("audit_records")) == ids(stand.truth("audit"))


def test_a_page_for_people_midway_fails_and_moves_no_bookmark(start):
    stand = start(instances=1500)
    stand.fault("login_page", path="/instances", after=12, times=99)
    with pytest.raises(OicError, match="a page instead of data"):
        read(stand, INSTANCES)
    stand.sim.faults.clear()
    run = read(stand, INSTANCES)
    assert sorted(run.ids(INSTANCES)) == ids(stand.truth("instances"))


@pytest.mark.parametrize(
    "failpoint", ["tap.mid_records:KILL@3", "tap.after_state:KILL"]
)
def test_killed_in_the_middle_the_next_run_completes_it(start, tmp_path, failpoint):
    stand = start(instances=1500)
    streams = ["audit_records", INSTANCES]
    config = {**stand.config, "streams": streams}
    name = "flext-tap-oracle-oic"
    done = run_command(name, config, tmp_path, FLEXCORE_FAILPOINT=failpoint)
    assert done.returncode == -9
    first = Run(done.stdout.decode().rpartition("\n")[0])
    (tmp_path / "state").write_text(json.dumps(first.state))
    more = ("--state", str(tmp_path / "state")) if first.state else ()
    done = run_command(name, config, tmp_path, *more)
    assert done.returncode == 0, done.stderr
    again = Run(done.stdout.decode())
    for stream, kind in zip(streams, ("audit", "instances"), strict=True):
        found = {*first.ids(stream), *again.ids(stream)}
        assert found == {row["id"] for row in stand.truth(kind)}


def test_a_row_without_an_id_is_rejected_and_takes_no_other_along(start, tmp_path):
    stand = start(instances=40)
    for row in stand.contents.instances[3:5]:
        row["id"] = None
    rejects = tmp_path / "rejects.jsonl"
    run = read(stand, INSTANCES, max_errors=9, rejects_path=str(rejects))
    assert len(run.ids(INSTANCES)) == 38
    assert "it has no id" in rejects.read_text()


def test_the_activity_of_instances_is_flattened(start):
    stand = start(instances=4)
    rows = read(stand, "activity_stream").records("activity_stream")
    assert len(rows) == 4 * 30
    deepest = max(rows, key=lambda row: row["depth"])
    assert deepest["depth"] == 29
    assert deepest["position"] == ".".join(["0"] * 30)
    parents = {(row["instanceId"], row["position"]) for row in rows}
    assert all(
        row["parentPosition"] is None
        or (row["instanceId"], row["parentPosition"]) in parents
        for row in rows
    )


def test_activity_has_a_bookmark_of_its_own(start):
    """That of the instances may be ahead, when activity was added later or failed."""
    stand = start(instances=40)
    earlier = read(stand, INSTANCES)
    both = read(stand, INSTANCES, "activity_stream", state=earlier.state)
    steps = both.records("activity_stream")
    everything = {row["id"] for row in stand.truth("instances")}
    assert {row["instanceId"] for row in steps} == everything
    assert both.bookmark("activity_stream") == both.bookmark(INSTANCES)

    changed = stand.contents.instances[20]
    changed["lastTrackedTime"] = stand.contents.clock.now()
    stand.sim.log.clear()
    again = read(stand, "activity_stream", state=both.state)
    found = {row["instanceId"] for row in again.records("activity_stream")}
    assert changed["id"] in found
    assert len(stand.requests("/activityStreamDetails")) == len(found) <= 3


def test_activity_that_always_fails_is_rejected_by_its_instance(start, tmp_path):
    stand = start(instances=4)
    broken = stand.contents.instances[2]["id"]
    stand.fault("500", path=f"{broken}/activity", times=99)
    rejects = tmp_path / "rejects.jsonl"
    run = read(
        stand,
        "activity_stream",
        max_errors=1,
        max_retries=1,
        rejects_path=str(rejects),
    )
    assert len(run.records("activity_stream")) == 3 * 30
    assert broken in rejects.read_text()


def test_a_tree_of_sixteen_thousand_steps_comes_whole():
    tree = [{"identifier": str(n), "children": [{}] * 3} for n in range(4000)]
    found = list(steps("I", tree))
    assert len(found) == 16_000
    assert len({row["position"] for row in found}) == 16_000


def test_history_has_one_row_per_period(stand):
    rows = read(stand, "history").records("history")
    assert [row["position"] for row in rows] == list(range(24))
    assert {row["frequency"] for row in rows} == {"HOURLY"}
    assert rows[3]["noOfMsgsReceived"] == 3


def test_activity_is_only_read_when_it_is_asked_for(stand):
    read(stand, INSTANCES)
    assert not stand.requests("activityStream")


@pytest.mark.parametrize("turn", range(2, 14))
def test_an_instance_that_goes_on_between_two_pages_hides_no_other(start, turn):
    stand = start(instances=1200, instances_move=turn)
    run = read(stand, INSTANCES)
    moved = {r["id"] for r in stand.truth("instances")} - set(run.ids(INSTANCES))
    assert moved == set()


@pytest.mark.parametrize(
    ("profile", "paths"), [("gen2", ""), ("oic3", "both"), ("oic3", "details")]
)
def test_activity_comes_from_the_path_that_the_service_has(start, profile, paths):
    stand = start(profile, instances=4, activity_paths=paths)
    settings = {"auth_method": "basic", "username": USER[0], "password": USER[1]}
    run = read(stand, "activity_stream", **(settings if profile == "gen2" else {}))
    assert len(run.records("activity_stream")) == 4 * 30


def test_no_activity_at_all_is_an_error_and_not_an_empty_stream(start):
    stand = start(instances=4, activity_paths="none")
    with pytest.raises(OicError, match="none of 4 instances"):
        read(stand, "activity_stream")

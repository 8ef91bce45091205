"""Monitoring: windows, the offset ceiling, bookmarks, retention, activity."""

from __future__ import annotations

import datetime as dt
import logging

import pytest
from flext_oracle_oic.errors import OicError
from servers.oic_commands import read

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


def test_a_run_that_breaks_midway_goes_on_from_its_last_state(start):
    stand = start(instances=1500)
    stand.fault("login_page", path="/instances", after=12, times=99)
    with pytest.raises(OicError, match="a page instead of data"):
        read(stand, INSTANCES)
    stand.sim.faults.clear()
    run = read(stand, INSTANCES)
    assert sorted(run.ids(INSTANCES)) == ids(stand.truth("instances"))


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


def test_activity_is_only_read_when_it_is_asked_for(stand):
    read(stand, INSTANCES)
    assert not stand.requests("activityStream")

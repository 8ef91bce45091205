"""Reading by change: windows, bookmarks, and data that moves meanwhile (sheet §4)."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
from urllib.parse import parse_qs, urlsplit

import pytest
from servers.wms_commands import BIN, capture, read, run, tap_of

UTC = dt.UTC


def query_of(path):
    return {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}


def test_the_first_run_reads_all_history(start):
    stand = start(rows=20)
    first = read(stand, "order_hdr")
    assert first.ids("order_hdr") == stand.ids("order_hdr")
    assert "mod_ts" not in stand.requests("order_hdr")[-1]


@pytest.mark.parametrize("text", ["2024-10-30", "2024-10-30T00:00:00Z"])
def test_start_date_limits_the_first_run_and_not_later_ones(start, text):
    stand = start(rows=20)
    run = read(stand, "order_hdr", start_date=text)
    since = dt.datetime(2024, 10, 30, tzinfo=UTC)
    expected = [
        r["id"] for r in stand.rows.visible("order_hdr") if r["mod_ts"] >= since
    ]
    assert 0 < len(expected) < 20
    assert run.ids("order_hdr") == expected


def test_a_later_run_reads_what_changed_and_the_look_back(start):
    stand = start(rows=20)
    state = read(stand, "order_hdr").state
    stand.rows.update("order_hdr", 5, {"cust_name": "new"})
    again = read(stand, "order_hdr", state=state)
    assert again.ids("order_hdr") == [5, 20]  # 20 bears the bookmark
    query = query_of(stand.requests("order_hdr/?")[-1])
    lower = dt.datetime.fromisoformat(query["mod_ts__gte"])
    upper = dt.datetime.fromisoformat(query["mod_ts__lt"])
    mark = dt.datetime.fromisoformat(
        state["bookmarks"]["order_hdr"]["replication_key_value"]
    )
    assert mark - lower == dt.timedelta(seconds=300)
    assert upper > dt.datetime.now(UTC)


def test_an_empty_run_keeps_the_bookmark_and_succeeds(start):
    stand = start(rows=5)
    state = read(stand, "order_hdr").state
    stand.rows.delete("order_hdr", 5)
    again = read(stand, "order_hdr", state=state)
    assert again.ids("order_hdr") == []
    mark = state["bookmarks"]["order_hdr"]["replication_key_value"]
    assert again.bookmark("order_hdr") == mark


def test_an_entity_without_mod_ts_is_read_whole_every_time(start):
    stand = start(rows=1)
    first = read(stand, "order_status")
    again = read(stand, "order_status", state=first.state)
    assert again.ids("order_status") == [10, 20, 30]


def test_many_rows_of_one_instant_are_all_read(start):
    stand = start(rows=0)
    at = dt.datetime(2025, 1, 1, tzinfo=UTC)
    for _ in range(1300):
        stand.rows.insert("vendor", {"code": "same"}, at)
    first = read(stand, "vendor", page_size=1250)
    assert len(set(first.ids("vendor"))) == 1301
    again = read(stand, "vendor", state=first.state, page_size=1250)
    assert len(set(again.ids("vendor"))) == 1300


def test_two_rows_of_one_instant_across_a_page_are_both_read(start):
    stand = start(rows=10)
    at = dt.datetime(2025, 1, 1, tzinfo=UTC)
    for number in (5, 6):
        stand.rows.update("order_hdr", number, {}, at)
    assert read(stand, "order_hdr", page_size=5).ids("order_hdr") == list(range(1, 11))


CHANGES = [
    {"op": "update", "id": 3, "values": {"cust_name": "sent already"}},
    {"op": "update", "id": 45, "values": {"cust_name": "not yet sent"}},
    {"op": "insert", "values": {"order_nbr": "NEW"}, "late_seconds": 120},
    {"op": "delete", "id": 8},
    {"op": "delete", "id": 33},
    {"op": "hide", "id": 34},
]


@pytest.mark.parametrize("mode", ["sequenced", "paged"])
def test_what_changes_during_a_read_hides_no_other_row(start, mode):
    stand = start(rows=60)
    tap = tap_of(stand, "order_hdr", page_size=10, page_mode=mode)
    stand.sim.schedule += [
        {"entity": "order_hdr", "after_lists": stand.sim.lists + 2, **change}
        for change in CHANGES
    ]
    first = capture(tap)
    surviving = set(stand.ids("order_hdr"))
    assert len(first.ids("order_hdr")) == len(set(first.ids("order_hdr")))
    assert surviving <= set(first.ids("order_hdr"))
    # The next run brings what changed after it was sent, and the late commit.
    again = read(stand, "order_hdr", state=first.state, page_mode=mode)
    latest = {r["id"]: r for r in first.records("order_hdr")} | {
        r["id"]: r for r in again.records("order_hdr")
    }
    for row in stand.truth("order_hdr"):
        assert latest[row["id"]]["cust_name"] == row["cust_name"]
        assert latest[row["id"]]["mod_ts"] == row["mod_ts"].replace(
            "+00:00", latest[row["id"]]["mod_ts"][len(row["mod_ts"]) - 6 :]
        )


@pytest.mark.parametrize("late_seconds", [0, 60, 120])
def test_a_row_that_commits_late_comes_with_the_next_run(start, late_seconds):
    stand = start(rows=10)
    stand.rows.update("order_hdr", 10, {})  # the bookmark is now
    first = read(stand, "order_hdr")
    stand.sim.change(
        {"entity": "order_hdr", "op": "insert", "late_seconds": late_seconds}
    )
    again = read(stand, "order_hdr", state=first.state)
    assert stand.ids("order_hdr")[-1] in again.ids("order_hdr")


def test_a_change_during_a_long_read_is_not_skipped_by_a_later_one(start):
    """Row 1 changes after it was sent, row 20 later still: both come again."""
    stand = start(rows=20)
    tap = tap_of(stand, "order_hdr", page_size=10)
    stand.sim.schedule.append(
        {
            "entity": "order_hdr",
            "after_lists": stand.sim.lists + 1,
            "op": "update",
            "id": 1,
        }
    )
    late = dt.datetime.now(UTC) + dt.timedelta(hours=2)  # a read of two hours
    stand.rows.update("order_hdr", 20, {}, late)
    first = capture(tap)
    mark = dt.datetime.fromisoformat(first.bookmark("order_hdr"))
    assert mark <= dt.datetime.now(UTC)
    again = read(stand, "order_hdr", state=first.state)
    assert 1 in again.ids("order_hdr")


@pytest.mark.parametrize("minutes", [-30, 30])
def test_a_server_clock_that_differs_hides_nothing(start, minutes):
    stand = start(rows=5)
    stand.sim.clock.advance(minutes * 60)
    first = read(stand, "order_hdr")
    stand.sim.change({"entity": "order_hdr", "op": "update", "id": 2})
    second = read(stand, "order_hdr", state=first.state)
    assert 2 in second.ids("order_hdr")
    stand.sim.change({"entity": "order_hdr", "op": "update", "id": 3})
    third = read(stand, "order_hdr", state=second.state)
    assert 3 in third.ids("order_hdr")
    mark = dt.datetime.fromisoformat(second.bookmark("order_hdr"))
    assert mark <= min(dt.datetime.now(UTC), stand.sim.clock.now()) + dt.timedelta(
        seconds=1
    )


def test_a_row_without_mod_ts_is_read_by_the_first_run(start):
    stand = start(rows=3)
    stand.rows.raw["order_hdr", 2] = ({"mod_ts": None}, [])
    assert read(stand, "order_hdr").ids("order_hdr") == [1, 2, 3]


def test_an_empty_list_does_not_erase_what_was_read_before(start):
    stand = start(rows=1)
    full = read(stand, "order_status", emit_activate_version_messages=True)
    assert full.of("ACTIVATE_VERSION", "order_status")
    for number in (10, 20, 30):
        stand.rows.hidden.add(("order_status", number))
    empty = read(stand, "order_status", emit_activate_version_messages=True)
    assert empty.ids("order_status") == []
    assert not empty.of("ACTIVATE_VERSION")


def test_one_list_of_full_pages_costs_one_request_each(start):
    stand = start(rows=100)
    tap = tap_of(stand, "order_hdr", page_size=25)
    before = len(stand.requests())
    capture(tap)
    assert before == 3  # the entities, describe, a sample
    assert len(stand.requests()) - before == 4


def test_killed_in_the_middle_the_bookmark_stays_and_nothing_is_lost(start, tmp_path):
    stand = start(rows=400)
    config = {**stand.basic, "entities": ["item", "order_hdr"], "page_size": 100}
    for failpoint in ("tap.mid_records:KILL@2", "tap.after_state:KILL@1"):
        path = tmp_path / f"{failpoint.replace(':', '-')}.json"
        path.write_text(json.dumps(config))
        done = subprocess.run(
            [str(BIN / "flext-tap-oracle-wms"), "--config", str(path)],
            capture_output=True,
            timeout=60,
            check=False,
            env={**os.environ, "FLEXCORE_FAILPOINT": failpoint},
        )
        assert done.returncode == -signal.SIGKILL
        lines = [json.loads(x) for x in done.stdout.split(b"\n")[:-1]]
        states = [x["value"] for x in lines if x["type"] == "STATE"]
        state = states[-1] if states else {}
        seen = {
            (x["stream"], x["record"]["id"]) for x in lines if x["type"] == "RECORD"
        }
        more = ()
        if state:
            (tmp_path / "state.json").write_text(json.dumps(state))
            more = ("--state", str(tmp_path / "state.json"))
        again = run("flext-tap-oracle-wms", config, tmp_path, *more)
        assert again.returncode == 0
        lines = [json.loads(x) for x in again.stdout.splitlines()]
        seen |= {
            (x["stream"], x["record"]["id"]) for x in lines if x["type"] == "RECORD"
        }
        for stream in ("item", "order_hdr"):
            assert {n for s, n in seen if s == stream} == set(stand.ids(stream))

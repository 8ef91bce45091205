"""Scheduled pipelines that are late are found, and each delay is told once."""

import contextlib
import datetime as dt
import json

import pytest
from click.testing import CliRunner

from flexcore_gen.events.commands import events as command
from flexcore_gen.events.freshness import last_due
from flexcore_gen.events.run_event import RunEvent
from flexcore_gen.events.sqlite_store import SqliteStore

NOW = dt.datetime(2026, 11, 25, 12, 30, 20, tzinfo=dt.UTC)  # a Wednesday


@pytest.mark.parametrize(
    ("interval", "due"),
    [
        ("0 3 * * *", "2026-11-25T03:00"),
        ("45 12 * * *", "2026-11-24T12:45"),
        ("*/20 * * * *", "2026-11-25T12:20"),
        ("30 12 * * *", "2026-11-25T12:30"),
        ("0 0 * * mon-tue", "2026-11-24T00:00"),
        ("0 0 * * 7", "2026-11-22T00:00"),
        ("0 0 1 * fri", "2026-11-20T00:00"),
        ("0 0 29 feb *", "2024-02-29T00:00"),
        ("0 6,18 10-20/5 * *", "2026-11-20T18:00"),
        ("@hourly", "2026-11-25T12:00"),
    ],
)
def test_a_schedule_was_due_last(interval, due):
    assert last_due(interval, NOW).isoformat()[:16] == due


@pytest.mark.parametrize("interval", ["@once", "0 0 30 2 *"])
def test_some_schedules_are_never_due(interval):
    assert last_due(interval, NOW) is None


@pytest.mark.parametrize("interval", ["", "* * * *", "61 * * * *", "a * * * *"])
def test_what_is_no_schedule_is_refused(interval):
    with pytest.raises(ValueError, match="is no cron expression"):
        last_due(interval, NOW)


def add(store, name, time, pipeline="people", **data):
    store.append(
        RunEvent(
            name=name,
            source="/flexcore/demo/dev",
            subject=pipeline,
            aggregate_id=f"{pipeline}-{time[:10]}",
            correlation_id="c",
            causation_id=None,
            data={"environment": "dev", **data},
            time=time,
        )
    )


def test_a_pipeline_that_is_late_is_told_of_once(tmp_path, monkeypatch):
    notes = {"flexcore": {"handlers": [{"type": "audit_log"}]}}
    schedules = [
        {"name": "a", "interval": "0 3 * * *", "job": "people"},
        {"name": "b", "interval": "0 3 * * *", "job": "orders"},
        {"name": "c", "interval": "0 3 * * *", "job": "never"},
    ]
    document = {
        "default_environment": "dev",
        "annotations": notes,
        "schedules": schedules,
    }
    (tmp_path / "meltano.yml").write_text(json.dumps(document))
    (tmp_path / ".flexcore").mkdir()
    monkeypatch.delenv("MELTANO_FLEXCORE_EVENTS_STORE", raising=False)
    store = SqliteStore(tmp_path / ".flexcore/events.db")
    add(store, "PipelineStarted", "2020-01-01T03:00:00.1Z")
    add(store, "PipelineCompleted", "2020-01-01T03:01:00.1Z")
    fresh = dt.datetime.now(dt.UTC).isoformat().replace("+00:00", "Z")
    add(store, "PipelineStarted", fresh, "orders")
    add(store, "PipelineCompleted", fresh, "orders")
    add(store, "PipelineStarted", "2020-02-01T03:00:00.1Z")
    add(store, "PipelineFailed", "2020-02-01T03:01:00.1Z")

    def check():
        with contextlib.chdir(tmp_path):
            return CliRunner().invoke(command, ["freshness", "--grace-minutes", "0"])

    first = check()
    assert first.exit_code == 1, first.output
    assert "late  people: due 20" in first.stdout
    assert "last success 2020-01-01T03:00:00.1Z" in first.stdout
    assert "late  never: due" in first.stdout
    assert "orders" not in first.stdout
    assert check().exit_code == 1
    audit = (tmp_path / ".flexcore/audit.jsonl").read_text().splitlines()
    told = [(each["name"], each["subject"]) for each in map(json.loads, audit)]
    assert told == [("FreshnessMissed", "people"), ("FreshnessMissed", "never")]
    assert store.verify().problem is None

    add(store, "PipelineStarted", f"{fresh[:-1]}1Z")
    add(store, "PipelineCompleted", f"{fresh[:-1]}1Z")
    assert "people" not in check().stdout
    store.close()

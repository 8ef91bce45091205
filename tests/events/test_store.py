"""The store: append-only, chained, safe for many writers, never slow for a run."""

import contextlib
import hashlib
import json
import multiprocessing
import os
import sqlite3
import stat
import time
from pathlib import Path

import psycopg
import pytest

from flexcore_gen.events.event_queries import Filter
from flexcore_gen.events.journal import Journal, replay
from flexcore_gen.events.run_event import RunEvent
from flexcore_gen.events.sqlite_store import SqliteStore
from flexcore_gen.events.store import RunClosedError, StoreError, open_store


def event(name="DataExtracted", run="r1", **data):
    return RunEvent(
        name=name,
        source="/flexcore/demo/dev",
        subject="people",
        aggregate_id=run,
        correlation_id=run,
        causation_id=None,
        data=data,
    )


@pytest.fixture
def store(place):
    made = place.open()
    yield made
    made.close()


def fill(store, run="r1", *, end="PipelineCompleted"):
    for name in ("PipelineStarted", "DataExtracted", *([end] if end else [])):
        store.append(event(name, run, text="ü\n\x00'"))


def test_a_run_is_found_by_the_id_that_meltano_was_given(store):
    given = "3f2c8a0e-7f0e-4c55-9d05-0a6c1c5f7d11"
    other = "3f2c8a0e-7f0e-4c55-9d05-0a6c1c5f7d12"
    store.append(event("PipelineStarted", meltano_run_id=given))
    store.append(event("PipelineStarted", "r2", meltano_run_id=other))
    forged = f'"meltano_run_id":"{given}"'
    store.append(event("PipelineStarted", "r3", meltano_run_id=other, note=forged))

    assert store.find_runs(given) == ["r1"]
    assert store.find_runs(given.upper()) == ["r1"]
    assert store.find_runs(other) == ["r3", "r2"]
    assert store.find_runs("%") == []
    assert store.find_runs("r2") == ["r2"]


def test_events_come_back_as_they_went_in_numbered_per_run(store):
    fill(store, "r1")
    fill(store, "r2", end=None)

    found = list(store.events())
    assert [each.sequence for each in found] == [1, 2, 3, 4, 5]
    assert [each.version for each in store.events("r2")] == [1, 2]
    assert found[0].event.data == {"text": "ü\n\x00'"}
    assert store.run_ids() == ["r2", "r1"]
    assert store.run_ids(open_only=True) == ["r2"]


def test_the_chain_can_be_recomputed_by_anyone_with_sql_and_sha256(store, place):
    fill(store)

    fields = (
        "id, source, type, subject, time, name, aggregate_id, version, "
        "correlation_id, causation_id, data, previous_hash, hash"
    )
    previous = "0" * 64
    for *row, before, digest in place.rows(
        f"SELECT {fields} FROM {place.table} ORDER BY sequence"
    ):
        text = json.dumps(row, separators=(",", ":"), ensure_ascii=False)
        assert before == previous
        previous = hashlib.sha256(f"{previous}\n{text}".encode()).hexdigest()
        assert digest == previous
    assert store.verify().head == previous


CHANGES = [
    "UPDATE events SET data = '{}'",
    "DELETE FROM events",
    """INSERT INTO events (sequence, id, source, type, subject, time, name,
         aggregate_id, version, correlation_id, data, previous_hash, hash)
       SELECT 4, 'new', source, type, subject, time, 'PipelineFailed', aggregate_id,
         4, correlation_id, data, hash, 'h' FROM events WHERE sequence = 3""",
]
SQLITE_CHANGES = [
    "INSERT OR REPLACE INTO events SELECT * FROM events WHERE sequence = 1",
    """REPLACE INTO events (id, source, type, subject, time, name, aggregate_id,
         version, correlation_id, data, previous_hash, hash)
       SELECT 'new', source, type, subject, time, 'PipelineFailed', aggregate_id,
         4, correlation_id, data, previous_hash, 'h' FROM events
       WHERE sequence = 3""",
]


def test_what_is_written_cannot_be_changed_even_by_its_owner(store, place):
    fill(store)
    is_sqlite = place.table == "events"

    for statement in CHANGES + (SQLITE_CHANGES if is_sqlite else ["TRUNCATE events"]):
        with pytest.raises(
            (sqlite3.IntegrityError, psycopg.IntegrityError), match="append-only"
        ):
            place.rows(statement)
    assert store.verify().problem is None


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE events SET data = '{}' WHERE sequence = 2", "event 2 was changed"),
        ("DELETE FROM events WHERE sequence = 2", "event 2 is missing"),
    ],
)
def test_a_change_past_the_triggers_is_found(store, place, statement, problem):
    fill(store)
    place.drop_triggers()
    place.rows(statement)

    assert problem in store.verify().problem


def test_a_cut_tail_is_found_by_the_head_that_was_kept(store, place):
    fill(store)
    head = store.verify().head
    assert store.has_hash(head)
    place.drop_triggers()
    place.rows("DELETE FROM events WHERE sequence = 3")

    assert store.verify().problem is None
    assert not store.has_hash(head)


def test_events_are_found_by_what_they_are_about_with_their_number(store):
    for run in ("r1", "r2", "r3"):
        fill(store, run)

    page = store.page(Filter(run_id="r2"), limit=2)
    assert ([e.sequence for e in page.events], page.total, page.has_more) == (
        [4, 5],
        3,
        True,
    )
    page = store.page(Filter(run_id="r2"), limit=2, after=5)
    assert ([e.sequence for e in page.events], page.total, page.has_more) == (
        [6],
        3,
        False,
    )
    for wanted in ("DataExtracted", "flexcore.data.extracted.v1"):
        assert store.page(Filter(name=wanted), limit=9).total == 3
    third = next(iter(store.events("r3"))).event.time
    assert store.page(Filter(since=third), limit=9).total == 3
    assert store.page(Filter(until=third, pipeline="people"), limit=9).total == 6
    assert store.page(Filter(correlation_id="no'one"), limit=9).total == 0
    assert [e.sequence for e in store.events(after=7)] == [8, 9]


def test_a_reader_may_take_its_time_and_write_meanwhile(store, monkeypatch):
    monkeypatch.setattr("flexcore_gen.events.event_queries._PORTION_ROWS", 2)
    for run in ("r1", "r2"):
        fill(store, run)

    seen = []
    for stored in store.events():
        seen.append(stored.sequence)
        if stored.sequence == 1:
            fill(store, "r3")
    assert seen == [*range(1, 10)]
    assert store.verify().events == 9


def test_nothing_follows_the_end_of_a_run(store):
    fill(store)

    for name in ("PipelineFailed", "PipelineCompleted", "DataExtracted"):
        with pytest.raises(RunClosedError):
            store.append(event(name))
    assert len(list(store.events())) == 3


def test_an_event_that_is_added_twice_is_there_once(store):
    once = event("PipelineStarted")

    assert store.append(once) == store.append(once)
    assert len(list(store.events())) == 1


def write_many(address, run, count):
    store = open_store(address, Path("/"))
    store.append(event("PipelineStarted", run))
    for _ in range(count):
        store.append(event("DataExtracted", run))
    store.close()


def test_many_processes_create_and_fill_one_store_at_once(place):
    context = multiprocessing.get_context("spawn")
    writers = [
        context.Process(target=write_many, args=(place.address, f"r{at}", 40))
        for at in range(6)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0] * 6

    store = place.open()
    report = store.verify()
    assert (report.events, report.problem) == (6 * 41, None)
    assert all(
        [each.version for each in store.events(f"r{at}")] == [*range(1, 42)]
        for at in range(6)
    )
    store.close()


def test_a_reader_in_the_middle_of_its_work_does_not_hold_up_a_writer(tmp_path):
    path = tmp_path / "events.db"
    store = SqliteStore(path)
    fill(store)
    with contextlib.closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM events").fetchone() == (3,)
        began = time.monotonic()
        fill(store, "r2")
        assert time.monotonic() - began < 1
        assert reader.execute("SELECT count(*) FROM events").fetchone() == (3,)
    store.close()


def test_files_are_for_the_owner_only(tmp_path):
    path = tmp_path / "store" / "events.db"
    store = SqliteStore(path)
    fill(store)

    modes = {
        each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()
    }
    assert modes == {"events.db": 0o600, "events.db-wal": 0o600, "events.db-shm": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    store.close()


def test_an_unknown_kind_of_store_is_named(tmp_path):
    with pytest.raises(StoreError, match='unknown kind of event store "mysql:"'):
        open_store("mysql://x", tmp_path)


def spoil_with_garbage(path):
    path.write_bytes(b"not a database at all" * 100)


def spoil_with_other_database(path):
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE mine (x)")
        other.execute("PRAGMA user_version = 99")
        other.commit()


def spoil_with_folder(path):
    path.mkdir()


@pytest.mark.parametrize(
    "spoil", [spoil_with_garbage, spoil_with_other_database, spoil_with_folder]
)
def test_a_run_spools_while_the_store_is_away_and_the_next_start_adds_it(
    tmp_path, spoil
):
    path = tmp_path / "events.db"
    spoil(path)
    said = []
    journal = Journal("sqlite:///events.db", tmp_path, tmp_path, said.append)
    for name in ("PipelineStarted", "DataExtracted", "PipelineCompleted"):
        journal.write(event(name))
    journal.close()
    assert len(said) == 1
    assert "event store away" in said[0]
    (spool,) = (tmp_path / "spool").iterdir()
    assert stat.S_IMODE(spool.stat().st_mode) == 0o600

    path.rename(tmp_path / "spoiled")
    journal = Journal("sqlite:///events.db", tmp_path, tmp_path, said.append)
    assert [each.version for each in journal.store.events("r1")] == [1, 2, 3]
    assert journal.store.verify().problem is None
    assert list((tmp_path / "spool").iterdir()) == []
    assert len(said) == 1
    journal.close()


def test_a_locked_store_costs_a_run_one_wait_and_no_event(tmp_path):
    SqliteStore(tmp_path / "events.db").close()
    said = []
    with contextlib.closing(sqlite3.connect(tmp_path / "events.db")) as other:
        journal = Journal("sqlite:///events.db", tmp_path, tmp_path, said.append)
        journal.write(event("PipelineStarted"))
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        for _ in range(5):
            journal.write(event())
        assert time.monotonic() - began < 3.5
    journal.write(event("PipelineCompleted"))
    journal.close()
    assert len(said) == 1

    store = SqliteStore(tmp_path / "events.db")
    list(replay(tmp_path / "spool", store))
    names = [each.event.name for each in store.events("r1")]
    assert names == ["PipelineStarted", *["DataExtracted"] * 5, "PipelineCompleted"]
    store.close()


def test_a_spool_that_is_still_written_is_left_alone(tmp_path):
    (tmp_path / "events.db").mkdir()
    journal = Journal("sqlite:///events.db", tmp_path, tmp_path, lambda _: None)
    journal.write(event("PipelineStarted"))
    (tmp_path / "events.db").rmdir()
    store = SqliteStore(tmp_path / "events.db")

    assert list(replay(tmp_path / "spool", store)) == []
    journal.close()
    assert len(list(replay(tmp_path / "spool", store))) == 1
    store.close()


def test_a_line_torn_by_a_power_cut_is_no_event(tmp_path, store):
    (tmp_path / "spool").mkdir()
    (tmp_path / "events.db").mkdir()
    journal = Journal("sqlite:///events.db", tmp_path, tmp_path, lambda _: None)
    journal.write(event("PipelineStarted"))
    journal.close()
    (spool,) = (tmp_path / "spool").iterdir()
    with spool.open("ab") as file:
        file.write(b'{"name": "DataExtr')

    list(replay(tmp_path / "spool", store))
    assert [each.event.name for each in store.events()] == ["PipelineStarted"]


def test_a_full_disk_costs_a_line_and_no_exception(tmp_path):
    spool = tmp_path / "spool"
    spool.mkdir()
    (tmp_path / "events.db").mkdir()
    said = []
    journal = Journal("sqlite:///events.db", tmp_path, tmp_path, said.append)
    full = os.open("/dev/full", os.O_WRONLY)
    journal._spool = full

    journal.write(event("PipelineStarted"))
    journal.write(event())
    journal.close()
    assert "this run's events are lost: [Errno 28]" in said[-1]
    assert len(said) == 2


def test_a_spooled_line_that_is_no_event_does_not_stop_the_others(tmp_path, store):
    spool = tmp_path / "spool"
    spool.mkdir()
    (tmp_path / "events.db").mkdir()
    for run in ("r1", "r2"):
        journal = Journal("sqlite:///events.db", tmp_path, tmp_path, lambda _: None)
        journal.write(event("PipelineStarted", run, value=float("nan")))
        journal.write(event("PipelineStarted", run))
        journal.close()

    assert len(list(replay(spool, store))) == 2
    assert [each.event.aggregate_id for each in store.events()] == ["r1", "r2"]
    assert len(list(spool.glob("*.refused"))) == 2


def test_a_start_takes_no_longer_with_a_long_history(store):
    for at in range(600):
        store.append(event("PipelineStarted", f"r{at}"))
        store.append(event("PipelineCompleted", f"r{at}"))
    began = time.perf_counter()
    for _ in range(20):
        assert store.run_ids(open_only=True, latest=500) == []
    assert (time.perf_counter() - began) / 20 < 0.05

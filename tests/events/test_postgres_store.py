"""Postgres as event store: who may do what, one lock for all hosts, and bad days."""

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from flexcore_gen.events.exclusion import Claim
from flexcore_gen.events.journal import Journal, waiting
from flexcore_gen.events.locations import store_address
from flexcore_gen.events.postgres_store import set_up
from flexcore_gen.events.run_event import RunEvent
from flexcore_gen.events.store import StoreError, open_store, without_password

CANARY = "canary@4711/x"
ON_HOST = ("unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"')
"""Starts a program under another host name."""

PEOPLE = Claim("dev\npeople")

pytestmark = [pytest.mark.servers]


def event(name="PipelineStarted", run="r1", **data):
    return RunEvent(
        name=name,
        source="/flexcore/demo/dev",
        subject="people",
        aggregate_id=run,
        correlation_id=run,
        causation_id=None,
        data=data,
    )


def test_a_login_that_runs_pipelines_may_add_and_read_and_nothing_else(postgres_place):
    store = postgres_place.open()
    store.append(event())
    for statement in (
        "UPDATE events SET data = '{}'",
        "DELETE FROM events",
        "TRUNCATE events",
        "DROP TABLE events",
        "ALTER TABLE events DISABLE TRIGGER ALL",
        "CREATE TABLE flexcore.mine (x int)",
        "CREATE OR REPLACE VIEW runs AS SELECT 1",
        "SET ROLE flexcore_owner",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            postgres_place.rows(statement, postgres_place.address)
    store.close()


def test_the_sql_may_be_run_again_and_keeps_what_is_there(postgres_place):
    store = postgres_place.open()
    store.append(event())
    set_up(postgres_place.admin)
    store.append(event("PipelineCompleted"))
    assert store.verify().events == 2
    store.close()


@pytest.mark.parametrize("broken", ["password", "port", "database", "syntax"])
def test_no_error_repeats_the_password(postgres, postgres_place, broken, tmp_path):
    address = {
        "password": postgres_place.address.replace("canary", "Canary"),
        "port": f"postgresql://u:{CANARY.replace('@', '%40')}@127.0.0.1:1/x",
        "database": postgres.url(),
        "syntax": f"postgresql://u:{CANARY}@127.0.0.1:5x/x?sslmode=#",
    }[broken]
    with pytest.raises(StoreError) as caught:
        open_store(address, tmp_path)
    text = f"{caught.value} {without_password(address)}"
    assert "4711" not in text
    assert "secret" not in text
    assert caught.value.__cause__ is None
    if broken == "database":
        assert "events init" in str(caught.value)


def test_a_password_with_any_characters_is_given_by_a_variable(
    postgres_place, monkeypatch, tmp_path
):
    host = postgres_place.address.rpartition("@")[2]
    login = postgres_place.address.partition("//")[2].partition(":")[0]
    monkeypatch.setenv("EVENTS_PASSWORD", CANARY)
    monkeypatch.delenv("MELTANO_FLEXCORE_EVENTS_STORE", raising=False)
    address = store_address(
        tmp_path, f"postgresql://{login}:${{EVENTS_PASSWORD}}@{host}"
    )
    open_store(address, tmp_path).close()


def hold_and_hang(address, ready):
    store = open_store(address, Path("/"))
    assert store.hold(PEOPLE, "holder") is None
    store.append(event(run="holder", host="far", pid=os.getpid()))
    ready.set()
    signal.pause()


def test_killing_the_holder_frees_its_lock_at_once(postgres_place):
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    other = context.Process(target=hold_and_hang, args=(postgres_place.address, ready))
    other.start()
    assert ready.wait(60)
    store = postgres_place.open()
    refusal = store.hold(PEOPLE, "me")
    assert (refusal.run_id, refusal.host, refusal.pid) == ("holder", "far", other.pid)
    assert refusal.since
    assert store.hold(Claim("prod\npeople"), "me") is None

    os.kill(other.pid, signal.SIGKILL)
    other.join(60)
    began = time.monotonic()
    while store.hold(PEOPLE, "me") is not None:
        assert time.monotonic() - began < 2
    store.close()


def test_hosts_refuse_exactly_what_one_host_refuses(postgres_place):
    def claim(key, pipeline="dev\npeople", party="c1", *, engine=False):
        return Claim(key, pipeline, party, engine).in_project("p")

    claims = [
        claim("run people"),
        claim("run people", party="c2"),
        claim("run people suffix", party="c3"),
        claim("run orders", "dev\norders", "c4"),
        claim("part 1", engine=True),
        claim("part 1", party="c2", engine=True),
        claim("part 2", engine=True),
        claim("part 2", "prod\npeople", engine=True),
        claim("part 2", "prod\npeople", party="c2", engine=True),
        claim("part 3", party="c2", engine=True),
        Claim("deliver"),
        Claim("run people", "dev\npeople", "c5").in_project("q"),
    ]
    first, second = postgres_place.open(), postgres_place.open()
    first.append(event(run="first"))
    for held in claims:
        assert first.hold(held, "first") is None
        for wanted in claims:
            refused = second.hold(wanted, "second")
            assert (refused is not None) == wanted.excludes(held), (held, wanted)
            assert held.excludes(wanted) == wanted.excludes(held)
            if refused is None:
                second.let_go(wanted)
            else:
                assert refused.run_id == "first"
        assert first.holder(held.key).run_id == "first"
        first.let_go(held)
        assert first.holder(held.key) is None
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    assert postgres_place.rows(locks) == [(0,)]
    first.close()
    second.close()


def test_starts_at_the_same_moment_do_not_miss_each_other(postgres_place):
    claims = [
        *(Claim(f"part {n}", "dev\npeople", "c1", is_engines=True) for n in range(4)),
        *(Claim(f"whole {n}", "dev\npeople", f"c{n}") for n in range(2, 6)),
    ]
    stores = [postgres_place.open() for _ in claims]
    for n, store in enumerate(stores):
        store.append(event(run=f"r{n}"))
    gate = threading.Barrier(len(claims))

    def start(n):
        gate.wait(30)
        return stores[n].hold(claims[n], f"r{n}")

    for _ in range(20):
        with ThreadPoolExecutor(len(claims)) as pool:
            refused = list(pool.map(start, range(len(claims))))
        held = [claim for claim, by in zip(claims, refused, strict=True) if by is None]
        assert held
        kinds = {claim.is_engines for claim in held}
        assert len(kinds) == 1, "parts and a whole run side by side"
        for store, claim, by in zip(stores, claims, refused, strict=True):
            if by is None:
                store.let_go(claim)
    for store in stores:
        store.close()


def test_a_cut_connection_costs_neither_the_event_nor_the_lock(postgres_place):
    store, other = postgres_place.open(), postgres_place.open()
    assert store.hold(PEOPLE, "r1") is None
    store.append(event())
    postgres_place.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'flexcore r1'"
    )
    store.append(event("DataExtracted"))
    assert other.hold(PEOPLE, "r2").run_id == "r1"
    store.append(event("PipelineCompleted"))
    assert [e.version for e in other.events("r1")] == [1, 2, 3]
    store.close()
    other.close()


def test_events_are_spooled_while_the_server_is_stuck_and_added_after(
    postgres_place, tmp_path
):
    said = []
    with psycopg.connect(postgres_place.admin) as blocker:
        blocker.execute("LOCK TABLE flexcore.events")
        journal = Journal(postgres_place.address, tmp_path, tmp_path, said.append)
        for name in ("PipelineStarted", "DataExtracted", "PipelineCompleted"):
            journal.write(event(name))
        journal.close()
    assert len(said) == 1
    assert "event store away" in said[0]
    assert len(waiting(tmp_path)) == 1
    spool = waiting(tmp_path)[0].read_text()
    assert "4711" not in spool + said[0]

    journal = Journal(postgres_place.address, tmp_path, tmp_path, said.append)
    assert [e.version for e in journal.store.events("r1")] == [1, 2, 3]
    assert journal.store.verify().problem is None
    assert waiting(tmp_path) == []
    journal.close()


@pytest.mark.end_to_end
def test_two_hosts_parts_of_a_pipeline_go_side_by_side_and_keep_the_whole_out(
    project, other_project, postgres_place
):
    engine = {
        "FLEXCORE_PIPELINE": "people",
        "FLEXCORE_CORRELATION_ID": "7d5f3f0e-1df2-4f0c-9a5f-0f6f0a1f7c22",
    }
    variable = {"MELTANO_FLEXCORE_EVENTS_STORE": postgres_place.address}
    host_a = {"prefix": (*ON_HOST, "host-a"), **variable}
    host_b = {"prefix": (*ON_HOST, "host-b"), **variable}
    part, tap = project.start_and_hang("run", "load-people", **host_a, **engine)

    whole = other_project.run("run", "people", **host_b)
    again = other_project.run("run", "load-people", **host_b, **engine)
    other_part = other_project.run("run", "dbt-only", **host_b, **engine)

    for refused in (whole, again):
        assert refused.returncode == 75, refused.stderr
        assert f"pid {part.pid} on host-a, since 20" in refused.stderr
    assert other_part.returncode == 0, other_part.stderr
    assert not (other_project.root / "loaded.jsonl").exists()

    os.kill(tap, signal.SIGKILL)
    project.finish(part)
    whole, _ = other_project.start_and_hang("run", "people", **host_b)
    refused = project.run("run", "load-people", **host_a, **engine)
    assert refused.returncode == 75, refused.stderr
    assert f"pid {whole.pid} on host-b, since 20" in refused.stderr


@pytest.mark.end_to_end
def test_two_hosts_one_wins_and_after_kill_9_the_other_goes_on_at_once(
    project, other_project, postgres_place
):
    variable = {"MELTANO_FLEXCORE_EVENTS_STORE": postgres_place.address}
    host_a = {"prefix": (*ON_HOST, "host-a"), **variable}
    host_b = {"prefix": (*ON_HOST, "host-b"), **variable}
    process, tap = project.start_and_hang("run", "load-people", **host_a)
    refused = other_project.run("run", "load-people", **host_b)
    assert refused.returncode == 75
    assert "is running already" in refused.stderr
    assert f"pid {process.pid} on host-a, since 20" in refused.stderr
    assert not (other_project.root / "loaded.jsonl").exists()
    assert "4711" not in refused.stderr

    os.kill(process.pid, signal.SIGKILL)
    process.wait(60)
    # Only a start on its own host could stop what the dead run left behind.
    os.kill(tap, signal.SIGKILL)
    accepted = other_project.run("run", "load-people", **host_b)
    assert accepted.returncode == 0, accepted.stderr

    store = postgres_place.open()
    dead, alive = store.run_ids()[::-1]
    assert f"run {dead}" in refused.stderr
    names = [e.event.name for e in store.events(dead)]
    assert names[-1] == "PipelineLost"
    (ended,) = [e for e in store.events(dead) if e.event.name == "PipelineLost"]
    assert (ended.event.data["host"], ended.event.data["pid"]) == (
        "host-a",
        process.pid,
    )
    assert [e.event.name for e in store.events(alive)][-1] == "PipelineCompleted"
    view = postgres_place.rows("SELECT run_id, status FROM runs ORDER BY started_at")
    assert view == [(dead, "lost"), (alive, "success")]
    assert store.verify().problem is None
    store.close()
    for path in (*project.root.rglob("*"), *other_project.root.rglob("*")):
        if path.is_file() and not path.is_symlink():
            assert b"4711" not in path.read_bytes(), path

"""Killed, locked out, refused, raced: what is left, and what is said."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import duckdb
import pytest
from fakes.singer_messages import record, schema, state
from flext_warehouse.duckdb_connection import connect
from servers.postgres import PASSWORD

PEOPLE = schema("people", ["id"], id={"type": "integer"}, name={"type": "string"})
KEYLESS = schema("people", [], id={"type": "integer"}, name={"type": "string"})
LAST = 25_000
FAILPOINTS = [
    "target.after_load",
    "target.before_commit",
    "target.before_commit@2",
    "target.after_commit",
    "target.after_commit@2",
    "target.after_state",
    "target.after_state@2",
]


def feed(head, first: int) -> list:
    """Records from `first` on, with a STATE behind each thousand."""
    lines = [head]
    for i in range(first, LAST + 1):
        lines.append(record("people", id=i, name=f"name {i}"))
        if i % 1000 == 0:
            lines.append(state({"reached": i}))
    return lines


def ids(place) -> list[int]:
    exists = place.rows(
        "SELECT 1 FROM information_schema.tables WHERE table_schema = 'raw' "
        "AND table_name = 'people'"
    )
    if not exists:
        return []
    return [row[0] for row in place.rows("SELECT id FROM raw.people ORDER BY id")]


@pytest.mark.parametrize("fail", FAILPOINTS)
def test_a_killed_upsert_is_exact_after_the_next_run(place, load, fail):
    first = load(place, feed(PEOPLE, 1), fail=fail)
    assert first.code == -9
    safe = first.states[-1]["reached"] if first.states else 0
    assert set(range(1, safe + 1)) <= set(ids(place)), "STATE ahead of the data"
    second = load(place, feed(PEOPLE, safe + 1))
    assert second.code == 0, second.err
    assert ids(place) == list(range(1, LAST + 1))


@pytest.mark.parametrize("fail", ["target.before_commit@2", "target.after_commit@2"])
def test_a_killed_append_loses_nothing(place, load, fail):
    first = load(place, feed(KEYLESS, 1), fail=fail, load_method="append-only")
    assert first.code == -9
    safe = first.states[-1]["reached"] if first.states else 0
    assert set(range(1, safe + 1)) <= set(ids(place))
    assert load(place, feed(KEYLESS, safe + 1), load_method="append-only").code == 0
    assert set(ids(place)) == set(range(1, LAST + 1))


@pytest.mark.parametrize("act", ["KILL", "TERM"])
def test_an_interrupted_overwrite_leaves_the_old_table_whole(place, load, act):
    load(place, [PEOPLE, record("people", id=0, name="old")])
    fail = f"target.before_commit:{act}@2"
    broken = load(place, feed(PEOPLE, 1), fail=fail, load_method="overwrite")
    assert broken.code == (-9 if act == "KILL" else 143)
    assert broken.states == []
    assert ids(place) == [0]
    again = load(place, feed(PEOPLE, 1), load_method="overwrite")
    assert again.code == 0, again.err
    assert ids(place) == list(range(1, LAST + 1))


def test_a_locked_duckdb_file_names_its_holder(duckdb_place, load):
    path = duckdb_place.url.removeprefix("duckdb:///")
    holder = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); "
    holder += "print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", holder, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout.readline() == b"open\n"
        run = load(duckdb_place, [PEOPLE], lock_timeout_seconds=0.5)
        assert run.code == 1
        assert f"in use by process {other.pid}; waited 0.5 s" in run.err
        assert "Traceback" not in run.err
        other.stdin.close()


def test_a_lock_that_is_released_in_time_is_waited_for(duckdb_place, load):
    path = duckdb_place.url.removeprefix("duckdb:///")
    holder = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); "
    holder += "print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", holder, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        other.stdout.readline()
        threading.Timer(1.5, other.stdin.close).start()
        one = [PEOPLE, record("people", id=1, name="a")]
        assert load(duckdb_place, one, lock_timeout_seconds=60).code == 0
    assert ids(duckdb_place) == [1]


def test_an_unwritable_place_is_one_line(duckdb_place, load):
    run = load(duckdb_place, [PEOPLE], url="duckdb:////proc/nowhere/w.duckdb")
    assert run.code == 1
    assert "/proc/nowhere" in run.err
    assert "Traceback" not in run.err


def test_a_file_that_is_no_database_is_one_line(duckdb_place, load, tmp_path):
    other = tmp_path / "text.duckdb"
    other.write_text("not a database" * 1000)
    run = load(duckdb_place, [PEOPLE], url=f"duckdb:///{other}")
    assert run.code == 1
    assert "Traceback" not in run.err
    assert other.read_text().startswith("not a database")


def test_a_full_disk_fails_and_keeps_what_was_committed(load, duckdb_place, tmp_path):
    mount = tmp_path / "small"
    mount.mkdir()
    size = "size=3m"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", mount],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("mounting a small tmpfs needs root: run as root in a container")
    try:
        place = type(duckdb_place)(f"duckdb:///{mount / 'w.duckdb'}", "duckdb")
        small = [PEOPLE, record("people", id=0, name="kept"), state({"reached": 0})]
        assert load(place, small).code == 0
        blob = os.urandom(1000).hex()
        rows = [record("people", id=i, name=f"{i}{blob}") for i in range(1, 20_000)]
        run = load(place, [PEOPLE, *rows, state({"reached": 1})])
        assert run.code == 1
        assert run.states == []
        assert "Traceback" not in run.err
        assert ids(place) == [0]
    finally:
        subprocess.run(["umount", mount], check=True)


@pytest.mark.servers
def test_a_wrong_password_is_one_line_without_it(postgres, postgres_place, load):
    url = postgres.url().replace(PASSWORD, "wrong-canary")
    run = load(postgres_place, [PEOPLE], url=url)
    assert run.code == 1
    assert "authentication failed" in run.err
    assert "check user and password" in run.err
    assert "wrong-canary" not in run.err
    assert "Traceback" not in run.err


@pytest.mark.servers
def test_user_and_password_may_stand_beside_the_url(postgres_place, load):
    bare = postgres_place.url.replace("postgres:secret@", "")
    one = [PEOPLE, record("people", id=1, name="a")]
    apart = {"username": "postgres", "password": PASSWORD}
    run = load(postgres_place, one, url=bare, **apart)
    assert run.code == 0, run.err


@pytest.mark.servers
def test_an_unreachable_host_is_one_line(postgres_place, load):
    run = load(postgres_place, [PEOPLE], url="postgresql://u:p@127.0.0.1:1/x")
    assert run.code == 1
    assert "check host and port" in run.err
    assert "Traceback" not in run.err


@pytest.mark.servers
@pytest.mark.parametrize("method", ["upsert", "overwrite", "append-only"])
def test_targets_at_once_on_one_postgres_are_safe(postgres_place, load, method):
    """Schema, tables and rows of the same keys, created by six at the same moment."""
    place, runs = postgres_place, []
    rows = [record("people", id=i, name="x") for i in range(3000)]

    def work():
        other = schema("other", ["id"], id={"type": "integer"})
        runs.append(
            load(place, [PEOPLE, other, *rows], load_method=method,
                 lock_timeout_seconds=60)
        )  # fmt: skip

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [run.code for run in runs] == [0] * 6, [run.err[-400:] for run in runs]
    expected = 18_000 if method == "append-only" else 3000
    assert place.rows("SELECT count(*) FROM raw.people") == [(expected,)]


@pytest.mark.servers
def test_overwrite_keeps_views_and_grants(postgres_place, load):
    load(postgres_place, [PEOPLE, record("people", id=1, name="old")])
    postgres_place.rows("CREATE VIEW raw.names AS SELECT name FROM raw.people")
    postgres_place.rows("GRANT SELECT ON raw.people TO public")
    wider = schema(
        "people", ["id"], id={"type": "integer"}, name={"type": "string"},
        mail={"type": "string"},
    )  # fmt: skip
    new = [wider, record("people", id=2, name="new", mail="m")]
    run = load(postgres_place, new, load_method="overwrite")
    assert run.code == 0, run.err
    assert postgres_place.rows("SELECT * FROM raw.names") == [("new",)]
    granted = "SELECT has_table_privilege('public', 'raw.people', 'SELECT')"
    assert postgres_place.rows(granted) == [(True,)]


def test_duckdb_views_see_the_new_table_after_an_overwrite(duckdb_place, load):
    load(duckdb_place, [PEOPLE, record("people", id=1, name="old")])
    duckdb_place.rows("CREATE VIEW raw.names AS SELECT name FROM raw.people")
    new = [PEOPLE, record("people", id=2, name="new")]
    assert load(duckdb_place, new, load_method="overwrite").code == 0
    assert duckdb_place.rows("SELECT * FROM raw.names") == [("new",)]


@pytest.mark.servers
def test_a_table_with_duplicate_keys_cannot_be_upserted_silently(postgres_place, load):
    one = record("people", id=1, name="a")
    load(postgres_place, [PEOPLE, one, one], load_method="append-only")
    run = load(postgres_place, [PEOPLE, one], load_method="upsert")
    assert run.code == 1
    assert "several rows of one key (id)" in run.err
    assert "overwrite" in run.err


def test_a_schema_named_like_the_file_is_no_riddle(tmp_path, load, duckdb_place):
    place = type(duckdb_place)(f"duckdb:///{tmp_path / 'raw.duckdb'}", "duckdb")
    assert load(place, [PEOPLE, record("people", id=1, name="a")]).code == 0
    with duckdb.connect(tmp_path / "raw.duckdb") as connection:
        rows = connection.execute("SELECT id FROM raw.raw.people").fetchall()
    assert rows == [(1,)]


def test_a_creation_that_was_killed_leaves_no_file_that_cannot_be_opened(tmp_path):
    """The new database stands under its name only when it is whole."""
    path = tmp_path / "warehouse.duckdb"
    left = tmp_path / ".warehouse.duckdb.1.new"
    left.write_bytes(b"half a header")
    watched = (
        "import duckdb, os, sys\n"
        "real = duckdb.connect\n"
        "def killed(*a, **k):\n"
        "    real(*a, **k)\n"
        "    os._exit(137)\n"
        "duckdb.connect = killed\n"
        "from flext_warehouse.duckdb_connection import connect\n"
        "connect(sys.argv[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", watched, str(path)], check=False)
    assert done.returncode == 137
    assert not path.exists()

    connect(str(path)).close()

    assert sorted(tmp_path.iterdir()) == [path]

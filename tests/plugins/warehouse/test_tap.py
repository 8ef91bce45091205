"""flext-tap-warehouse as a process, on both warehouses."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from flext_warehouse.postgres_connection import Server
from flext_warehouse.postgres_reader import PostgresReader
from flext_warehouse.selection import Wish


@pytest.fixture
def ldap(place):
    """A model as dbt makes it: flat columns, a list and JSON; and a view on it."""
    json_type = "JSON" if place.system == "duckdb" else "jsonb"
    place.rows("CREATE SCHEMA analytics")
    roles = "['a', 'b']" if place.system == "duckdb" else "array['a', 'b']"
    nested = '{"mail": ["a@x", "b@x"], "n": 12345678901234567890.5}'
    place.rows(
        "CREATE TABLE analytics.ldap__people AS SELECT 'uid=' || i AS dn, i AS n, "
        f"CAST('{nested}' AS {json_type}) AS attributes, {roles} AS roles, "
        "TIMESTAMP WITH TIME ZONE '2020-01-01 00:00:00.5+00' + i * INTERVAL '1' DAY "
        "AS changed_at, CAST(i / 4.0 AS DECIMAL(10, 2)) AS ratio "
        "FROM generate_series(1, 3) AS r(i)"
    )
    place.rows(
        "CREATE VIEW analytics.ldap__one AS SELECT dn, n FROM analytics.ldap__people"
    )
    place.rows("CREATE TABLE analytics.other AS SELECT 1 AS x")
    return place


def messages(run, kind="RECORD"):
    assert run.code == 0, run.err
    found = [json.loads(line) for line in run.out.splitlines()]
    return [m for m in found if m["type"] == kind]


def records(run):
    return [m["record"] for m in messages(run)]


def streams(run):
    assert run.code == 0, run.err
    return [s["tap_stream_id"] for s in json.loads(run.out)["streams"]]


def test_nested_values_come_out_as_objects_and_arrays(ldap, extract):
    run = extract(ldap, schema="analytics", tables=["ldap__people"])
    first = next(line for line in run.out.splitlines() if '"uid=1"' in line)
    record = json.loads(first)["record"]
    assert record["attributes"]["mail"] == ["a@x", "b@x"]
    assert "12345678901234567890.5" in first
    assert record["roles"] == ["a", "b"]
    assert record["changed_at"] == "2020-01-02T00:00:00.500000Z"


def test_fields_rename_and_choose_columns_and_streams_get_names(ldap, extract):
    wish = {
        "table": "ldap__people",
        "stream": "entries",
        "fields": {"dn": "dn", "n": "number"},
        "key_properties": ["dn"],
    }
    run = extract(ldap, schema="analytics", tables=[wish])
    assert {m["stream"] for m in messages(run)} == {"entries"}
    assert messages(run, "SCHEMA")[0]["key_properties"] == ["dn"]
    assert min(records(run), key=str) == {"dn": "uid=1", "number": 1}


def test_patterns_choose_tables_and_views(ldap, extract):
    run = extract(ldap, "--discover", schema="analytics", tables=["ldap__*"])
    assert streams(run) == ["ldap__one", "ldap__people"]
    everything = extract(ldap, "--discover", schema="analytics")
    assert streams(everything) == ["ldap__one", "ldap__people", "other"]


def test_a_query_is_a_stream(ldap, extract):
    query = "SELECT count(*) AS people FROM analytics.ldap__people;"
    run = extract(ldap, query=query, stream="totals")
    assert [(m["stream"], m["record"]) for m in messages(run)] == [
        ("totals", {"people": 3})
    ]


def test_meltanos_selection_limits_discovery(ldap, extract):
    choice = {"MELTANO_EXTRACT__SELECT": '["ldap__one.*", "!other.*"]'}
    run = extract(ldap, "--discover", schema="analytics", environment=choice)
    assert streams(run) == ["ldap__one"]


def test_a_missing_table_names_the_nearest(ldap, extract):
    run = extract(ldap, schema="analytics", tables=["ldap__peple"])
    assert run.code == 1
    assert 'no table "ldap__peple"' in run.err
    assert 'did you mean "ldap__people"?' in run.err
    assert "Traceback" not in run.err


def test_a_missing_column_names_those_that_are_there(ldap, extract):
    wish = {"table": "ldap__one", "fields": {"mail": "m"}}
    run = extract(ldap, schema="analytics", tables=[wish])
    assert run.code == 1
    assert 'no column "mail"' in run.err
    assert "columns: dn, n" in run.err


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("n", 3),
        ("changed_at", "2020-01-04T00:00:00.500000Z"),
        ("ratio", 0.75),
        ("dn", "uid=3"),
    ],
)
def test_incremental_reads_from_the_bookmark_on(ldap, extract, key, expected):
    wish = {"table": "ldap__people", "replication_key": key}
    first = extract(ldap, schema="analytics", tables=[wish])
    assert len(records(first)) == 3
    state = messages(first, "STATE")[-1]["value"]
    bookmark = state["bookmarks"]["ldap__people"]["replication_key_value"]
    assert bookmark == expected
    second = extract(ldap, schema="analytics", tables=[wish], state=state)
    assert [r["n"] for r in records(second)] == [3], "rows equal to the bookmark too"


def test_incremental_batch_files_keep_the_same_bookmark(ldap, extract, tmp_path):
    wish = {"table": "ldap__people", "replication_key": "changed_at"}
    batches = {
        "encoding": {"format": "arrow"},
        "storage": {"root": str(tmp_path / "files")},
    }
    run = extract(ldap, schema="analytics", tables=[wish], batch_config=batches)
    assert run.code == 0, run.err
    state = messages(run, "STATE")[-1]["value"]
    second = extract(ldap, schema="analytics", tables=[wish], state=state)
    assert [r["n"] for r in records(second)] == [3]


def test_rows_without_a_replication_key_are_read_in_the_first_run(ldap, extract):
    ldap.rows("INSERT INTO analytics.ldap__people (dn) VALUES ('uid=none')")
    wish = {"table": "ldap__people", "replication_key": "n"}
    first = extract(ldap, schema="analytics", tables=[wish])
    assert len(records(first)) == 4
    state = messages(first, "STATE")[-1]["value"]
    assert state["bookmarks"]["ldap__people"]["replication_key_value"] == 3


def test_deselected_fields_stay_out(ldap, extract):
    found = extract(ldap, "--discover", schema="analytics", tables=["ldap__one"])
    catalog = json.loads(found.out)
    for entry in catalog["streams"][0]["metadata"]:
        if entry["breadcrumb"] == ["properties", "n"]:
            entry["metadata"]["selected"] = False
    run = extract(ldap, schema="analytics", tables=["ldap__one"], catalog=catalog)
    assert {tuple(r) for r in records(run)} == {("dn",)}


def test_stream_maps_work_on_nested_values(ldap, extract):
    run = extract(
        ldap,
        schema="analytics",
        tables=["ldap__people"],
        stream_maps={"ldap__people": {"second": "record['attributes']['mail'][1]"}},
    )
    assert {r["second"] for r in records(run)} == {"b@x"}


def test_a_primary_key_becomes_the_key(place, extract):
    place.rows("CREATE SCHEMA s")
    place.rows("CREATE TABLE s.t (a INTEGER, b INTEGER, PRIMARY KEY (b, a))")
    run = extract(place, "--discover", schema="s")
    keys = json.loads(run.out)["streams"][0]["key_properties"]
    assert keys == ["b", "a"]


@pytest.mark.servers
def test_one_run_sees_one_moment(postgres_place):
    """A row that arrives between two streams is in neither."""
    postgres_place.rows("CREATE TABLE a AS SELECT 1 AS x")
    postgres_place.rows("CREATE TABLE b AS SELECT 1 AS x")
    reader = PostgresReader(Server(postgres_place.url))
    counts = []
    for table in ("a", "b"):
        relation = reader.find(Wish(table, "public", table))[0]
        query = relation.select(["x"], None, None)
        counts.append(sum(b.num_rows for b in reader.read(query, relation.fields)))
        postgres_place.rows("INSERT INTO b VALUES (2)")
    reader.close()
    assert counts == [1, 1]


@pytest.mark.servers
def test_odd_postgres_types_come_out_as_text(postgres_place, extract):
    postgres_place.rows(
        "CREATE TABLE odd AS SELECT '{1,2}'::int[] AS i, '1 day'::interval AS v, "
        "'10.0.0.1'::inet AS a, '\\xdeadbeef'::bytea AS b, 'infinity'::timestamptz "
        "AS f, '[1,5)'::int4range AS r, 'x'::char(3) AS c, 1.5::real AS e, "
        "''::text AS empty, NULL::text AS nothing, "
        "'00000000-0000-0000-0000-000000000001'::uuid AS u"
    )
    record = records(extract(postgres_place, schema="public"))[0]
    assert record == {
        "i": [1, 2], "v": "1 day", "a": "10.0.0.1/32", "b": "3q2+7w==",
        "f": "infinity", "r": "[1,5)", "c": "x  ", "e": 1.5, "empty": "",
        "nothing": None, "u": "00000000-0000-0000-0000-000000000001",
    }  # fmt: skip


def test_odd_duckdb_types_come_out_as_json_and_text(duckdb_place, extract):
    duckdb_place.rows(
        "CREATE TABLE odd AS SELECT {'a': 1, 'b': [2]} AS s, MAP {'k': 'v'} AS m, "
        "[{'a': 1}] AS l, '\\xAA'::BLOB AS b, 170141183460469231731687303715884105727"
        "::HUGEINT AS h, 18446744073709551615::UBIGINT AS u, 1.5::FLOAT AS f, "
        "'a'::ENUM('a') AS e, INTERVAL 1 DAY AS i"
    )
    record = records(extract(duckdb_place, schema="main"))[0]
    assert record == {
        "s": {"a": 1, "b": [2]}, "m": {"k": "v"}, "l": [{"a": 1}], "b": "qg==",
        "h": 2**127 - 1, "u": 2**64 - 1, "f": 1.5, "e": "a", "i": "1 day",
    }  # fmt: skip


def test_a_missing_file_is_one_line(extract, duckdb_place):
    run = extract(duckdb_place)
    assert run.code == 1
    assert "there is no such DuckDB file" in run.err
    assert "Traceback" not in run.err


def test_two_taps_read_one_file_at_once(duckdb_place, extract):
    duckdb_place.rows("CREATE TABLE t AS SELECT 1 AS x")
    path = duckdb_place.url.removeprefix("duckdb:///")
    holder = "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=True); "
    holder += "print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", holder, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout.readline() == b"open\n"
        assert records(extract(duckdb_place, schema="main")) == [{"x": 1}]
        other.stdin.close()


def test_the_bookmark_is_never_code(place, extract):
    place.rows("CREATE SCHEMA s")
    place.rows("CREATE TABLE s.t AS SELECT 'a' AS k")
    evil = "a' OR 1=1; DROP TABLE s.t; --"
    state = {
        "bookmarks": {"t": {"replication_key": "k", "replication_key_value": evil}}
    }
    wish = {"table": "t", "replication_key": "k"}
    run = extract(place, schema="s", tables=[wish], state=state)
    assert records(run) == []
    assert place.rows("SELECT count(*) FROM s.t") == [(1,)]


def test_wrong_entries_of_tables_are_explained(place, extract):
    for entry, words in (
        ({"tabel": "x"}, 'did you mean "table"?'),
        ({"query": "SELECT 1"}, "set `stream`"),
        ({"table": "a", "query": "SELECT 1"}, "either `table` or `query`"),
    ):
        run = extract(place, tables=[entry])
        assert run.code == 1
        assert words in run.err

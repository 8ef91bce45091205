"""What the tap reads, in which order, as of when, and where it goes on."""

import datetime as dt
import json
import os
from decimal import Decimal
from itertools import chain

import pytest

pytestmark = pytest.mark.servers


def filled_orders(database, count):
    database.execute(
        "create table orders (id number(10) primary key, total number(12,2),"
        " updated_at timestamp(6))"
    )
    with database.connect() as connection:
        connection.cursor().executemany(
            "insert into orders values (:1, :2, :3)",
            [
                (n, n / 100, dt.datetime(2024, 1, 1) + dt.timedelta(seconds=n))
                for n in range(count)
            ],
        )
        connection.commit()
    return database


@pytest.fixture
def orders(database):
    """2,000 rows: eight ROWID windows of one block on the test server."""
    return filled_orders(database, 2000)


@pytest.fixture
def many_orders(database):
    """More rows than lie between two STATE messages."""
    return filled_orders(database, 12_000)


@pytest.fixture
def small(database):
    """Ten rows with growing ids and times."""
    database.execute(
        "create table small (id number(10) primary key, name varchar2(20 char),"
        " updated_at timestamp(6), since date, code number)"
    )
    with database.connect() as connection:
        cursor = connection.cursor()
        for n in range(10):
            cursor.execute(
                f"insert into small values ({n}, 'n{n}',"
                f" timestamp '2024-01-01 00:00:0{n}.5', date '2024-01-0{n % 9 + 1}',"
                f" {n}.5)"
            )
        connection.commit()
    return database


def ids(run):
    assert run.code == 0, run.errors
    return sorted(record["id"] for record in run.records)


def selects(database, mark):
    return [
        s["sql"]
        for s in database.statements(mark)
        if s["sql"].startswith("SELECT t.") or " t WHERE" in s["sql"]
    ]


def stream(database, name):
    return f"{database.user}-{name}"


# ---- incremental --------------------------------------------------------------------


@pytest.mark.parametrize("key", ["id", "updated_at", "since", "code"])
def test_an_incremental_stream_goes_on_from_its_bookmark(small, tap, key):
    first = tap(replication_key=key)
    assert ids(first) == list(range(10))
    again = tap(replication_key=key, state=first.state)
    # The rows that carry the bookmark come again: others may have joined them.
    highest = max(record[key] for record in first.records)
    assert ids(again) == [r["id"] for r in first.records if r[key] == highest]
    small.execute(
        "insert into small values (10, 'late', timestamp '2024-02-01 00:00:00',"
        " date '2024-02-01', 10.5)"
    )
    assert ids(tap(replication_key=key, state=again.state))[-1] == 10


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("key", ["UPDATED_AT", "Updated_At", "updated_at"])
def test_keys_may_be_typed_in_the_case_of_oracle(tap, key):
    query = {
        "name": "recent",
        "sql": "SELECT id, updated_at FROM small WHERE updated_at > ?",
        "replication_key": key,
        "key_properties": ["ID"],
    }
    first = tap(queries=[query])
    assert ids(first) == list(range(10))
    assert first.messages[0]["key_properties"] == ["id"]
    bookmark = first.state["bookmarks"]["recent"]
    assert bookmark["replication_key"] == "updated_at"
    assert ids(tap(queries=[query], state=first.state)) == []

    catalog = json.loads(tap("--discover").output)
    for entry in catalog["streams"][0]["metadata"]:
        if not entry["breadcrumb"]:
            entry["metadata"]["replication-key"] = key
            entry["metadata"]["replication-method"] = "INCREMENTAL"
    for name in ("replication_key", "replication_method"):
        catalog["streams"][0].pop(name, None)
    again = tap(catalog=catalog)
    assert ids(again) == list(range(10))
    assert ids(tap(catalog=catalog, state=again.state)) == [9]


def test_a_bookmark_is_bound_with_the_type_of_its_column(small, tap):
    first = tap(replication_key="since")
    mark = small.mark()
    tap(replication_key="since", state=first.state)
    (text,) = selects(small, mark)
    assert 't."SINCE" >= :bookmark ORDER BY t."SINCE"' in text


@pytest.mark.usefixtures("small")
def test_a_look_back_window_begins_before_the_bookmark(tap):
    first = tap(replication_key="updated_at")
    assert ids(tap(replication_key="updated_at", state=first.state, lookback=3)) == [
        6,
        7,
        8,
        9,
    ]
    again = tap(replication_key="updated_at", state=first.state, lookback=3)
    assert again.state == first.state
    number = tap(
        replication_key="code", lookback=2, state=tap(replication_key="code").state
    )
    assert ids(number) == [7, 8, 9]


@pytest.mark.usefixtures("small")
def test_a_start_date_is_where_the_first_run_begins(tap):
    run = tap(replication_key="updated_at", start_date="2024-01-01T00:00:07Z")
    assert ids(run) == [7, 8, 9]


def test_ora_rowscn_serves_where_no_column_does(small, tap):
    run = tap(use_ora_rowscn=True, replication_key="ora_rowscn")
    assert ids(run) == list(range(10))
    assert run.state["bookmarks"][stream(small, "small")]["replication_key"] == (
        "ora_rowscn"
    )


def test_a_bookmark_of_another_type_is_named(small, tap):
    state = {
        "bookmarks": {
            stream(small, "small"): {
                "replication_key": "updated_at",
                "replication_key_value": "seventeen",
            }
        }
    }
    run = tap(replication_key="updated_at", state=state)
    assert run.code == 1
    assert "'seventeen' is no TIMESTAMP" in run.error[0]


# ---- queries ------------------------------------------------------------------------

QUERY = "SELECT id, name, updated_at FROM small WHERE updated_at > ? -- why?"


@pytest.mark.usefixtures("small")
def test_a_query_binds_the_bookmark_for_its_question_mark(tap):
    queries = [{"name": "changes", "sql": QUERY, "key_properties": ["id"]}]
    first = tap(queries=queries)
    assert ids(first) == list(range(10))
    assert first.messages[0]["key_properties"] == ["id"]
    assert ids(tap(queries=queries, state=first.state)) == []
    half = json.loads(json.dumps(first.state).replace("00:00:09", "00:00:04"))
    assert ids(tap(queries=queries, state=half)) == [5, 6, 7, 8, 9]


@pytest.mark.usefixtures("small")
def test_a_query_s_types_are_those_of_its_columns(tap):
    sql = "select id, code * 2 as twice, updated_at, cast(null as date) d from small"
    properties = tap(query=sql, query_name="q").messages[0]["schema"]["properties"]
    assert properties["id"]["x-sql-datatype"] == "NUMBER(10)"
    assert properties["twice"]["x-sql-datatype"] == "NUMBER"
    assert properties["updated_at"]["x-sql-datatype"] == "TIMESTAMP(6)"


@pytest.mark.usefixtures("small")
def test_a_query_takes_binds_and_is_never_pasted_into(tap):
    queries = {
        "some": {
            "sql": "select * from small where name = :wanted",
            "binds": {"wanted": "n3' or '1'='1"},
        }
    }
    assert ids(tap(queries=queries)) == []


@pytest.mark.parametrize(
    ("queries", "said"),
    [
        ([{"name": "a", "sql": "select 1 x from dual where ? > 0"}], "of which column"),
        ([{"name": "a"}], "a query needs name and sql"),
        ([{"name": "a", "sql": "select 1 x from dual"}] * 2, "two queries are called"),
        ([{"name": "a", "sql": "select nope from dual"}], "ORA-00904"),
        ([{"name": "a", "sql": "select 1 x from nope"}], "where: stream 'a'"),
        ([{"name": "a", "sqll": "select 1 x from dual"}], "did you mean 'sql'?"),
        (
            [{"name": "a", "sql": "select 1 x from dual", "key_properties": ["y"]}],
            "returns no column 'y'",
        ),
    ],
)
def test_a_wrong_query_says_what_is_wrong(tap, queries, said):
    run = tap(queries=queries)
    assert run.code == 1
    assert said in " ".join(run.error)


# ---- full table, snapshot, chunks ---------------------------------------------------


def test_a_snapshot_reads_every_chunk_as_of_one_scn(orders, tap):
    mark = orders.mark()
    run = tap(snapshot="scn", chunk_blocks=1, parallel_jobs=3)
    assert ids(run) == list(range(2000))
    asked = selects(orders, mark)
    scns = {text.split("AS OF SCN ")[1].split()[0] for text in asked}
    assert len(scns) == 1
    assert all("ROWID BETWEEN" in text for text in asked)
    assert len(asked) >= 5
    sessions = {
        s["session"] for s in orders.statements(mark) if "ROWID BETWEEN" in s["sql"]
    }
    assert len(sessions) == 3
    assert run.state == {"bookmarks": {stream(orders, "orders"): {}}}


@pytest.mark.parametrize("has_extents", [True, False])
def test_shares_of_several_processes_are_the_whole_table(orders, tap, has_extents):
    seen = []
    for share in ("1/3", "2/3", {"index": 2, "count": 3}):
        if not has_extents:
            orders.fault(match="DBA_EXTENTS", code=942)
        run = tap(partition=share, snapshot_scn=4711, chunk_blocks=1)
        seen.append(ids(run))
        assert 0 < len(seen[-1]) < 2000
    assert sorted(chain.from_iterable(seen)) == list(range(2000))


def test_a_writer_between_two_processes_does_not_tear_their_snapshot(orders, tap):
    before = orders.query("select id, total from orders")
    orders.remember(4711)
    seen = []
    for n in range(3):
        orders.execute(
            f"update orders set total = total + 1 where mod(id, 3) = {n}",
            f"delete from orders where mod(id, 10) = {n}",
            f"insert into orders select id + {n + 1} * 10000, total, updated_at"
            " from orders where id < 500",
        )
        run = tap(partition=f"{n + 1}/3", snapshot_scn=4711, chunk_blocks=1)
        assert run.code == 0, run.errors
        seen += [(r["id"], Decimal(str(r["total"]))) for r in run.records]
    assert sorted(seen) == sorted(before)
    assert len(orders.query("select id from orders")) != len(before)


def test_a_view_without_key_is_no_source_for_shares(small, tap):
    small.execute("create view v as select id, name from small")
    run = tap(tables_filter=["v"], partition="1/2")
    assert run.code == 1
    assert "nothing to share its rows out by" in run.error[0]


@pytest.mark.parametrize(
    "more",
    [
        {"tables_filter": ["v"]},
        {"tables_filter": ["small"]},
        {"tables_filter": ["small"], "replication_key": "id"},
        {"query": "select id, name from small"},
        {"query": "select id, updated_at from small where updated_at > ?"},
    ],
    ids=["view", "table", "incremental", "query", "query with bookmark"],
)
def test_shares_by_a_column_s_hash_are_the_whole_of_any_stream(small, tap, more):
    small.execute("create view v as select id, name from small")
    shares = [
        ids(tap(partition={"index": n, "count": 3, "column": "ID"}, **more))
        for n in range(3)
    ]
    assert sorted(chain.from_iterable(shares)) == list(range(10))
    assert max(map(len, shares)) < 10


def test_a_killed_full_table_goes_on_at_its_last_finished_chunk(many_orders, tap):
    env = {**os.environ, "FLEXCORE_FAILPOINT": "tap.mid_records@11000"}
    settings = {
        "snapshot": True,
        "chunk_blocks": 1,
        "emit_activate_version_messages": True,
    }
    killed = tap(**settings, env=env)
    assert killed.code == -9
    state = [m for m in killed.messages if m["type"] == "STATE"][-1]["value"]
    progress = state["bookmarks"][stream(many_orders, "orders")]["full_table"]
    assert progress["upto"]
    mark = many_orders.mark()
    rest = tap(**settings, state=state)
    assert rest.code == 0, rest.errors
    # Nothing before the mark is read again, everything behind it is.
    assert len(rest.records) < 12_000
    before = {
        r["id"] for m in killed.messages if m["type"] == "RECORD" for r in [m["record"]]
    }
    assert before | {r["id"] for r in rest.records} == set(range(12_000))
    assert f"AS OF SCN {progress['scn']}" in selects(many_orders, mark)[0]
    # One version for both halves, or ACTIVATE_VERSION would drop the first.
    versions = {m["version"] for m in rest.messages if "version" in m}
    assert versions == {progress["version"]}
    assert rest.state == {"bookmarks": {stream(many_orders, "orders"): {}}}


def test_a_resumed_snapshot_that_is_gone_starts_over(orders, tap):
    state = {
        "bookmarks": {
            stream(orders, "orders"): {
                "full_table": {
                    "scn": 1,
                    "version": None,
                    "digits": 15,
                    "share": "",
                    "upto": "AAAR0oAABAAAAAB",
                    "also": [],
                }
            }
        }
    }
    orders.fault(match="AS OF SCN 1 ", code=1555)
    run = tap(snapshot="scn", chunk_blocks=1, state=state)
    assert ids(run) == list(range(2000))
    assert "starting over" in run.errors


def test_a_snapshot_too_old_fails_with_what_to_do(orders, tap):
    orders.fault(match="ROWID BETWEEN", code=1555, after_rows=100)
    run = tap(snapshot="scn", chunk_blocks=1, fetch_size=50)
    assert run.code == 1
    assert "ORA-01555" in run.error[0]
    assert "UNDO_RETENTION" in run.error[2]
    assert "Traceback" not in run.errors


@pytest.mark.parametrize("fallback", ["current", "read_only"])
def test_a_snapshot_too_old_goes_on_as_configured(orders, tap, fallback):
    orders.fault(match="ROWID BETWEEN", code=1555, after_rows=100)
    mark = orders.mark()
    run = tap(snapshot="scn", chunk_blocks=1, fetch_size=50, snapshot_fallback=fallback)
    assert run.code == 0, run.errors
    assert {r["id"] for r in run.records} == set(range(2000))
    assert "going on without flashback" in run.errors
    asked = [s["sql"] for s in orders.statements(mark)]
    assert ("SET TRANSACTION READ ONLY" in asked) == (fallback == "read_only")


def test_flashback_not_granted_fails_or_falls_back(small, tap):
    for statement in ("CURRENT_SCN", "GET_SYSTEM_CHANGE_NUMBER", "TIMESTAMP_TO_SCN"):
        small.fault(match=statement, code=942, times=2)
    run = tap(snapshot="scn")
    assert run.code == 1
    assert "no system change number" in run.error[0]
    assert "GRANT" in run.error[2]
    run = tap(snapshot="scn", snapshot_fallback="current")
    assert ids(run) == list(range(10))


@pytest.mark.usefixtures("orders")
def test_shares_send_no_version_that_would_drop_the_others(tap):
    run = tap(partition="1/2", chunk_blocks=1, emit_activate_version_messages=True)
    assert run.code == 0, run.errors
    assert not [m for m in run.messages if m["type"] == "ACTIVATE_VERSION"]


# ---- discovery through the command --------------------------------------------------


def test_only_the_selected_tables_are_asked_for(small, tap):
    small.execute("create table other (a number)")
    mark = small.mark()
    env = {
        **os.environ,
        "MELTANO_EXTRACT__SELECT": json.dumps([f"{stream(small, 'small')}.*"]),
    }
    catalog = tap("--discover", env=env)
    assert catalog.code == 0, catalog.errors
    found = json.loads(catalog.output)["streams"]
    assert [entry["tap_stream_id"] for entry in found] == [stream(small, "small")]
    (text,) = (
        s["sql"] for s in small.statements(mark) if "ALL_TAB_COLUMNS" in s["sql"]
    )
    assert "c.TABLE_NAME = :f1" in text


def test_a_selected_table_that_is_gone_is_an_error_not_a_success(small, tap):
    catalog = json.loads(tap("--discover").output)
    small.execute("drop table small")
    run = tap(catalog=catalog)
    assert run.code == 1
    assert "ORA-00942" in run.error[0]
    assert "SMALL" in run.error[0]
    assert not run.output


def test_a_selected_stream_that_nothing_is_called_is_an_error(small, tap):
    name = stream(small, "small").upper()
    env = {**os.environ, "MELTANO_EXTRACT__SELECT": json.dumps([f"{name}.*"])}
    run = tap("--discover", env=env)
    assert run.code == 1
    assert f"did you mean {stream(small, 'small')!r}?" in run.error[2]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tables_filter": ["SMALL", "SMALLER"]}, "did you mean 'SMALL'?"),
        ({"tables_filter": ["nope*"]}, "the filters let no table or view through"),
        ({"schemas_filter": ["NOPE"]}, "schema 'NOPE' shows no table or view"),
        ({"exclude_tables": ["*"]}, "the filters let no table or view through"),
        ({"replication_key": "nope"}, "no stream has a column 'nope'"),
        ({"replication_key": "ORA_ROWSCN"}, "set use_ora_rowscn too"),
    ],
)
def test_a_filter_that_finds_nothing_is_an_error_not_a_success(tap, given, said):
    run = tap(**given)
    assert run.code == 1
    assert said in " ".join(run.error)
    assert not run.output


def test_a_schema_without_tables_says_where_others_are_named(database, tap):
    run = tap()
    assert run.code == 1
    assert f"schema '{database.schema}' has no table or view" in run.error[0]
    assert "schemas_filter: [SALES]" in run.error[2]


def test_a_name_that_is_also_excluded_is_not_missed(small, tap):
    small.execute("create table other (id number)")
    run = tap(tables_filter=["small", "other"], exclude_tables=["oth*"])
    assert ids(run) == list(range(10))


def test_a_deselected_column_is_not_even_read(small, tap):
    catalog = json.loads(tap("--discover").output)
    for entry in catalog["streams"][0]["metadata"]:
        if entry["breadcrumb"] == ["properties", "name"]:
            entry["metadata"]["selected"] = False
    mark = small.mark()
    run = tap(catalog=catalog)
    assert ids(run) == list(range(10))
    assert all("name" not in record for record in run.records)
    assert '"NAME"' not in selects(small, mark)[0]


def test_a_batch_costs_one_round_trip(orders, tap):
    mark = orders.mark()
    tap(fetch_size=500)
    assert len(selects(orders, mark)) == 1


@pytest.mark.usefixtures("small")
def test_streams_can_be_named_as_other_taps_do(tap):
    run = tap(stream_prefix="oracle")
    assert run.messages[0]["stream"] == "oracle_small"
    assert tap(stream_prefix="").messages[0]["stream"] == "small"
    catalog = json.loads(tap("--discover", stream_prefix="oracle").output)
    assert ids(tap(catalog=catalog, stream_prefix="oracle")) == list(range(10))


def test_a_dba_sees_who_is_asking(small, tap):
    mark = small.mark()
    env = {
        **os.environ,
        "FLEXCORE_PIPELINE": "nightly",
        "FLEXCORE_STEP": "extract-small",
        "FLEXCORE_CORRELATION_ID": "c0ffee",
    }
    assert tap(env=env).code == 0
    (seen,) = {
        tuple(sorted(s["attributes"].items()))
        for s in small.statements(mark)
        if '"SMALL"' in s["sql"]
    }
    assert dict(seen) == {
        "module": "nightly",
        "action": "extract-small",
        "client_identifier": "c0ffee",
    }

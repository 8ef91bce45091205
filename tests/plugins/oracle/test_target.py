"""What the target leaves in the database, whatever comes."""

import json
from decimal import Decimal

import pytest

pytestmark = pytest.mark.servers

SCHEMA = {
    "id": {"type": "integer"},
    "name": {"type": ["null", "string"], "maxLength": 10},
    "total": {"type": ["null", "number"]},
}


def schema(properties=None, keys=("id",), stream="people"):
    return {
        "type": "SCHEMA",
        "stream": stream,
        "schema": {"type": "object", "properties": properties or SCHEMA},
        "key_properties": list(keys),
    }


def record(stream="people", version=None, **values):
    message = {"type": "RECORD", "stream": stream, "record": values}
    return message if version is None else {**message, "version": version}


def state(number):
    return {"type": "STATE", "value": {"n": number}}


def rows(database, sql="select id, name from people order by id, name"):
    return [tuple(row) for row in database.query(sql)]


def assert_loaded(run, last_state=None):
    assert run.code == 0, run.errors
    if last_state is not None:
        assert run.state == {"n": last_state}


# ---- load methods -------------------------------------------------------------------


def test_upsert_keeps_the_last_of_each_key(database, target):
    feed = [
        schema(),
        record(id=1, name="a"),
        record(id=2, name="b"),
        record(id=1, name="c"),
        state(1),
    ]
    assert_loaded(target(feed), 1)
    assert rows(database) == [(1, "c"), (2, "b")]
    assert_loaded(target([schema(), record(id=2, name="d"), record(id=3)]))
    assert rows(database) == [(1, "c"), (2, "d"), (3, None)]


def test_keys_that_only_oracle_finds_equal_are_one_row(database, target):
    properties = {"id": {"type": ["number", "string"]}, "name": SCHEMA["name"]}
    overrides = {"column_type_overrides": {"id": "NUMBER"}}
    feed = [
        schema(properties),
        record(id=1, name="a"),
        record(id=1.0, name="b"),
        record(id="1.00", name="c"),
    ]
    assert_loaded(target(feed, **overrides))
    assert rows(database) == [(1, "c")]


@pytest.mark.parametrize("word", ["append-only", "append", "insert", "bulk_insert"])
def test_append_adds_every_record(database, target, word):
    feed = [schema(), record(id=1, name="a"), record(id=1, name="b")]
    assert_loaded(target(feed, load_method=word))
    assert_loaded(target(feed, load_method=word))
    assert rows(database) == [(1, "a"), (1, "a"), (1, "b"), (1, "b")]


@pytest.mark.parametrize("word", ["overwrite", "replace", "truncate"])
def test_overwrite_replaces_all_rows(database, target, word):
    assert_loaded(target([schema(), record(id=1, name="old"), record(id=2)]))
    feed = [schema(), record(id=2, name="a"), record(id=2, name="b"), state(1)]
    assert_loaded(target(feed, load_method=word), 1)
    assert rows(database) == [(2, "b")]
    assert_loaded(target([schema()], load_method=word))
    assert rows(database) == []


def test_a_broken_overwrite_leaves_the_old_rows_and_no_state(database, target):
    assert_loaded(target([schema(), record(id=1, name="old")]))
    feed = [schema(), record(id=2), state(1), {"type": "RECORD", "stream": "nobody"}]
    run = target(feed, load_method="overwrite")
    assert run.code == 1
    assert run.output == b""
    assert rows(database) == [(1, "old")]


def test_an_overwrite_keeps_its_rows_when_its_schema_grows(database, target):
    more = {**SCHEMA, "city": {"type": ["null", "string"]}}
    feed = [schema(), record(id=1, name="a"), schema(more), record(id=2, city="x")]
    assert_loaded(target(feed, load_method="overwrite"))
    assert rows(database, "select id, name, city from people order by id") == [
        (1, "a", None),
        (2, None, "x"),
    ]


def test_other_words_and_settings_of_movers_are_understood(database, target):
    feed = [schema(), record(id=1, name="a"), record(id=1, name="b")]
    run = target(
        feed,
        load_method="bulk_merge",
        dsn=None,
        oracle_host=database.host,
        oracle_port=database.port,
        oracle_service=database.service_name,
        username=None,
        oracle_user=database.user,
        oracle_password=database.password,
        add_metadata_columns=True,
    )
    assert_loaded(run)
    assert rows(database) == [(1, "b")]
    assert rows(database, 'select "_SDC_SEQUENCE" from people')[0][0]


def test_an_unknown_load_method_is_refused(target):
    run = target([schema()], load_method="upset")
    assert run.code == 1
    assert "load_method" in " ".join(run.error)


# ---- deletions ----------------------------------------------------------------------

FIRST = [schema(), record(id=1, version=1), record(id=2, version=1)]
SECOND = [schema(), record(id=2, version=2), record(id=3, version=2)]


def activate(version):
    return {"type": "ACTIVATE_VERSION", "stream": "people", "version": version}


def test_what_a_full_table_no_longer_has_is_marked(database, target):
    assert_loaded(target([*FIRST, activate(1)]))
    assert_loaded(target([*SECOND, activate(2)]))
    sql = 'select id, nvl2("_SDC_DELETED_AT", 1, 0) from people order by id'
    assert rows(database, sql) == [(1, 1), (2, 0), (3, 0)]
    # What comes back is not deleted any more.
    assert_loaded(target([schema(), record(id=1, version=3), activate(3)]))
    assert rows(database, sql) == [(1, 0), (2, 1), (3, 1)]


def test_what_a_full_table_no_longer_has_is_deleted_when_asked(database, target):
    assert_loaded(target([*FIRST, activate(1)], hard_delete=True))
    assert_loaded(target([*SECOND, activate(2)], hard_delete=True))
    assert rows(database, "select id from people order by id") == [(2,), (3,)]


def test_a_run_that_breaks_before_its_version_is_whole_deletes_nothing(
    database, target
):
    assert_loaded(target([*FIRST, activate(1)], hard_delete=True))
    broken = target([*SECOND, {"type": "RECORD"}], hard_delete=True)
    assert broken.code == 1
    assert {1, 2} <= {row[0] for row in rows(database)}


# ---- schema -------------------------------------------------------------------------


def test_a_table_grows_with_its_stream(database, target):
    assert_loaded(target([schema(), record(id=1, name="a")]))
    properties = {
        **SCHEMA,
        "name": {"type": "string", "maxLength": 200},
        "born": {"type": "string", "format": "date"},
        "tags": {"type": "array", "items": {"type": "string"}},
    }
    feed = [
        schema(properties),
        record(id=2, name="b" * 200, born="2000-02-29", tags=["x"]),
    ]
    assert_loaded(target(feed))
    found = database.query("select name, born, tags from people where id = 2")[0]
    assert found[0] == "b" * 200
    assert found[1].isoformat() == "2000-02-29T00:00:00"
    assert found[2] == '["x"]'


def test_a_text_longer_than_its_schema_says_gets_room(database, target):
    properties = {"id": {"type": "integer"}, "name": {"type": "string"}}
    long = ["x" * 3000, "é" * 3000, "y" * 100_000]
    feed = [schema(properties)]
    feed += [record(id=n, name=name) for n, name in enumerate(long)]
    assert_loaded(target(feed))
    assert [
        row[1] for row in rows(database, "select id, name from people order by id")
    ] == long


def test_schema_evolution_fail_changes_nothing(database, target):
    assert_loaded(target([schema(), record(id=1, name="a")]))
    properties = {**SCHEMA, "more": {"type": "string"}}
    run = target([schema(properties), record(id=2)], schema_evolution="fail")
    assert run.code == 1
    assert "MORE" in run.error[0]
    assert rows(database) == [(1, "a")]


def test_names_are_mapped_cut_and_kept_apart(database, target):
    long = "customer_account_balance_history_of_the_last_quarter_" * 3
    properties = {
        "id": {"type": "integer"},
        f"{long}a": {"type": "string"},
        f"{long}b": {"type": "string"},
        "select": {"type": "string"},
        "a b'c": {"type": "string"},
    }
    feed = [
        schema(properties, stream="crm-contacts"),
        record(
            "crm-contacts",
            **{"id": 1, f"{long}a": "A", f"{long}b": "B", "select": "S", "a b'c": "Q"},
        ),
    ]
    run = target(feed, table_prefix="stg_", column_mappings={"select": "CHOSEN"})
    assert_loaded(run)
    columns = rows(
        database,
        "select column_name from user_tab_columns where table_name = 'STG_CONTACTS'"
        " order by column_id",
    )
    names = [name for (name,) in columns]
    assert names[0] == "ID"
    assert names[1] != names[2]
    assert all(len(name.encode()) <= 128 for name in names)
    assert names[3:] == ["CHOSEN", "A_B_C"]


def test_two_streams_may_not_fill_one_table(target):
    feed = [schema(stream="a-people"), schema(stream="b-people")]
    run = target(feed)
    assert run.code == 1
    assert "would both fill" in run.error[0]


def test_an_override_cannot_bring_statements_along(target):
    run = target([schema()], column_type_overrides={"name": "CLOB) AS SELECT 1 --"})
    assert run.code == 1
    assert "no type that can be written" in " ".join(run.error)


def test_a_type_on_the_wire_cannot_bring_statements_along(database, target):
    properties = {"id": {"type": "integer", "x-sql-datatype": "NUMBER); DROP TABLE x"}}
    assert_loaded(target([schema(properties), record(id=1)]))
    assert database.query("select id from people") == [(Decimal(1),)]


@pytest.mark.parametrize(
    ("nested", "kind"), [("clob", "CLOB"), ("varchar2", "VARCHAR2"), ("json", "CLOB")]
)
def test_nested_values_are_kept_as_json(database, target, nested, kind):
    # Before Oracle 21c there is no JSON type; the test server calls itself 19c.
    properties = {"id": {"type": "integer"}, "doc": {"type": "object"}}
    doc = {"a": [1, {"b": None}], "é": "x"}
    assert_loaded(
        target([schema(properties), record(id=1, doc=doc)], nested_type=nested)
    )
    assert json.loads(database.query("select doc from people")[0][0]) == doc
    sql = (
        "select data_type from user_tab_columns"
        " where column_name = 'DOC' and table_name = 'PEOPLE'"
    )
    assert rows(database, sql) == [(kind,)]


@pytest.mark.parametrize("word", ["flattened", "flatten"])
def test_nested_values_can_be_flattened(database, target, word):
    properties = {
        "id": {"type": "integer"},
        "doc": {"type": "object", "properties": {"a": {"type": "integer"}}},
    }
    assert_loaded(
        target([schema(properties), record(id=1, doc={"a": 7})], storage_mode=word)
    )
    assert rows(database, "select id, doc__a from people") == [(1, 7)]


@pytest.mark.parametrize("mode", ["json", "hybrid"])
def test_a_column_keeps_the_whole_record(database, target, mode):
    properties = {
        "id": {"type": "integer"},
        "name": {"type": "string"},
        "amount": {"type": "number"},
        "doc": {"type": "object"},
    }
    given = {"id": 1, "name": "é", "amount": 0.1, "doc": {"a": [1, None]}}
    run = target([schema(properties), record(**given)], storage_mode=mode)
    assert_loaded(run)
    assert json.loads(database.query("select data from people")[0][0]) == given
    columns = rows(
        database,
        "select column_name from user_tab_columns where table_name = 'PEOPLE'"
        " order by column_id",
    )
    others = [("NAME",), ("AMOUNT",), ("DOC",)] if mode == "hybrid" else []
    assert columns == [("ID",), *others, ("DATA",)]

    changed = record(**{**given, "name": "b"})
    assert_loaded(target([schema(properties), changed], storage_mode=mode))
    kept = [
        json.loads(text)["name"]
        for (text,) in database.query("select data from people")
    ]
    assert kept == ["b"]


@pytest.mark.parametrize("nested", ["clob", "varchar2", "json"])
def test_a_whole_record_leaves_ignored_columns_out(database, target, nested):
    properties = {"id": {"type": "integer"}, "hidden": {"type": "string"}}
    feed = [schema(properties), record(id=1, hidden="x")]
    settings = {"storage_mode": "hybrid", "ignored_columns": ["hidden"]}
    assert_loaded(target(feed, nested_type=nested, **settings))
    assert database.query("select data from people") == [('{"id":1}',)]


def test_the_column_of_the_whole_record_takes_no_other_columns_name(database, target):
    properties = {"id": {"type": "integer"}, "data": {"type": "string"}}
    feed = [schema(properties), record(id=1, data="mine")]
    refused = target(feed, storage_mode="hybrid")
    assert refused.code != 0
    assert "would share column DATA" in refused.errors
    assert_loaded(target(feed, storage_mode="hybrid", json_column_name="RECORD"))
    assert rows(database, "select data from people") == [("mine",)]


# ---- rejects ------------------------------------------------------------------------

BAD = [
    schema(),
    record(id=1, name="good"),
    record(id=None, name="no key"),
    record(id=2, name="x" * 11),
    record(id=3, name="text", total="seventeen"),
    record(id=4, name="good"),
    record(id=5, name="huge", total=10**200),
    state(1),
]


@pytest.mark.parametrize("method", ["upsert", "append-only", "overwrite"])
def test_bad_rows_are_set_aside_with_key_code_and_message(
    database, target, tmp_path, method
):
    path = tmp_path / "rejects.jsonl"
    run = target(
        BAD,
        load_method=method,
        max_errors=10,
        rejects_path=str(path),
        schema_evolution="fail",
    )
    assert_loaded(run, 1)
    got = rows(database)
    assert (1, "good") in got
    assert (4, "good") in got
    rejects = [json.loads(line) for line in path.read_text().splitlines()]
    reasons = {r["where"]: r["reason"] for r in rejects}
    assert "ORA-12899" in reasons["id=2"]
    assert "total: 'seventeen' is no number" in reasons["id=3"]
    assert reasons["id=5"]
    if method != "append-only":
        assert "ORA-01400" in "".join(reasons.values())
    assert len(got) + len(rejects) == 6


def test_one_reject_more_than_allowed_fails_the_run(database, target, tmp_path):
    path = tmp_path / "rejects.jsonl"
    run = target(BAD, max_errors=1, rejects_path=str(path), schema_evolution="fail")
    assert run.code == 1
    assert "max_errors" in run.error[0]
    assert run.output == b""
    assert rows(database) == []


def test_a_row_that_only_the_merge_refuses_is_found(database, target, tmp_path):
    database.execute(
        "create table people (id number(10) primary key, name varchar2(10 char),"
        " total number check (total >= 0))"
    )
    path = tmp_path / "rejects.jsonl"
    feed = [schema()]
    feed += [record(id=n, name="n", total=-1 if n == 7 else n) for n in range(20)]
    run = target(feed, max_errors=1, rejects_path=str(path))
    assert_loaded(run)
    assert len(rows(database)) == 19
    (reject,) = [json.loads(line) for line in path.read_text().splitlines()]
    assert reject["where"] == "id=7"
    assert "ORA-02290" in reject["reason"]
    assert json.loads(reject["record"])["id"] == 7


# ---- order --------------------------------------------------------------------------


def test_no_ddl_runs_between_rows_and_their_state(database, target):
    feed = [schema(), schema(stream="pets")]
    for n in range(25_000):
        feed.append(record(id=n, name="a"))
        if n % 5000 == 4999:
            feed.append(state(n))
    mark = database.mark()
    assert_loaded(target(feed), 24_999)
    open_rows = False
    for entry in database.statements(mark):
        text = entry["sql"].lstrip().upper()
        if text.startswith(("CREATE", "ALTER TABLE", "DROP", "TRUNCATE")):
            assert not open_rows, text
        elif text.startswith(("INSERT", "MERGE", "DELETE", "UPDATE")):
            open_rows = True
        elif text == "COMMIT":
            open_rows = False
    assert not open_rows


def test_state_waits_for_the_commit(database, target):
    feed = [schema(), record(id=1), state(1)]
    database.fault(match="COMMIT", code=1653)
    run = target(feed)
    assert run.code == 1
    assert run.output == b""
    assert "ORA-01653" in run.error[0]
    assert "tablespace is full" in run.error[2]

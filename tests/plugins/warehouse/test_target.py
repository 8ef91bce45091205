"""flext-target-warehouse as a process, on both warehouses."""

from __future__ import annotations

import json
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes.singer_messages import raw_record, record, schema, state

ID = {"type": "integer"}
NAME = {"type": ["string", "null"]}
PEOPLE = schema("people", ["id"], id=ID, name=NAME)
LIST = {"type": ["array", "null"], "items": {"type": "string"}}


def names(place, table="people"):
    return place.rows(f'SELECT id, name FROM raw."{table}" ORDER BY id, name')


def test_records_arrive_and_the_state_follows(place, load):
    run = load(place, [PEOPLE, record("people", id=1, name="Ana"), state({"a": 1})])
    assert (run.code, run.states) == (0, [{"a": 1}])
    assert names(place) == [(1, "Ana")]


def test_the_last_record_of_a_key_wins_within_a_batch_and_across_runs(place, load):
    rows = [record("people", id=i % 3, name=str(i)) for i in range(3000)]
    assert load(place, [PEOPLE, *rows]).code == 0
    assert names(place) == [(0, "2997"), (1, "2998"), (2, "2999")]
    assert load(place, [PEOPLE, record("people", id=1, name="new")]).code == 0
    assert names(place) == [(0, "2997"), (1, "new"), (2, "2999")]


def test_loading_the_same_again_rewrites_nothing(place, load):
    messages = [PEOPLE, *(record("people", id=i, name="x") for i in range(50))]
    assert "50 inserted" in load(place, messages).err
    again = load(place, [*messages, record("people", id=7, name="y")])
    assert "people: 1 updated, 49 unchanged" in again.err


def test_append_only_adds_rows_and_so_does_upsert_without_keys(place, load):
    keyless = schema("people", [], id=ID, name=NAME)
    one = record("people", id=1, name="a")
    assert load(place, [keyless, one], load_method="append-only").code == 0
    run = load(place, [keyless, one], load_method="upsert")
    assert "has no keys: its rows are appended" in run.err
    assert names(place) == [(1, "a"), (1, "a")]


def test_overwrite_leaves_only_the_new_rows_and_columns(place, load):
    load(place, [PEOPLE, record("people", id=1, name="old")])
    changed = schema("people", ["id"], id=ID, mail=NAME)
    messages = [changed, record("people", id=2, mail="m")]
    run = load(place, messages, load_method="overwrite")
    assert run.code == 0
    assert list(place.types("people")) == ["id", "mail"]
    assert place.rows("SELECT id, mail FROM raw.people") == [(2, "m")]


def test_overwrite_with_no_records_empties_the_table(place, load):
    load(place, [PEOPLE, record("people", id=1, name="old")])
    assert load(place, [PEOPLE], load_method="overwrite").code == 0
    assert names(place) == []


def test_overwrite_holds_its_state_until_the_tables_have_changed_places(place, load):
    load(place, [PEOPLE, record("people", id=1, name="old")])
    rows = [record("people", id=i, name="new") for i in range(25_000)]
    messages = [PEOPLE, *rows[:12_000], state({"n": 1}), *rows[12_000:]]
    messages.append(state({"n": 2}))
    broken = load(place, [*messages, b"{broken"], load_method="overwrite")
    assert (broken.code, broken.states) == (1, [])
    assert names(place) == [(1, "old")]
    whole = load(place, messages, load_method="overwrite")
    assert (whole.code, whole.states) == (0, [{"n": 2}])
    assert len(names(place)) == 25_000
    left = place.rows(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'raw'"
    )
    assert left == [("people",)]


def test_new_columns_are_added_and_missing_ones_stay(place, load):
    load(place, [PEOPLE, record("people", id=1, name="a")])
    wider = schema("people", ["id"], id=ID, age=ID)
    assert load(place, [wider, record("people", id=2, age=3)]).code == 0
    rows = place.rows("SELECT id, name, age FROM raw.people ORDER BY id")
    assert rows == [(1, "a", None), (2, None, 3)]


def test_a_schema_may_change_in_the_middle_of_a_run(place, load):
    wider = schema("people", ["id"], id=ID, name=NAME, age=ID)
    messages = [PEOPLE, record("people", id=1, name="a"), wider]
    assert load(place, [*messages, record("people", id=2, name="b", age=5)]).code == 0
    assert place.rows("SELECT * FROM raw.people ORDER BY id") == [
        (1, "a", None),
        (2, "b", 5),
    ]


def test_schema_evolution_fail_names_each_missing_change(place, load):
    load(place, [PEOPLE, record("people", id=1, name="a")])
    wider = schema("people", ["id"], id={"type": "string"}, name=NAME, age=ID)
    run = load(place, [wider, record("people", id="x")], schema_evolution="fail")
    assert run.code == 1
    assert 'add column "age" (integer)' in run.err
    assert 'widen column "id" from integer to' in run.err
    assert names(place) == [(1, "a")]


@pytest.mark.parametrize(
    ("before", "value", "after", "stays"),
    [
        ({"type": "integer"}, 7, {"type": "string"}, "7"),
        ({"type": "integer"}, 7, {"type": "number"}, 7),
        ({"type": "integer"}, 2**62 + 1, {"type": "number"}, 2**62 + 1),
        ({"type": "boolean"}, True, {"type": "string"}, "true"),
        ({"type": "number"}, 0.1, {"type": "string"}, "0.1"),
        (
            {"type": "string", "format": "date-time"},
            "2020-01-01T00:00:00.5Z",
            {"type": "string"},
            "2020-01-01T00:00:00.500000Z",
        ),
        (
            {"type": "string", "format": "date"},
            "2020-02-29",
            {"type": "string"},
            "2020-02-29",
        ),
    ],
)
def test_a_column_widens_without_losing_what_is_in_it(
    place, load, before, value, after, stays
):
    load(place, [schema("t", ["id"], id=ID, v=before), record("t", id=1, v=value)])
    assert load(place, [schema("t", ["id"], id=ID, v=after)]).code == 0
    assert place.rows("SELECT v FROM raw.t") == [(stays,)]


def test_numbers_keep_every_digit_whatever_comes(place, load):
    numbers = schema("n", ["id"], id=ID, v={"type": "number"})
    texts = ["0.30000000000000004", "0.1", "-0.5e-3", "12345678901234567890.123456789"]
    texts += ["1" * 38, "0." + "0" * 30 + "1", "1e400", "1e-400"]
    for i, text in enumerate(texts):
        run = load(place, [numbers, raw_record("n", f'{{"id":{i},"v":{text}}}')])
        assert run.code == 0, run.err
    found = place.rows("SELECT id, CAST(v AS VARCHAR) FROM raw.n ORDER BY id")
    assert [Decimal(text) for _, text in found] == [Decimal(text) for text in texts]


def test_a_declared_scale_gives_an_exact_decimal(place, load):
    money = {"type": "number", "multipleOf": 0.01}
    load(place, [schema("m", ["id"], id=ID, v=money), record("m", id=1, v=0.1)])
    assert place.rows("SELECT v + 0.20 = 0.30 FROM raw.m") == [(True,)]
    finer = load(
        place, [schema("m", ["id"], id=ID, v=money), record("m", id=2, v=0.125)]
    )
    assert finer.code == 0
    assert place.rows("SELECT v FROM raw.m ORDER BY id")[1] == (Decimal("0.125"),)


def test_a_decimal_without_digits_is_exact_and_grows_with_its_values(place, load):
    """No digit is rounded off: the column grows, in the end to text."""
    money = schema(
        "m", ["id"], id=ID, v={"type": "number", "x-sql-datatype": "numeric"}
    )
    tenths = [record("m", id=i, v=0.1) for i in range(30)]
    assert load(place, [money, *tenths]).code == 0
    assert place.rows("SELECT sum(v) = 3 FROM raw.m") == [(True,)]

    texts = ["0.00000000000000000125", "1" * 20 + ".5", "1" * 40 + ".5"]
    types = ["DECIMAL(38,20)", "VARCHAR", "VARCHAR"]
    for i, (text, kind) in enumerate(zip(texts, types, strict=True)):
        run = load(place, [money, raw_record("m", f'{{"id":{100 + i},"v":{text}}}')])
        assert run.code == 0, run.err
        expected = kind if place.system == "duckdb" else "numeric"
        assert place.types("m")["v"] == expected
    found = place.rows(
        "SELECT CAST(v AS VARCHAR) FROM raw.m WHERE id >= 100 ORDER BY id"
    )
    assert [Decimal(row[0]) for row in found] == [Decimal(text) for text in texts]
    cheap = "SELECT count(*) FROM raw.m WHERE CAST(v AS VARCHAR) = '0.1'"
    assert place.rows(cheap) == [(30,)]


def test_a_decimal_that_may_not_grow_ends_the_run(duckdb_place, load):
    money = schema(
        "m", ["id"], id=ID, v={"type": "number", "x-sql-datatype": "numeric"}
    )
    fine = raw_record("m", '{"id":1,"v":0.00000000000125}')
    run = load(duckdb_place, [money, fine], schema_evolution="fail")
    assert run.code == 1
    assert 'widen column "v" from decimal(38,10) to decimal(38,14)' in run.err


def test_integers_beyond_64_bits_widen_the_column(place, load):
    big = schema("b", ["id"], id=ID)
    values = [1, 2**63 - 1, 2**63, 10**37, -(10**37)]
    assert load(place, [big, *(record("b", id=v) for v in values)]).code == 0
    found = place.rows("SELECT id FROM raw.b ORDER BY id")
    assert [int(row[0]) for row in found] == sorted(values)
    huge = 10**45 + 1
    assert load(place, [big, record("b", id=huge)]).code == 0
    texts = {row[0] for row in place.rows("SELECT CAST(id AS VARCHAR) FROM raw.b")}
    assert {int(text) for text in texts} == {*values, huge}


def test_one_bad_value_among_ten_thousand_is_rejected_with_key_and_reason(
    place, load, tmp_path
):
    rows = [record("people", id=i, name="x") for i in range(10_000)]
    rows[7_321]["record"]["id"] = "seven"
    aside = tmp_path / "rejects.jsonl"
    run = load(place, [PEOPLE, *rows], max_errors=1, rejects_path=str(aside))
    assert run.code == 0
    assert place.rows("SELECT count(*) FROM raw.people") == [(9_999,)]
    reject = json.loads(aside.read_text())
    assert reject["where"] == 'id="seven"'
    assert reject["reason"] == '"id": "seven" is not an integer'
    assert json.loads(reject["record"]) == {"id": "seven", "name": "x"}


def test_without_max_errors_a_bad_value_ends_the_run_in_one_error(place, load):
    run = load(place, [PEOPLE, record("people", id=1.5), state({"a": 1})])
    assert (run.code, run.states) == (1, [])
    assert "1.5 is not an integer" in run.err
    assert "Traceback" not in run.err


def test_values_in_another_spelling_are_accepted(place, load):
    properties = {
        "i": {"type": "integer"},
        "n": {"type": "number"},
        "b": {"type": "boolean"},
        "s": {"type": "string"},
        "t": {"type": "string", "format": "date-time"},
    }
    spelled = record("s", i="5", n="1.50", b="true", s=7, t="2020-01-01")
    plain = raw_record(
        "s", '{"i":6.0,"n":2,"b":0,"s":{"a":[1]},"t":"2020-01-01 10:00:00+0200"}'
    )
    assert load(place, [schema("s", [], **properties), spelled, plain]).code == 0
    rows = place.rows("SELECT i, n, b, s, extract(epoch FROM t) FROM raw.s ORDER BY i")
    assert [tuple(map(_plain, row)) for row in rows] == [
        (5, 1.5, True, "7", 1577836800),
        (6, 2, False, '{"a":[1]}', 1577865600),
    ]


def _plain(value):
    return float(value) if isinstance(value, Decimal) else value


def test_text_that_cannot_be_stored_is_rejected_or_replaced(place, load):
    half = raw_record("people", '{"id":1,"name":"a\\ud800b"}')
    pair = raw_record("people", '{"id":2,"name":"\\ud83d\\ude00 \\\\ud800"}')
    run = load(place, [PEOPLE, half])
    assert run.code == 1
    assert "half a surrogate pair" in run.err
    assert "id=1" in run.err
    run = load(place, [PEOPLE, half, pair], invalid_characters="replace")
    assert run.code == 0
    assert names(place) == [(1, "a\ufffdb"), (2, "\U0001f600 \\ud800")]


def test_nul_stays_in_duckdb(duckdb_place, load):
    nul = record("people", id=1, name="a\x00b")
    assert load(duckdb_place, [PEOPLE, nul]).code == 0
    assert names(duckdb_place) == [(1, "a\x00b")]


@pytest.mark.servers
def test_nul_is_refused_by_postgres_unless_it_may_be_replaced(postgres_place, load):
    documents = schema("people", ["id"], id=ID, name=NAME, o={"type": "object"})
    nul = record("people", id=1, name="a\x00b", o={"x": "\x00"})
    run = load(postgres_place, [documents, nul])
    assert run.code == 1
    assert "NUL character" in run.err
    assert "id=1" in run.err
    run = load(postgres_place, [documents, nul], invalid_characters="replace")
    assert run.code == 0, run.err
    rows = postgres_place.rows("SELECT name, o FROM raw.people")
    assert rows == [("a\ufffdb", {"x": "\ufffd"})]


def test_metadata_columns_are_those_of_the_sdk(place, load):
    message = record("people", id=1, name="a")
    message["time_extracted"] = "2020-01-01T00:00:00+01:00"
    assert load(place, [PEOPLE, message], add_record_metadata=True).code == 0
    assert list(place.types("people")) == [
        "id", "name", "_sdc_extracted_at", "_sdc_received_at", "_sdc_batched_at",
        "_sdc_deleted_at", "_sdc_sequence", "_sdc_table_version",
        "_sdc_sync_started_at",
    ]  # fmt: skip
    row = place.rows(
        "SELECT extract(epoch FROM _sdc_extracted_at), _sdc_deleted_at, "
        "_sdc_sequence > 1577836800000, _sdc_sync_started_at > 1577836800000, "
        "_sdc_batched_at > _sdc_extracted_at FROM raw.people"
    )[0]
    assert (int(row[0]), *row[1:]) == (1577833200, None, True, True, True)


@pytest.mark.parametrize("metadata", [False, True])
@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("method", ["append-only", "upsert"])
def test_activate_version_ends_older_versions(place, load, hard, method, metadata):
    settings = {
        "hard_delete": hard, "load_method": method, "add_record_metadata": metadata,
    }  # fmt: skip
    first = [record("people", 1, id=i, name="old") for i in (1, 2)]
    activate = {"type": "ACTIVATE_VERSION", "stream": "people", "version": 1}
    assert load(place, [PEOPLE, *first, activate], **settings).code == 0
    second = record("people", 2, id=2 if method == "upsert" else 3, name="new")
    last = [PEOPLE, second, {**activate, "version": 2}]
    assert load(place, last, **settings).code == 0
    alive = place.rows("SELECT name FROM raw.people WHERE _sdc_deleted_at IS NULL")
    assert alive == [("new",)]
    count = place.rows("SELECT count(*) FROM raw.people")[0][0]
    kept = 0 if hard else (1 if method == "upsert" else 2)
    assert count == 1 + kept


def test_hard_delete_removes_rows_that_a_record_marks(place, load):
    marked = schema(
        "people", ["id"], id=ID, name=NAME,
        _sdc_deleted_at={"type": ["string", "null"], "format": "date-time"},
    )  # fmt: skip
    both = [record("people", id=1, name="a"), record("people", id=2, name="b")]
    load(place, [PEOPLE, *both])
    gone = record("people", id=1, _sdc_deleted_at="2020-01-01T00:00:00Z")
    assert load(place, [marked, gone], hard_delete=True).code == 0
    assert names(place) == [(2, "b")]


def test_a_key_without_a_value_is_rejected(place, load):
    run = load(place, [PEOPLE, record("people", id=None, name="a")])
    assert run.code == 1
    assert 'key property "id" has no value' in run.err


@pytest.mark.parametrize("encoding", ["parquet", "arrow"])
def test_batch_files_are_loaded(place, load, tmp_path, encoding):
    folder = tmp_path / "flext-batch-test"
    folder.mkdir()
    file = folder / f"people.{encoding}"
    text = pa.field("v", pa.string(), metadata={b"flext.text": b"json"})
    fields = [pa.field("id", pa.int64()), pa.field("name", pa.string()), text]
    fields += [pa.field("at", pa.string()), pa.field("l", pa.list_(pa.string()))]
    table = pa.table(
        [[1, 2, 2], ["a", None, "c"], ["1.10", None, "12345678901234567890.5"],
         ["2020-01-01T00:00:00Z", None, "2020-01-01T00:00:00+05:30"],
         [["x"], None, []]],
        schema=pa.schema(fields),
    )  # fmt: skip
    if encoding == "parquet":
        pq.write_table(table, file)
    else:
        with pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
    columns = schema(
        "people", ["id"], id=ID, name=NAME, v={"type": "number"}, l=LIST,
        at={"type": "string", "format": "date-time"}, more={"type": "string"},
    )  # fmt: skip
    batch = {
        "type": "BATCH", "stream": "people", "encoding": {"format": encoding},
        "manifest": [file.as_uri()],
    }  # fmt: skip
    run = load(place, [columns, batch, state({"b": 1})])
    assert (run.code, run.states) == (0, [{"b": 1}]), run.err
    rows = place.rows(
        'SELECT id, name, CAST(v AS VARCHAR), extract(epoch FROM "at"), l '
        "FROM raw.people ORDER BY id"
    )
    found = [(r[0], r[1], Decimal(r[2]), int(r[3]), r[4]) for r in rows]
    assert found == [
        (1, "a", Decimal("1.10"), 1577836800, ["x"]),
        (2, "c", Decimal("12345678901234567890.5"), 1577817000, []),
    ]


def test_a_bad_row_of_a_batch_file_is_rejected_alone(place, load, tmp_path):
    folder = tmp_path / "flext-batch-test"
    folder.mkdir()
    file = folder / "people.parquet"
    pq.write_table(pa.table({"id": ["1", "x", "3"], "name": ["a", "b", "c"]}), file)
    batch = {
        "type": "BATCH", "stream": "people", "encoding": {"format": "parquet"},
        "manifest": [file.as_uri()],
    }  # fmt: skip
    run = load(place, [PEOPLE, batch], max_errors=1)
    assert run.code == 0, run.err
    assert names(place) == [(1, "a"), (3, "c")]


def test_a_wrong_url_is_one_line(place, load):
    for url in ("mysql://x/y", "duckdb://", "duckdb:///:memory:"):
        run = load(place, [PEOPLE], url=url)
        assert run.code == 1
        assert "Traceback" not in run.err
        assert "duckdb:///relative" in run.err

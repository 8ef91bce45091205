"""What the target takes in, the tap gives out again: type by edge value."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from fakes.singer_messages import raw_record, schema

KEY = {"type": "integer"}
WALL = "timestamp without time zone"
BIG = "1234567890123456789012345678901234567890"
FAR = "9" * 45

# Schema of the property, and texts of values; what comes out must be equal as JSON.
CASES = {
    "boolean": ({"type": "boolean"}, ["true", "false", "null"]),
    "integer": (
        {"type": "integer"},
        ["0", "-1", "9223372036854775807", "-9223372036854775808", "null"],
    ),
    "integer of 38 digits": ({"type": "integer"}, ["1", "9" * 38, "-" + "9" * 38]),
    "integer of 45 digits": ({"type": "integer"}, [FAR, "1"]),
    "number": (
        {"type": "number"},
        ["0.1", "0.30000000000000004", "1.5e-7", "-0.0", "5e-324", "null"],
    ),
    "number of 38 digits": (
        {"type": "number"},
        ["0.1", "12345678901234567890.123456789012345678", "-7"],
    ),
    "number beyond doubles": ({"type": "number"}, ["1e400", "0.5", "-1e-400"]),
    "decimal with a scale": (
        {"type": "number", "multipleOf": 0.01},
        ["0.10", "12345678901234567890.25", "-0.01"],
    ),
    "decimal by precision": (
        {"type": "number", "x-precision": 20, "x-scale": 6},
        ["0.000001", "99999999999999.999999"],
    ),
    "decimal without digits": (
        {"type": "number", "x-sql-datatype": "numeric"},
        ["0.10", "5", "12345678901234567890.12", "-1.5e-7", "1.23e-12", "null"],
    ),
    "decimal beyond 38 digits": (
        {"type": "number", "x-sql-datatype": "numeric"},
        ["0.5", "12345678901234567890.123456789012345678901", "1e400"],
    ),
    "text": (
        {"type": "string"},
        ['""', '" "', '"a\\nb\\r\\t\\"\\\\"', '"\\u00e9 \\ud83d\\ude00"', '"NULL"',
         '"\\\\N"', '"\\\\."', '"e\\u0301"', '"\\u202e"', "null"],
    ),
    "timestamp": (
        {"type": "string", "format": "date-time"},
        ['"0001-01-01T00:00:00.000000Z"', '"9999-12-31T23:59:59.999999Z"',
         '"2020-02-29T12:30:00.000001Z"', "null"],
    ),
    "wall timestamp": (
        {"type": "string", "format": "date-time", "x-sql-datatype": WALL},
        ['"2020-03-29T02:30:00.000001"', '"0001-01-01T00:00:00.500000"'],
    ),
    "date": (
        {"type": "string", "format": "date"},
        ['"0001-01-01"', '"2020-02-29"', '"9999-12-31"', "null"],
    ),
    "time": (
        {"type": "string", "format": "time"},
        ['"00:00:00"', '"23:59:59.999999"', "null"],
    ),
    "object": (
        {"type": "object"},
        ['{"a":[1,{"b":null}],"c":"\\u00e9","d":1.5}', "{}", "null",
         '{"n":12345678901234567890.5}'],
    ),
    "any": ({}, ['{"a":1}', "[1]", '"text"', "5", "true", "null"]),
    "list of text": (
        {"type": "array", "items": {"type": "string"}},
        ['["a",null,""]', "[]", '["{a,\\"b\\"}","\\\\"]', "null"],
    ),
    "list of integers": (
        {"type": "array", "items": {"type": "integer"}},
        ["[1,null,-5]", "[]"],
    ),
    "list of big integers": (
        {"type": "array", "items": {"type": "integer"}},
        ["[1]", f"[{BIG}]"],
    ),
    "list of numbers": (
        {"type": "array", "items": {"type": "number"}},
        ["[0.1,12345678901234567890.5]"],
    ),
    "list of objects": (
        {"type": "array", "items": {"type": "object"}},
        ['[{"a":1},{"b":[2]}]', "[]"],
    ),
}  # fmt: skip


def exact(text):
    return json.loads(text, parse_float=Decimal)


def same(left, right) -> bool:
    """Equal as JSON: numbers by value, whatever their spelling."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(
            same(left[key], right[key]) for key in left
        )
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return left == right


def records_of(run):
    assert run.code == 0, run.err
    messages = [exact(line) for line in run.out.splitlines()]
    return [m["record"] for m in messages if m["type"] == "RECORD"]


def numeric_text(value):
    """A number that no numeric type could hold comes back as text."""
    return Decimal(value) if isinstance(value, str) else value


@pytest.mark.parametrize("lists", ["native", "json"])
@pytest.mark.parametrize("method", ["append-only", "upsert"])
def test_every_value_comes_back_as_it_went_in(place, load, extract, method, lists):
    messages = []
    for name, (column, texts) in CASES.items():
        messages.append(schema(name, ["id"], id=KEY, v=column))
        messages += [
            raw_record(name, f'{{"id":{i},"v":{text}}}') for i, text in enumerate(texts)
        ]
    run = load(place, messages, load_method=method, array_columns=lists)
    assert run.code == 0, run.err
    found = extract(place)
    assert found.code == 0, found.err
    came: dict[str, dict[int, object]] = {}
    for line in found.out.splitlines():
        message = exact(line)
        if message["type"] == "RECORD":
            record = message["record"]
            came.setdefault(message["stream"], {})[int(record["id"])] = record["v"]
    for name, (column, texts) in CASES.items():
        for i, text in enumerate(texts):
            value = came[name][i]
            if column.get("type") in ("number", "integer"):
                value = numeric_text(value)
            assert same(value, exact(text)), (name, text, value)


def test_offsets_come_back_as_the_same_instant(place, load, extract):
    moment = {"type": "string", "format": "date-time"}
    texts = ["2020-01-01T00:00:00+05:30", "2020-06-01T00:00:00.123456-03:00"]
    messages = [schema("t", ["id"], id=KEY, v=moment)]
    messages += [
        raw_record("t", f'{{"id":{i},"v":"{t}"}}') for i, t in enumerate(texts)
    ]
    load(place, messages)
    values = {r["id"]: r["v"] for r in records_of(extract(place))}
    assert [values[0][:19], values[1][:26]] == [
        "2019-12-31T18:30:00",
        "2020-06-01T03:00:00.123456",
    ]


def test_batch_files_between_tap_and_target_carry_every_value(
    place, load, extract, tmp_path, duckdb_place
):
    """Target, tap with Parquet files, target, tap: nothing changes."""
    messages = []
    for name, (column, texts) in CASES.items():
        messages.append(schema(name, ["id"], id=KEY, v=column))
        messages += [
            raw_record(name, f'{{"id":{i},"v":{text}}}') for i, text in enumerate(texts)
        ]
    assert load(place, messages).code == 0
    batches = extract(
        place,
        batch_config={
            "encoding": {"format": "parquet"},
            "storage": {"root": str(tmp_path / "files")},
        },
    )
    assert batches.code == 0, batches.err
    lines = [line.encode() for line in batches.out.splitlines()]
    assert any(b'"BATCH"' in line for line in lines)
    assert not any(b'"RECORD"' in line for line in lines)
    second = load(duckdb_place, lines, schema="again")
    assert second.code == 0, second.err

    def by_key(run):
        rows = {}
        for line in run.out.splitlines():
            m = exact(line)
            if m["type"] == "RECORD":
                rows[m["stream"], int(m["record"]["id"])] = m["record"]["v"]
        return rows

    before = by_key(extract(place))
    after = by_key(extract(duckdb_place, schema="again"))
    assert before.keys() == after.keys()
    for key, value in before.items():
        numbers = CASES[key[0]][0].get("type") in ("number", "integer")
        pair = (
            map(numeric_text, (value, after[key])) if numbers else (value, after[key])
        )
        assert same(*pair), (key, value, after[key])

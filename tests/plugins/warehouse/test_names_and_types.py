"""Pure parts: names, types, evolution, decoding, settings and their definitions."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
import yaml
from fakes.singer_messages import record, schema
from flext_singer.errors import FlextError
from flext_warehouse.columns import (
    BIG_INTEGER,
    DATE,
    EXACT,
    INTEGER,
    JSON,
    NUMBER,
    SCALAR,
    TEXT,
    TIMESTAMP,
    WALL_TIMESTAMP,
    Column,
    ColumnType,
    Kind,
    column_type,
)
from flext_warehouse.decode import RecordDecoder
from flext_warehouse.duckdb import DuckDBWarehouse
from flext_warehouse.evolution import join, plan_evolution, storage
from flext_warehouse.identifiers import (
    DUCKDB_NAMES,
    POSTGRES_NAMES,
    column_names,
    fit_name,
    quote,
)
from flext_warehouse.loading import LoadMethod, LoadOptions
from flext_warehouse.location import duckdb_path, is_postgres, shown
from flext_warehouse.numbers import as_decimals, as_doubles, digits_of
from flext_warehouse.postgres import PostgresWarehouse
from flext_warehouse.postgres_connection import Server
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

NAMES = st.text(min_size=0, max_size=80)
HOSTILE = ["", '"', "'; DROP TABLE x; --", "Name", "name", "NAME", "ctid", "select"]
HOSTILE += [
    "a" * 63,
    "a" * 64,
    "a" * 200,
    "é" * 40,
    "a\x00b",
    "\ud800",
    " ",
    "\n",
    "%s",
]


@pytest.mark.parametrize("rules", [DUCKDB_NAMES, POSTGRES_NAMES])
@given(names=st.lists(NAMES | st.sampled_from(HOSTILE), unique=True, max_size=12))
def test_column_names_are_unique_short_and_do_not_depend_on_order(rules, names):
    chosen = column_names(names, rules)
    assert list(chosen) == names
    folded = [rules.fold(name) for name in chosen.values()]
    assert len(set(folded)) == len(names)
    assert all(name for name in chosen.values())
    assert all(len(name.encode()) <= rules.max_bytes for name in chosen.values())
    assert column_names(reversed(names), rules) == chosen


def test_an_existing_column_keeps_its_name_when_a_rival_appears():
    assert column_names(["Name", "name"], DUCKDB_NAMES, ["name"])["name"] == "name"
    assert column_names(["Name", "name"], DUCKDB_NAMES, ["Name"])["Name"] == "Name"


def test_plain_names_stay_byte_for_byte():
    for name in ("id", "givenName", "select", "a b", "ação", 'a"b'):
        assert fit_name(name, POSTGRES_NAMES) == name
    assert quote('a"b') == '"a""b"'


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    stream=st.sampled_from([n for n in HOSTILE if n]) | NAMES.filter(bool),
    names=st.lists(NAMES | st.sampled_from(HOSTILE), unique=True, max_size=6),
)
def test_hostile_names_reach_the_table_as_data(place, stream, names):
    """Any stream and property names: rows are there, and nothing else happened."""
    options = LoadOptions('we"ird; schema', LoadMethod.OVERWRITE)
    if place.system == "duckdb":
        warehouse = DuckDBWarehouse(duckdb_path(place.url), options)
    else:
        warehouse = PostgresWarehouse(Server(place.url), options)
    try:
        names = names or ["x"]
        properties = {name: {"type": "string"} for name in names}
        table = warehouse.table(stream, {"properties": properties}, names[:1])
        text = json.dumps(dict.fromkeys(names, "v"))
        if any("\ud800" <= c <= "\udfff" for name in names for c in name):
            assert table.load([text.encode()]), "half a surrogate is no JSON"
            return
        if "\x00" in "".join(names) and place.system == "postgres":
            return
        assert table.load([text.encode()]) == []
        warehouse.finish()
        assert table.counts.loaded == 1
    finally:
        warehouse.close()


@pytest.mark.parametrize(
    ("given_schema", "expected"),
    [
        ({"type": "integer"}, INTEGER),
        ({"type": ["null", "integer"], "maximum": 10**20}, BIG_INTEGER),
        ({"type": "integer", "x-sql-datatype": "NUMBER(38)"}, BIG_INTEGER),
        ({"type": "integer", "x-sql-datatype": "NUMBER(10)"}, INTEGER),
        ({"type": ["number", "null"]}, NUMBER),
        ({"type": "number", "multipleOf": 0.01}, ColumnType(Kind.DECIMAL, 38, 2)),
        ({"type": "number", "multipleOf": 1e-38}, NUMBER),
        ({"type": ["number", "null"], "x-sql-datatype": "numeric"}, EXACT),
        ({"type": "number", "x-sql-datatype": "NUMBER"}, EXACT),
        ({"type": "number", "x-sql-datatype": "BINARY_DOUBLE"}, NUMBER),
        (
            {"type": "number", "x-sql-datatype": "NUMBER(*,4)"},
            ColumnType(Kind.DECIMAL, 38, 4),
        ),
        (
            {"type": "number", "x-sql-datatype": "numeric(20,6)"},
            ColumnType(Kind.DECIMAL, 20, 6),
        ),
        (
            {"type": "string", "format": "singer.decimal", "x-scale": 3},
            ColumnType(Kind.DECIMAL, 38, 3),
        ),
        ({"type": "string", "format": "date-time"}, TIMESTAMP),
        ({"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]}, DATE),
        ({"type": ["string", "integer"]}, SCALAR),
        ({"type": ["object", "null"]}, JSON),
        ({"type": ["array", "string"]}, JSON),
        ({}, JSON),
        ({"enum": ["a", "b", None]}, TEXT),
        ({"type": "null"}, TEXT),
        ({"type": "array"}, JSON),
        (
            {"type": "array", "items": {"type": ["string", "null"]}},
            ColumnType(Kind.LIST, item=Kind.TEXT),
        ),
    ],
)
def test_a_schema_becomes_a_column_type(given_schema, expected):
    assert column_type(given_schema) == expected


ALL_TYPES = [
    column_type(one)
    for one in (
        {"type": "boolean"}, {"type": "integer"}, {"type": "number"},
        {"type": "string"}, {}, {"type": "array", "items": {"type": "string"}},
        {"type": "array", "items": {"type": "integer"}},
        {"type": "string", "format": "date"}, {"type": "string", "format": "time"},
        {"type": "string", "format": "date-time"}, {"type": ["string", "number"]},
        {"type": "number", "multipleOf": 0.01},
    )
] + [WALL_TIMESTAMP, BIG_INTEGER]  # fmt: skip


@pytest.mark.parametrize("left", ALL_TYPES, ids=str)
@pytest.mark.parametrize("right", ALL_TYPES, ids=str)
def test_widening_settles_after_one_step(left, right):
    """What holds both holds each: a second look changes nothing."""
    both = join(left, right)
    assert storage(join(both, right)) == storage(both)
    assert storage(join(both, left)) == storage(both)


def test_planning_adds_and_widens_and_keeps():
    wanted = [
        Column("id", "id", TEXT), Column("Name", "Name", TEXT),
        Column("x", "x", INTEGER),
    ]  # fmt: skip
    plan = plan_evolution({"id": INTEGER, "name": TEXT}, wanted, str.lower)
    assert plan.describe() == [
        'add column "x" (integer)',
        'widen column "id" from integer to scalar',
    ]
    assert [c.name for c in plan.columns] == ["id", "name", "x"]
    assert not plan_evolution({"id": SCALAR}, [Column("id", "id", TEXT)])


NUMBERS = st.decimals(allow_nan=False, allow_infinity=False) | st.floats(
    allow_nan=False, allow_infinity=False
).map(repr).map(Decimal)


@given(st.lists(NUMBERS, min_size=1, max_size=5))
def test_a_double_is_given_only_where_it_is_exact(numbers):
    texts = pa.array([str(n) for n in numbers])
    doubles = as_doubles(texts)
    exact = all(Decimal(repr(float(n))) == n for n in numbers)
    assert (doubles is not None) == exact
    if exact:
        assert doubles.to_pylist() == [float(n) for n in numbers]


@given(st.lists(NUMBERS, min_size=1, max_size=5), st.integers(0, 38))
def test_a_decimal_is_given_only_where_it_is_exact(numbers, scale):
    decimals = as_decimals(pa.array([str(n) for n in numbers]), 38, scale)
    if decimals is not None:
        assert decimals.to_pylist() == numbers


def test_digits_are_counted_beyond_the_decimal_context():
    found = digits_of(pa.array(["1." + "0" * 30 + "1", "1" + "0" * 40]))
    assert (found.whole, found.scale) == (41, 31)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), st.lists
)


@given(st.lists(st.dictionaries(st.sampled_from("abcd"), JSON_VALUES), max_size=6))
def test_any_records_are_decoded_or_rejected_each_for_itself(records):
    columns = [
        Column("a", "a", INTEGER), Column("b", "b", TEXT), Column("c", "c", TIMESTAMP),
        Column("d", "d", ColumnType(Kind.LIST, item=Kind.TEXT)),
    ]  # fmt: skip
    decoder = RecordDecoder(columns)
    raw = [msgspec.json.encode(r) for r in records]
    together = decoder.decode(raw)
    alone = [decoder.decode([one]) for one in raw]
    assert [i for i, _ in together.rejected] == [
        i for i, one in enumerate(alone) if one.rejected
    ]
    assert together.batch.num_rows == len(raw) - len(together.rejected)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("duckdb:///data/w.duckdb", "data/w.duckdb"),
        ("duckdb:////data/w.duckdb", "/data/w.duckdb"),
        ("duckdb:///a%20b.duckdb", "a b.duckdb"),
    ],
)
def test_a_duckdb_url_is_relative_or_absolute(url, path):
    assert duckdb_path(url) == path
    assert not is_postgres(url)


def test_a_url_is_shown_without_user_and_password():
    assert shown("postgresql://me:secret@host:1/db") == "host:1/db"
    with pytest.raises(FlextError, match="starts with"):
        is_postgres("mysql://x")


DEFINITIONS = (
    Path(__file__).parents[3] / "plugins/flext-warehouse/flext-warehouse.meltano.yml"
)
KINDS = {
    "string": {"string", "options", "file", "password", "date_iso8601"},
    "integer": {"integer"},
    "number": {"integer", "decimal"},
    "boolean": {"boolean"},
    "object": {"object"},
    "array": {"array"},
}


@pytest.mark.parametrize(
    ("kind", "name"),
    [("extractors", "flext-tap-warehouse"), ("loaders", "flext-target-warehouse")],
)
def test_the_meltano_definition_says_what_about_says(kind, name):
    plugin = yaml.safe_load(DEFINITIONS.read_text())["plugins"][kind][0]
    done = subprocess.run(
        [Path(sys.executable).parent / name, "--about", "--format=json"],
        check=True,
        capture_output=True,
        timeout=60,
    )
    about = json.loads(done.stdout)
    assert plugin["name"] == plugin["executable"] == about["name"] == name
    assert sorted(plugin["capabilities"]) == sorted(about["capabilities"])
    properties = about["settings"]["properties"]
    defined = {setting["name"]: setting for setting in plugin["settings"]}
    assert defined.keys() == properties.keys()
    for setting, described in properties.items():
        types = described["type"]
        types = {types} if isinstance(types, str) else set(types)
        (json_type,) = types - {"null"}
        assert defined[setting]["kind"] in KINDS[json_type], setting
        secret = bool(described.get("secret"))
        assert bool(defined[setting].get("sensitive")) == secret, setting
        options = [o["value"] for o in defined[setting].get("options", [])]
        allowed = [v for v in described.get("enum", []) if v is not None]
        assert options == allowed, setting


def test_the_short_messages_are_singer_messages():
    assert schema("s", ["a"], a={})["type"] == "SCHEMA"
    assert record("s", 3, a=1)["version"] == 3


def test_a_number_too_small_for_a_decimal_does_not_become_zero():
    assert as_decimals(pa.array(["7.5e-106"]), 38, 18) is None
    assert as_decimals(pa.array(["7.5E-2", "0e-99"]), 38, 18).to_pylist() == [
        Decimal("0.075"),
        0,
    ]

"""Every Oracle type with its edge values: out, in again, out again, equal."""

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import oracledb
import pytest

pytestmark = pytest.mark.servers

COMMANDS = Path(sys.executable).parent

NUMBERS = {
    "NUMBER": [
        "0",
        "-1",
        "123456789012345678901234567890123456.789",
        "9.99999999999999999999999999999999999999e125",
        "1e-130",
        "-0.000000000000000000000000000000000001",
    ],
    "NUMBER(38)": ["99999999999999999999999999999999999999", "-1"],
    "NUMBER(18)": ["999999999999999999", "-999999999999999999"],
    "NUMBER(1)": ["0", "9"],
    "NUMBER(38,10)": ["1234567890123456789012345678.0123456789"],
    "NUMBER(12,2)": ["9999999999.99", "-0.01"],
    "FLOAT(126)": ["3.1415926535897932384626433832795"],
}
TIMES = {
    "DATE": ["DATE '0001-01-01'", "TIMESTAMP '9999-12-31 23:59:59'"],
    "TIMESTAMP(0)": ["TIMESTAMP '2024-02-29 12:34:56'"],
    "TIMESTAMP(6)": [
        "TIMESTAMP '2024-02-29 12:34:56.000001'",
        "TIMESTAMP '1969-12-31 23:59:59.999999'",
    ],
    "TIMESTAMP(9)": ["TIMESTAMP '2024-02-29 12:34:56.123456789'"],
    "TIMESTAMP(6) WITH TIME ZONE": [
        "TIMESTAMP '2024-02-29 12:34:56.123456 -05:00'",
        "TIMESTAMP '2024-12-31 23:59:59.999999 +14:00'",
    ],
    "TIMESTAMP(9) WITH TIME ZONE": ["TIMESTAMP '2024-02-29 12:34:56.000000001 +05:30'"],
    "TIMESTAMP(6) WITH LOCAL TIME ZONE": [
        "TIMESTAMP '2024-02-29 12:34:56.123456 +00:00'"
    ],
    "INTERVAL DAY(2) TO SECOND(6)": [
        "INTERVAL '99 23:59:59.999999' DAY TO SECOND",
        "INTERVAL '-1 00:00:00.000001' DAY TO SECOND",
        "INTERVAL '0 00:00:00' DAY TO SECOND",
    ],
    "INTERVAL YEAR(2) TO MONTH": [
        "INTERVAL '99-11' YEAR TO MONTH",
        "INTERVAL '-1-2' YEAR TO MONTH",
    ],
}
TEXT = "naïve \U0001f600 \u202e 'quote' \"double\" \\ \t\r\n\x01 \x7f end "
BOUND = {
    "VARCHAR2(4000 BYTE)": ["x" * 4000, TEXT, " "],
    "VARCHAR2(10 CHAR)": ["é" * 10],
    "CHAR(5 BYTE)": ["abc  "],
    "NVARCHAR2(20)": ["ñ" * 20],
    "CLOB": ["é" * 70_000, TEXT],
    "NCLOB": ["ñ" * 5000],
    "RAW(16)": [b"\x00\xff" * 8, b"\x00"],
    "BLOB": [bytes(range(256)) * 300],
    "BINARY_DOUBLE": [
        1.7976931348623157e308,
        5e-324,
        -0.1,
        float("nan"),
        float("inf"),
        float("-inf"),
    ],
    "BINARY_FLOAT": [0.5, float("nan"), float("-inf")],
    "XMLTYPE": ['<a b="c">é</a>'],
    "JSON": ['{"a":[1,2.50,null,true],"b":{"c":"é"}}', "[]"],
}
EVERY = [
    *((kind, value, "literal") for kind, vs in NUMBERS.items() for value in vs),
    *((kind, value, "literal") for kind, vs in TIMES.items() for value in vs),
    *((kind, value, "bound") for kind, vs in BOUND.items() for value in vs),
]
KINDS = [*NUMBERS, *TIMES, *BOUND]


@pytest.fixture
def filled(database):
    """A table with a column of every type; one row per edge value, one of NULLs."""
    columns = ", ".join(f"C{n} {kind}" for n, kind in enumerate(KINDS))
    database.execute(f"CREATE TABLE EDGES (ID NUMBER(9) PRIMARY KEY, {columns})")
    sizes = {
        "CLOB": oracledb.DB_TYPE_CLOB,
        "NCLOB": oracledb.DB_TYPE_CLOB,
        "BLOB": oracledb.DB_TYPE_BLOB,
        "BINARY_DOUBLE": oracledb.DB_TYPE_BINARY_DOUBLE,
        "BINARY_FLOAT": oracledb.DB_TYPE_BINARY_FLOAT,
        "XMLTYPE": oracledb.DB_TYPE_CLOB,
        "JSON": oracledb.DB_TYPE_CLOB,
    }
    wrap = {"XMLTYPE": "XMLPARSE(DOCUMENT :v)", "JSON": "JSON(:v)"}
    with database.connect() as connection:
        cursor = connection.cursor()
        cursor.execute("ALTER SESSION SET TIME_ZONE = '+00:00'")
        for row, (kind, value, how) in enumerate(EVERY):
            column = f"C{KINDS.index(kind)}"
            if how == "literal":
                cursor.execute(
                    f"INSERT INTO EDGES (ID, {column}) VALUES ({row}, {value})"
                )
                continue
            cursor.setinputsizes(v=sizes.get(kind))
            cursor.execute(
                f"INSERT INTO EDGES (ID, {column})"
                f" VALUES ({row}, {wrap.get(kind, ':v')})",
                {"v": value},
            )
        cursor.execute("INSERT INTO EDGES (ID) VALUES (100000)")
        connection.commit()
    return database


def by_id(run):
    lines = [line for line in run.output.splitlines() if b'"type":"RECORD"' in line]
    found = {}
    for line in lines:
        # Numbers as their text: a float would hide a lost digit.
        record = json.loads(line, parse_float=str, parse_int=str)["record"]
        found[record["id"]] = record
    return found


@pytest.mark.parametrize("method", ["upsert", "append-only", "overwrite"])
def test_every_type_and_edge_value_survives_the_round_trip(filled, tap, target, method):
    out = tap(tables_filter=["EDGES"])
    assert out.code == 0, out.errors
    loaded = target(
        out.output,
        load_method=method,
        table_name_mappings={f"{filled.user}-edges": "EDGES_AGAIN"},
        # The test server calls itself 19c, where the target would choose a CLOB.
        column_type_overrides={f"c{KINDS.index('JSON')}": "JSON"},
    )
    assert loaded.code == 0, loaded.errors
    again = tap(tables_filter=["EDGES_AGAIN"])
    assert again.code == 0, again.errors
    first, second = by_id(out), by_id(again)
    assert len(first) == len(EVERY) + 1
    for row, (kind, value, _) in enumerate(EVERY):
        name = f"c{KINDS.index(kind)}"
        sent, returned = first[str(row)], second[str(row)]
        assert sent[name] is not None, (kind, value)
        assert returned == sent, (kind, value)


def test_files_carry_what_lines_carry(filled, tap, target, tmp_path):
    """The batch lane: Parquet files from tap to target, and into the warehouse."""
    lane = {
        "encoding": {"format": "parquet"},
        "storage": {"root": str(tmp_path / "files")},
    }
    lines = tap(tables_filter=["EDGES"])

    def in_files():
        out = tap(tables_filter=["EDGES"], batch_config=lane)
        assert out.code == 0, out.errors
        kinds = {message["type"] for message in out.messages}
        assert kinds == {"SCHEMA", "BATCH", "STATE"}
        return out

    loaded = target(
        in_files().output,
        table_name_mappings={f"{filled.user}-edges": "EDGES_AGAIN"},
        column_type_overrides={f"c{KINDS.index('JSON')}": "JSON"},
    )
    assert loaded.code == 0, loaded.errors
    assert by_id(tap(tables_filter=["EDGES_AGAIN"])) == by_id(lines)

    file = tmp_path / "warehouse.duckdb"
    for schema, out in (("lines", lines), ("files", in_files())):
        config = tmp_path / f"{schema}.json"
        config.write_text(json.dumps({"url": f"duckdb:///{file}", "schema": schema}))
        subprocess.run(
            [str(COMMANDS / "flext-target-warehouse"), "--config", str(config)],
            input=out.output,
            capture_output=True,
            check=True,
            timeout=120,
        )
    with duckdb.connect(str(file)) as warehouse:
        table = f'"{filled.user}-edges"'
        same = f"from lines.{table} intersect from files.{table}"
        assert len(warehouse.sql(same).fetchall()) == len(EVERY) + 1
        kinds = [warehouse.table(f"{s}.{table}").types for s in ("lines", "files")]
    assert kinds[0] == kinds[1]


@pytest.mark.usefixtures("filled")
def test_edge_values_leave_the_tap_exactly(tap):
    out = by_id(tap(tables_filter=["EDGES"]))

    def value(kind, position):
        row = next(
            row
            for row, (k, v, _) in enumerate(EVERY)
            if k == kind and v is {**NUMBERS, **TIMES, **BOUND}[kind][position]
        )
        return out[str(row)][f"c{KINDS.index(kind)}"]

    assert value("NUMBER", 2) == "123456789012345678901234567890123456.789"
    assert value("NUMBER(38)", 0) == "99999999999999999999999999999999999999"
    assert value("NUMBER(38,10)", 0) == "1234567890123456789012345678.0123456789"
    assert value("DATE", 1) == "9999-12-31T23:59:59Z"
    assert value("TIMESTAMP(9)", 0) == "2024-02-29T12:34:56.123456789+00:00"
    assert value("TIMESTAMP(6) WITH TIME ZONE", 0) == "2024-02-29T17:34:56.123456Z"
    assert value("TIMESTAMP(6) WITH TIME ZONE", 1) == "2024-12-31T09:59:59.999999Z"
    assert (
        value("TIMESTAMP(9) WITH TIME ZONE", 0) == "2024-02-29T07:04:56.000000001+00:00"
    )
    assert value("INTERVAL DAY(2) TO SECOND(6)", 1) == "-P1DT0H0M0.000001S"
    assert value("INTERVAL YEAR(2) TO MONTH", 1) == "-P1Y2M"
    assert value("BINARY_DOUBLE", 3) == "NaN"
    assert value("BINARY_DOUBLE", 5) == "-Infinity"
    assert value("BINARY_DOUBLE", 1) == "5e-324"
    assert value("RAW(16)", 1) == "AA=="
    assert value("CHAR(5 BYTE)", 0) == "abc  "
    assert value("JSON", 0) == {"a": ["1", "2.50", None, True], "b": {"c": "é"}}
    assert len(value("CLOB", 0)) == 70_000
    nulls = out["100000"]
    assert {v for k, v in nulls.items() if k != "id"} == {None}


@pytest.mark.usefixtures("filled")
def test_special_doubles_are_null_when_numbers_are_wanted(tap):
    run = tap(tables_filter=["EDGES"], special_doubles="null")
    name = f"c{KINDS.index('BINARY_DOUBLE')}"
    schema = run.messages[0]["schema"]["properties"][name]
    assert schema["type"] == ["null", "number"]
    doubles = [r[name] for r in run.records if r[name] is not None]
    assert doubles == [1.7976931348623157e308, 5e-324, -0.1]


@pytest.mark.usefixtures("filled")
def test_the_session_s_time_zone_changes_nothing(tap):
    here = by_id(tap(tables_filter=["EDGES"]))
    env = {**os.environ, "ORA_SDTZ": "-08:00", "TZ": "Asia/Tokyo"}
    assert by_id(tap(tables_filter=["EDGES"], env=env)) == here

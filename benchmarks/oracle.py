"""CPU that flext-oracle costs beside the driver: ratios to bare loops in the same run.

Rows come from the Oracle test server, whose speed says nothing about Oracle's. So only
the CPU seconds of the client process are counted, never the time that passes, and each
figure stands next to the same rows read or written by the bare driver. What the server
does with a direct path load is not measured here: that needs a real Oracle.

    python benchmarks/oracle.py [ROWS]
"""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

from servers import oracle_server  # noqa: E402 - found by the line above

TABLE = (
    "create table bench (id number(10) primary key, name varchar2(30 char),"
    " amount number(12,2), d date, ts timestamp(6), f binary_double,"
    " s1 varchar2(50), s2 varchar2(50))"
)
COMMON = """
import json, os, sys, time, datetime as dt
import oracledb
sys.stdout = open(os.devnull, "w")
config = json.loads(sys.argv[1])
def connect():
    return oracledb.connect(user="app", password="secret", dsn=config["dsn"])
def rows(n):
    day = dt.datetime(2024, 1, 1)
    return [(i, f"name{i}", i / 100, day, day, i / 3, "x" * 20, "y" * 20)
            for i in range(n)]
def report(start, count):
    sys.stderr.write(f"CPU {time.process_time() - start} ROWS {count}\\n")
"""
BARE_FETCH = """
connection = connect()
cursor = connection.cursor()
cursor.arraysize = 1000
cursor.execute("select * from bench", fetch_decimals=True)
count, start = 0, time.process_time()
while batch := cursor.fetchmany():
    count += len(batch)
report(start, count)
"""
READER = """
from flext_oracle.connection import Connections
from flext_oracle.discovery import Filters, discover
from flext_oracle.reading import Reader, Request
from flext_oracle import sql
connections = Connections(config, "bench")
with connections.session() as connection:
    (table,) = discover(connection, Filters(tables=["bench"]), "APP")
reader = Reader(connections, [(c.name.lower(), c.name, c.kind) for c in table.columns],
                1000)
request = Request(sql.select(table.columns, str(table.table)))
count, start = 0, time.process_time()
for batch in reader.once(request):
    count += len(batch)
report(start, count)
"""
TAP = """
import logging
from flext_oracle.tap import TapOracle
logging.disable()
tap = TapOracle(config={**config, "tables_filter": ["bench"]})
streams = tap.streams
start = time.process_time()
tap.sync_all()
report(start, config["rows"])
"""
EXECUTEMANY = """
connection = connect()
cursor = connection.cursor()
data = rows(config["rows"])
start = time.process_time()
for at in range(0, len(data), 5000):
    cursor.executemany("insert into sink values (:1,:2,:3,:4,:5,:6,:7,:8)",
                       data[at:at + 5000])
connection.commit()
report(start, len(data))
"""
DIRECT_PATH = """
connection = connect()
data = rows(config["rows"])
start = time.process_time()
names = ["ID", "NAME", "AMOUNT", "D", "TS", "F", "S1", "S2"]
connection.direct_path_load("APP", "SINK", names, data)
report(start, len(data))
"""
TARGET = """
import io, logging
from flext_oracle.target import TargetOracle
logging.disable()
source = open(config["feed"], "rb")
method = config["method"]
tables = {"sink2": "SINK_" + method[:6].upper()}
target = TargetOracle(
    config={**config, "load_method": method, "table_name_mappings": tables}
)
start = time.process_time()
target.listen(source)
report(start, config["rows"])
"""


def cpu_per_million(code: str, config: dict[str, object]) -> float:
    """CPU seconds per million rows, best of three runs in processes of their own."""
    best = float("inf")
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", COMMON + code, json.dumps(config)],
            capture_output=True,
            text=True,
            timeout=600,
            check=True,
        )
        words = [w for w in done.stderr.splitlines() if w.startswith("CPU ")][
            -1
        ].split()
        best = min(best, float(words[1]) / int(words[3]) * 1e6)
    return best


def feed(path: Path, rows: int) -> None:
    """Singer messages of the rows."""
    day = "2024-01-01T00:00:00Z"
    properties = {
        "id": {"type": "integer"},
        "name": {"type": "string", "maxLength": 30},
        "amount": {"type": "number"},
        "d": {"type": "string", "format": "date-time"},
        "ts": {"type": "string", "format": "date-time"},
        "f": {"type": "number", "x-sql-datatype": "BINARY_DOUBLE"},
        "s1": {"type": "string", "maxLength": 50},
        "s2": {"type": "string", "maxLength": 50},
    }
    with path.open("w") as file:
        schema = {"type": "object", "properties": properties}
        first = {"type": "SCHEMA", "stream": "sink2", "schema": schema}
        file.write(json.dumps({**first, "key_properties": ["id"]}) + "\n")
        for n in range(rows):
            record = {
                "id": n,
                "name": f"name{n}",
                "amount": n / 100,
                "d": day,
                "ts": day,
                "f": n / 3,
                "s1": "x" * 20,
                "s2": "y" * 20,
            }
            message = {"type": "RECORD", "stream": "sink2", "record": record}
            file.write(json.dumps(message) + "\n")


def main() -> None:
    """Print the table."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    with tempfile.TemporaryDirectory() as folder:
        server = oracle_server.start(Path(folder) / "trace.jsonl")
        try:
            measure(server, Path(folder), rows)
        finally:
            oracle_server.stop(server)


def measure(server: oracle_server.OracleServer, folder: Path, rows: int) -> None:
    """Fill, read and load; print what each costs."""
    os.environ.pop("PYTHONUNBUFFERED", None)
    server.execute(
        TABLE, TABLE.replace("bench (id number(10) primary key", "sink (id number(10)")
    )
    day = dt.datetime(2024, 1, 1)  # noqa: DTZ001 - Oracle's DATE has no zone
    with server.connect() as connection:
        connection.cursor().executemany(
            "insert into bench values (:1,:2,:3,:4,:5,:6,:7,:8)",
            [
                (n, f"name{n}", n / 100, day, day, n / 3, "x" * 20, "y" * 20)
                for n in range(rows)
            ],
        )
        connection.commit()
    config: dict[str, object] = {
        "dsn": server.dsn,
        "username": "app",
        "password": "secret",
        "rows": rows,
        "feed": str(folder / "feed.jsonl"),
    }
    feed(folder / "feed.jsonl", rows)
    print(f"{rows} rows of 8 columns; client CPU seconds per million rows")
    bare = cpu_per_million(BARE_FETCH, config)
    for name, code in (
        ("bare fetchmany(1000), exact numbers", None),
        ("flext-oracle to dicts", READER),
        ("flext-tap-oracle to RECORD lines", TAP),
    ):
        cost = bare if code is None else cpu_per_million(code, config)
        print(f"  {name:42} {cost:8.2f}  {cost / bare:5.2f} x")
    written = cpu_per_million(EXECUTEMANY, config)
    for name, code, more in (
        ("bare executemany, 5000 rows", None, {}),
        ("bare direct_path_load", DIRECT_PATH, {}),
        ("flext-target-oracle append-only", TARGET, {"method": "append-only"}),
        ("flext-target-oracle upsert", TARGET, {"method": "upsert"}),
    ):
        cost = written if code is None else cpu_per_million(code, {**config, **more})
        print(f"  {name:42} {cost:8.2f}  {cost / written:5.2f} x")


if __name__ == "__main__":
    main()

"""RECORD lines into DuckDB and Postgres, against the targets people use.

    python benchmarks/warehouse_load.py [--records 500000] [--pairs 3] [--shape narrow]

DuckDB: target-duckdb 0.8. Postgres: pipelinewise-target-postgres, on a server that
the benchmark starts. Upsert into an empty table, whole processes with their
start-up, both sides of a pair one after the other on the same file; the ratio is the
median over the pairs. Peers live in environments of their own, made by uv on first
use. Shapes: narrow = 10 columns, ldap = an entry with arrays. With `--ours N…`
only our own target runs, N records each through a pipe, to see its memory.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import psycopg
from processes import OURS, Cost, middle, peer, ratio, run

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from servers.postgres import PASSWORD, Postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

BARS = {"duckdb": 6.0, "postgres": 12.0}
TEXT = {"type": ["string", "null"]}
MOMENT = {"type": ["string", "null"], "format": "date-time"}
TEXTS = {"type": ["array", "null"], "items": {"type": "string"}}
SHAPES: dict[str, dict[str, Any]] = {
    "narrow": {
        "id": {"type": "integer"}, "uid": TEXT, "name": TEXT, "email": TEXT,
        "amount": {"type": ["number", "null"]}, "qty": {"type": ["integer", "null"]},
        "active": {"type": ["boolean", "null"]}, "country": TEXT,
        "created_at": MOMENT, "updated_at": MOMENT,
    },
    "ldap": {
        "id": {"type": "integer"}, "dn": TEXT, "objectclass": TEXTS, "cn": TEXT,
        "sn": TEXT, "mail": TEXTS, "telephonenumber": TEXTS, "memberof": TEXTS,
        "title": TEXT, "description": TEXT, "modifytimestamp": MOMENT,
    },
}  # fmt: skip
STATE_EVERY = 10_000


def records(shape: str, count: int) -> Iterator[dict[str, Any]]:
    """Yield records; the same ones on each run."""
    dice = random.Random(42)
    start = datetime(2020, 1, 1, tzinfo=UTC)
    for i in range(count):
        moment = (start + timedelta(seconds=dice.randrange(10**8))).isoformat()
        if shape == "narrow":
            yield {
                "id": i, "uid": f"u{i:07d}", "name": f"Ana Müller {i % 977}",
                "email": f"ana.{i}@example.com", "amount": dice.randrange(10**6) / 100,
                "qty": i % 1000, "active": i % 5 > 0,
                "country": ("BR", "PT", None)[i % 3], "created_at": moment,
                "updated_at": moment,
            }  # fmt: skip
            continue
        yield {
            "id": i, "dn": f"uid=u{i:07d},ou=people,dc=example,dc=com",
            "objectclass": ["top", "person", "organizationalPerson", "inetOrgPerson"],
            "cn": f"Ana Müller {i}", "sn": "Müller", "mail": [f"u{i}@example.com"],
            "telephonenumber": ["+55 11 90000"] * (i % 3),
            "memberof": [f"cn=group{(i + k) % 500},ou=groups" for k in range(i % 7)],
            "title": "Técnico", "description": None, "modifytimestamp": moment,
        }  # fmt: skip


def lines(shape: str, count: int) -> Iterator[bytes]:
    """Yield the Singer messages of a run, STATE every 10,000 records."""
    schema = {"type": "object", "properties": SHAPES[shape]}
    head = {"type": "SCHEMA", "stream": shape, "schema": schema}
    yield json.dumps({**head, "key_properties": ["id"]}).encode() + b"\n"
    for i, record in enumerate(records(shape, count), 1):
        message = {"type": "RECORD", "stream": shape, "record": record}
        yield json.dumps(message, ensure_ascii=False).encode() + b"\n"
        if i % STATE_EVERY == 0 or i == count:
            yield (
                json.dumps({"type": "STATE", "value": {"reached": i}}).encode() + b"\n"
            )


def write_config(folder: Path, **settings: str | int) -> Path:
    """Write settings; give the file."""
    path = folder / "config.json"
    path.write_text(json.dumps(settings))
    return path


def against_target_duckdb(
    folder: Path, source: Path, shape: str, pairs: int, count: int
) -> tuple[list[Cost], list[Cost]]:
    """Load into DuckDB files."""
    theirs_bin = peer("target-duckdb", "target-duckdb==0.8.0", "setuptools<81")
    theirs, ours = [], []
    for number in range(pairs):
        path = folder / f"theirs-{number}.duckdb"
        config = write_config(folder, filepath=str(path), default_target_schema="raw")
        theirs.append(run([theirs_bin / "target-duckdb", "--config", config], source))
        own = folder / f"ours-{number}.duckdb"
        config = write_config(folder, url=f"duckdb:///{own}", schema="raw")
        command = [OURS / "flext-target-warehouse", "--config", config]
        ours.append(run(command, source))
        with duckdb.connect(own) as connection:
            found = connection.execute(f"SELECT count(*) FROM raw.{shape}").fetchall()
        check(found[0][0], count)
    return theirs, ours


def against_pipelinewise(
    folder: Path, source: Path, shape: str, pairs: int, count: int
) -> tuple[list[Cost], list[Cost]]:
    """Load into databases of one Postgres server."""
    theirs_bin = peer(
        "pipelinewise-target-postgres", "pipelinewise-target-postgres", "setuptools<81"
    )
    theirs, ours = [], []
    with Postgres() as server:
        for number in range(pairs):
            server.create_database(f"theirs{number}")
            config = write_config(
                folder, host="127.0.0.1", port=server.port, user="postgres",
                password=PASSWORD, dbname=f"theirs{number}",
                default_target_schema="raw",
            )  # fmt: skip
            command = [theirs_bin / "target-postgres", "--config", config]
            theirs.append(run(command, source))
            url = server.create_database(f"ours{number}")
            config = write_config(folder, url=url, schema="raw")
            command = [OURS / "flext-target-warehouse", "--config", config]
            ours.append(run(command, source))
            with psycopg.connect(url) as connection:
                query = f"SELECT count(*) FROM raw.{shape}"
                found = connection.execute(query).fetchall()  # type: ignore[arg-type]
            check(found[0][0], count)
    return theirs, ours


def check(found: int, wanted: int) -> None:
    """Stop if rows are missing: a fast loss is no result."""
    if found != wanted:
        raise SystemExit(f"{found} rows instead of {wanted}")


def only_ours(folder: Path, shape: str, count: int, url: str) -> None:
    """Load through a pipe and print what it took."""
    config = write_config(folder, url=url, schema="raw")
    command = [OURS / "flext-target-warehouse", "--config", config]
    feeder = (
        f"import warehouse_load as w, sys\nfor line in w.lines({shape!r}, {count}): "
    )
    feeder += "sys.stdout.buffer.write(line)"
    with subprocess.Popen(
        [sys.executable, "-c", feeder],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parent,
    ) as source:
        path = Path(f"/dev/fd/{source.stdout.fileno()}" if source.stdout else "")
        cost = run(command, path)
    print(
        f"{count} {shape} records into {url.partition(':')[0]}: {cost.cpu:.1f} CPU s, "
        f"{cost.wall:.1f} s, {cost.rss:.0f} MB"
    )


def main() -> None:
    """Print one line per warehouse."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=500_000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--shape", choices=SHAPES, default="narrow")
    parser.add_argument("--only", choices=BARS)
    parser.add_argument("--ours", type=int, nargs="*", metavar="N")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.ours:
            for count in arguments.ours:
                if arguments.only != "postgres":
                    url = f"duckdb:///{folder / f'{count}.duckdb'}"
                    only_ours(folder, arguments.shape, count, url)
                if arguments.only != "duckdb":
                    with Postgres() as server:
                        only_ours(folder, arguments.shape, count, server.url())
            return
        source = folder / "messages.jsonl"
        with source.open("wb") as file:
            file.writelines(lines(arguments.shape, arguments.records))
        contests = {"duckdb": against_target_duckdb, "postgres": against_pipelinewise}
        for system, contest in contests.items():
            if arguments.only in (None, system):
                theirs, ours = contest(
                    folder, source, arguments.shape, arguments.pairs, arguments.records
                )
                report(system, theirs, ours, arguments.records)


def report(system: str, theirs: list[Cost], ours: list[Cost], count: int) -> None:
    """Print what a contest gave, start-up included."""
    cpu, wall = ratio(theirs, ours)
    bar = f"bar {BARS[system]} {'ok' if cpu >= BARS[system] else 'BELOW'}"
    for name, costs in (("peer", theirs), ("ours", ours)):
        cost = middle(costs)
        print(
            f"{system:9} {name}  {cost.cpu:7.2f} CPU s  {cost.wall:7.2f} s  "
            f"{cost.rss:5.0f} MB  {count / cost.cpu:9.0f} records/CPU s"
        )
    print(f"{system:9} ratio {cpu:.1f} x CPU, {wall:.1f} x wall; {bar}")


if __name__ == "__main__":
    main()

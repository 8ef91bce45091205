"""The record path against the SDK's own, and against bare msgspec.

    python benchmarks/record_path.py [--records 15000] [--pairs 5] [--json FILE]

RECORD out: a tap with a canned source writes to a pipe that is drained. RECORD in:
a target that keeps nothing reads the same lines. Whole processes, start-up taken
off by a run over no records; each pair runs both sides one after the other, and
the ratio is the median over the pairs of CPU seconds (user + system). Shapes:
narrow = 10 columns, wide = 50, ldap = an entry with arrays.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

POOL_RECORDS = 2000
FASTER = 10
NAMES = [
    "Ana",
    "Bruno",
    "Carla",
    "João",
    "Karin",
    "Luís",
    "Márcia",
    "Østergård",
    "Nguyễn",
    "O'Neill",
]
SHAPES = ("narrow", "wide", "ldap")
OUT = ("ours", "sdk", "bare")
IN = ("ours", "sdk")


# The data


def schema(shape: str) -> dict[str, Any]:
    """Return the JSON Schema of a shape."""

    def nullable(kind: str, **more: object) -> dict[str, Any]:
        return {"type": [kind, "null"], **more}

    moment = nullable("string", format="date-time")
    many = nullable("array", items={"type": "string"})
    if shape == "narrow":
        properties = {
            "id": {"type": "integer"},
            **{key: nullable("string") for key in ("uid", "name", "email", "country")},
            "amount": nullable("number"),
            "quantity": nullable("integer"),
            "active": nullable("boolean"),
            "created_at": moment,
            "updated_at": moment,
        }
    elif shape == "wide":
        properties = {"id": {"type": "integer"}}
        properties |= {f"i{n:02d}": nullable("integer") for n in range(14)}
        properties |= {f"f{n:02d}": nullable("number") for n in range(10)}
        properties |= {f"s{n:02d}": nullable("string") for n in range(15)}
        properties |= {f"b{n:02d}": nullable("boolean") for n in range(5)}
        properties |= {f"t{n:02d}": moment for n in range(5)}
    else:
        single = "uid cn sn givenName employeeNumber title l manager description"
        properties = {
            "id": {"type": "string"},
            **{key: nullable("string") for key in single.split()},
            **dict.fromkeys(
                ("objectClass", "mail", "telephoneNumber", "memberOf"), many
            ),
            "createTimestamp": moment,
            "modifyTimestamp": moment,
        }
    return {"type": "object", "properties": properties}


def _value(choice: random.Random, rule: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    kind = rule["type"][0]
    if kind == "boolean" or choice.random() < 0.1:
        return choice.choice([True, False]) if kind == "boolean" else None
    if kind == "integer":
        return choice.randrange(10 ** choice.randrange(1, 10))
    if kind == "number":
        return round(choice.uniform(-1e4, 1e4), 3)
    if kind == "array":
        text = "cn=group%d,ou=groups,dc=example,dc=com"
        return [text % choice.randrange(500) for _ in range(choice.randrange(6))]
    if rule.get("format"):
        start = datetime(2020, 1, 1, tzinfo=UTC)
        return (start + timedelta(seconds=choice.randrange(190_000_000))).isoformat()
    return f"{choice.choice(NAMES)} {choice.choice(NAMES)} {choice.randrange(100_000)}"


def pool(shape: str) -> list[dict[str, Any]]:
    """Return the canned records of a shape."""
    choice = random.Random(42)
    rules = schema(shape)["properties"]
    return [
        {key: _value(choice, rule) for key, rule in rules.items() if key != "id"}
        for _ in range(POOL_RECORDS)
    ]


def source(shape: str, count: int) -> Iterator[dict[str, Any]]:
    """Yield fresh records."""
    records = pool(shape)
    size = len(records)
    make = str if shape == "ldap" else int
    for number in range(count):
        yield {"id": make(number), **records[number % size]}


# The sides; each runs in a process of its own


def tap(side: str, shape: str, count: int) -> None:
    """Write `count` records to stdout as Singer lines."""
    if side == "bare":
        bare(shape, count)
        return
    if side == "ours":
        from flext_singer import FlextStream as Stream  # noqa: PLC0415 - a side loads its own
        from flext_singer import FlextTap as Tap  # noqa: PLC0415 - as above
    else:
        from singer_sdk import Stream, Tap  # noqa: PLC0415 - a side loads its own

    class Canned(Stream):
        def __init__(self, tap: Any) -> None:  # noqa: ANN401 - either class
            super().__init__(tap, schema=schema(shape), name=shape)
            self.primary_keys = ["id"]

        def get_records(self, context: Any) -> Any:  # noqa: ANN401, ARG002 - the SDK's
            return source(shape, count)

    class CannedTap(Tap):
        name = "tap-canned"
        config_jsonschema = {"type": "object", "properties": {}}  # noqa: RUF012 - SDK's

        def discover_streams(self) -> list[Any]:
            return [Canned(self)]

    CannedTap(config={}).sync_all()


def bare(shape: str, count: int) -> None:
    """Encode with msgspec and nothing else: the least it can cost."""
    import msgspec  # noqa: PLC0415 - a side loads its own

    encode = msgspec.json.Encoder().encode_into
    out, buffer = sys.stdout.buffer, bytearray()
    prefix = b'{"type":"RECORD","stream":"%s","record":' % shape.encode()
    suffix = b',"time_extracted":"2026-11-23T00:00:00.000000+00:00"}\n'
    for record in source(shape, count):
        buffer += prefix
        encode(record, buffer, -1)
        buffer += suffix
        if len(buffer) > 262_144:
            out.write(buffer)
            del buffer[:]
    out.write(buffer)


def target(side: str) -> None:
    """Read Singer lines from stdin and keep nothing."""
    if side == "ours":
        from flext_singer import FlextSink, FlextTarget  # noqa: PLC0415 - a side loads its own

        class Nothing(FlextSink):
            def load(self, records: Any) -> None:  # noqa: ANN401 - RawRecords
                assert records.raw  # noqa: S101 - a benchmark must not load nothing

        class NothingTarget(FlextTarget):
            name = "target-nothing"
            default_sink_class = Nothing
            config_jsonschema = {"type": "object", "properties": {}}  # noqa: RUF012 - SDK's

            def commit(self) -> None:
                pass

        NothingTarget(config={}).listen()
        return
    from singer_sdk import Target  # noqa: PLC0415 - a side loads its own
    from singer_sdk.sinks import BatchSink  # noqa: PLC0415 - as above

    class SdkNothing(BatchSink):
        def process_batch(self, context: Any) -> None:  # noqa: ANN401 - the SDK's
            assert context["records"]  # noqa: S101 - as above

    class SdkTarget(Target):
        name = "target-nothing"
        default_sink_class = SdkNothing
        config_jsonschema = {"type": "object", "properties": {}}  # noqa: RUF012 - SDK's

    SdkTarget(config={}).listen()


# Measuring


def measure(arguments: list[str], data: Path | None = None) -> tuple[float, float, int]:
    """Run a side; return CPU seconds, wall seconds and peak RSS in KiB."""
    started = time.monotonic()
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    child = subprocess.Popen(
        [sys.executable, __file__, *arguments],
        stdin=data.open("rb") if data else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    pipe = child.stdout
    assert pipe is not None  # noqa: S101 - asked for above
    while pipe.read1(1 << 20):  # type: ignore[attr-defined]
        pass
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"{arguments} ended with {os.waitstatus_to_exitcode(status)}")
    child.returncode = 0
    wall = time.monotonic() - started
    return usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss


def compare(
    kind: str, sides: tuple[str, ...], shape: str, count: int, pairs: int
) -> dict[str, Any]:
    """Return throughput per CPU second of each side, and the ratios."""
    # The fast sides need more records for a time that can be measured.
    counts = {side: count if side == "sdk" else count * FASTER for side in sides}
    with tempfile.TemporaryDirectory() as folder:
        if kind == "in":
            for size in {0, *counts.values()}:
                with (Path(folder) / str(size)).open("wb") as file:
                    lines = [sys.executable, __file__, "tap", "ours", shape, str(size)]
                    subprocess.run(
                        lines, stdout=file, stderr=subprocess.DEVNULL, check=True
                    )

        def run(side: str, size: int) -> tuple[float, float, int]:
            if kind == "out":
                return measure(["tap", side, shape, str(size)])
            return measure(["target", side, shape, "0"], Path(folder) / str(size))

        # What it costs to start comes off, so that the size does not decide.
        idle = {side: median(run(side, 0)[0] for _ in range(3)) for side in sides}
        results: dict[str, list[tuple[float, float, int]]] = {s: [] for s in sides}
        for _ in range(pairs):
            for side in sides:
                cpu, wall, peak = run(side, counts[side])
                each = max(cpu - idle[side], 1e-3) / counts[side]
                results[side].append((each, wall, peak))
    rows: dict[str, Any] = {"kind": kind, "shape": shape, "records": counts}
    for side in sides:
        rows[side] = {
            "records_per_cpu_second": round(
                1 / median(one[0] for one in results[side])
            ),
            "wall_seconds": round(median(one[1] for one in results[side]), 3),
            "peak_rss_mb": round(max(one[2] for one in results[side]) / 1024),
        }
    for side in sides[1:]:
        pairs_of = zip(results[side], results["ours"], strict=True)
        rows[f"times_{side}"] = round(median(o[0] / u[0] for o, u in pairs_of), 2)
    return rows


def show(rows: list[dict[str, Any]]) -> None:
    """Print the comparison as a table."""
    print("records per CPU second, start-up taken off; peak RSS of ours")
    print(
        f"{'':4}{'shape':8}{'ours':>10}{'SDK':>10}{'bare':>10}"
        f"{'x SDK':>8}{'x bare':>8}{'RSS MB':>8}"
    )
    for row in rows:
        speed = {
            side: row[side]["records_per_cpu_second"] for side in OUT if side in row
        }
        bare_speed = f"{speed['bare']:>10,}" if "bare" in speed else f"{'':10}"
        bare_ratio = f"{row['times_bare']:>8}" if "bare" in speed else f"{'':8}"
        print(
            f"{row['kind']:4}{row['shape']:8}{speed['ours']:>10,}{speed['sdk']:>10,}"
            f"{bare_speed}{row['times_sdk']:>8}{bare_ratio}"
            f"{row['ours']['peak_rss_mb']:>8}"
        )


def main() -> None:
    """Run the benchmark, or one side of it."""
    if len(sys.argv) > 1 and sys.argv[1] in {"tap", "target"}:
        kind, side, shape, count = sys.argv[1:5]
        if kind == "tap":
            tap(side, shape, int(count))
        else:
            target(side)
        return
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--records", type=int, default=15_000, help="for the SDK")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=SHAPES)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    rows = []
    for kind, sides in (("out", OUT), ("in", IN)):
        for shape in options.shapes:
            # Wide records cost three times as much on either side.
            count = options.records // (1 if shape == "narrow" else 2)
            rows.append(compare(kind, sides, shape, count, options.pairs))
    show(rows)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{children.ru_utime + children.ru_stime:.0f} s of CPU in all")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()

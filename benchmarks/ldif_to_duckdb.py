"""An LDIF file into DuckDB, end to end, against what people write today.

    python benchmarks/ldif_to_duckdb.py [--entries 100000] [--pairs 3] [--batch]
    python benchmarks/ldif_to_duckdb.py --memory 1000

Ours is `flext-tap-ldif | flext-target-warehouse`. The peers: python-ldap's parser with
`executemany` into DuckDB (on a quarter of the entries, for it takes long), and
python-ldap's parser writing Singer messages to target-duckdb 0.8. Whole processes with
their start-up, both sides of a pair one after the other, the median ratio of the
pairs. Entries have about 25 lines, and all sides load the same twelve columns: place
in the file, DN whole and in parts, object classes, attributes as JSON. With `--batch`
our tap hands Arrow files over instead of lines; with `--memory MB` only our tap reads a
file of that size, and its peak memory is printed. python-ldap compiles while it
installs: it needs gcc, libldap-dev and libsasl2-dev.
"""

from __future__ import annotations

import argparse
import json
import shlex
import tempfile
from pathlib import Path
from typing import Any

import duckdb
from ldif_entries import entries
from processes import OURS, Cost, middle, peer, ratio, run

BAR = 8.0
# What a user of python-ldap writes to get the columns that our tap gives.
ROWS = """
import base64, json, sys, ldif
NAMES = ["source_file", "line_number", "dn", "object_class", "attributes",
         "change_type", "entry_size", "dn_normalised", "parent_dn", "rdn", "depth",
         "binary_attributes"]
class Parser(ldif.LDIFParser):
    def handle(self, dn, entry):
        texts, binary, size = {}, [], len(dn)
        for name, values in entry.items():
            size += sum(map(len, values))
            try:
                texts[name] = [v.decode() for v in values]
            except UnicodeDecodeError:
                texts[name] = [base64.b64encode(v).decode() for v in values]
                binary.append(name)
        rdn, _, parent = dn.partition(",")
        self.take([sys.argv[1], self.line_counter, dn, texts.get("objectClass", []),
                   json.dumps(texts), None, size, dn.lower(), parent, rdn,
                   dn.count(",") + 1, binary])
"""
EXECUTEMANY = (
    ROWS
    + """
import duckdb
connection = duckdb.connect(sys.argv[2])
connection.execute("create table e (source_file varchar, line_number bigint, "
    "dn varchar, object_class varchar[], attributes json, change_type varchar, "
    "entry_size bigint, dn_normalised varchar, parent_dn varchar, rdn varchar, "
    "depth bigint, binary_attributes varchar[])")
rows = []
def flush():
    connection.execute("begin")
    connection.executemany("insert into e values (?,?,?,?,?,?,?,?,?,?,?,?)", rows)
    connection.execute("commit")
    rows.clear()
class Loader(Parser):
    def take(self, row):
        rows.append(row)
        if len(rows) >= 1000:
            flush()
with open(sys.argv[1], "rb") as file:
    Loader(file).parse()
if rows:
    flush()
"""
)
# target-duckdb loses lists: they go as JSON text, as `attributes` does.
TO_SINGER = (
    ROWS
    + """
out = sys.stdout
text, whole = {"type": ["null", "string"]}, {"type": ["null", "integer"]}
schema = {"properties": {name: whole if name in ("line_number", "entry_size", "depth")
                         else text for name in NAMES}}
out.write(json.dumps({"type": "SCHEMA", "stream": "e", "schema": schema,
    "key_properties": ["source_file", "line_number"]}) + "\\n")
class Writer(Parser):
    def take(self, row):
        record = dict(zip(NAMES, row))
        for name in ("object_class", "binary_attributes"):
            record[name] = json.dumps(record[name])
        message = {"type": "RECORD", "stream": "e", "record": record}
        out.write(json.dumps(message) + "\\n")
with open(sys.argv[1], "rb") as file:
    Writer(file).parse()
"""
)


def write_ldif(path: Path, count: int) -> None:
    """Write people of about 25 lines each; the same bytes on each run."""
    from flext_ldif.writer import LdifWriter  # noqa: PLC0415 - not for --help

    writer = LdifWriter()
    with path.open("wb") as file:
        for dn, attributes in entries(count):
            file.write(writer.entry(dn, attributes))


def pipe(*commands: list[str | Path]) -> list[str | Path]:
    """Give one command that runs several as a pipe and fails with any of them."""
    text = " | ".join(shlex.join(map(str, command)) for command in commands)
    return ["bash", "-c", f"set -o pipefail; {text}"]


def ours(
    folder: Path, ldif: Path, number: int, count: int, *, batch: bool = False
) -> Cost:
    """Run tap and target; check that every entry is there."""
    path = folder / f"ours-{ldif.stem}-{number}.duckdb"
    tap, target = folder / "tap.json", folder / "target.json"
    settings: dict[str, Any] = {"path": str(ldif)}
    if batch:
        place = folder / "batch"
        place.mkdir(exist_ok=True)
        settings["batch_config"] = {
            "encoding": {"format": "arrow"},
            "storage": {"root": str(place)},
        }
    tap.write_text(json.dumps(settings))
    target.write_text(json.dumps({"url": f"duckdb:///{path}", "schema": "raw"}))
    cost = run(
        pipe(
            [OURS / "flext-tap-ldif", "--config", tap],
            [OURS / "flext-target-warehouse", "--config", target],
        )
    )
    with duckdb.connect(path) as connection:
        found = connection.execute("SELECT count(*) FROM raw.ldif_entries").fetchall()
    if found[0][0] != count:
        raise SystemExit(f"{found[0][0]} entries instead of {count}")
    return cost


def memory(folder: Path, size_mb: int) -> None:
    """Print what our tap takes for a file of some size and for a tenth of it."""
    from flext_ldif.writer import LdifWriter  # noqa: PLC0415 - not for --help

    writer, block = LdifWriter(), bytearray()
    for dn, attributes in entries(20_000):
        block += writer.entry(dn, attributes)
    for size in (size_mb // 10, size_mb):
        path, tap = folder / "large.ldif", folder / "tap.json"
        with path.open("wb") as file:
            while file.tell() < size * 1_000_000:
                file.write(block)
        tap.write_text(json.dumps({"path": str(path)}))
        cost = run([OURS / "flext-tap-ldif", "--config", tap])
        print(
            f"{path.stat().st_size / 1e6:.0f} MB of LDIF, tap alone: {cost.cpu:.1f} "
            f"CPU s, {cost.wall:.1f} s, peak {cost.rss:.0f} MB"
        )


def report(name: str, theirs: list[Cost], own: list[Cost], count: int) -> None:
    """Print what a contest gave."""
    cpu, wall = ratio(theirs, own)
    for who, costs in ((name, theirs), ("ours", own)):
        cost = middle(costs)
        print(
            f"{who:26} {cost.cpu:7.2f} CPU s  {cost.wall:7.2f} s  {cost.rss:5.0f} MB  "
            f"{count / cost.cpu:8.0f} entries/CPU s"
        )
    verdict = "ok" if cpu >= BAR else "BELOW"
    print(f"{'ratio':26} {cpu:.1f} x CPU, {wall:.1f} x wall; bar {BAR} {verdict}")


def main() -> None:
    """Print one contest per peer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--batch", action="store_true")
    parser.add_argument("--memory", type=int, metavar="MB")
    arguments = parser.parse_args()
    if arguments.memory:
        with tempfile.TemporaryDirectory() as name:
            memory(Path(name), arguments.memory)
        return
    batch = arguments.batch
    reader = peer("python-ldap", "python-ldap>=3.4.5", "duckdb", "setuptools<81")
    loader = peer("target-duckdb", "target-duckdb==0.8.0", "setuptools<81")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        few = arguments.entries // 4
        small, large = folder / "small.ldif", folder / "large.ldif"
        write_ldif(small, few)
        write_ldif(large, arguments.entries)
        theirs, own = [], []
        for number in range(arguments.pairs):
            path = folder / f"executemany-{number}.duckdb"
            theirs.append(run([reader / "python", "-c", EXECUTEMANY, small, path]))
            own.append(ours(folder, small, number, few, batch=batch))
        report("python-ldap + executemany", theirs, own, few)
        theirs, own = [], []
        for number in range(arguments.pairs):
            config = folder / "theirs.json"
            path = folder / f"theirs-{number}.duckdb"
            place = {"filepath": str(path), "default_target_schema": "raw"}
            config.write_text(json.dumps(place))
            theirs.append(
                run(
                    pipe(
                        [reader / "python", "-c", TO_SINGER, large],
                        [loader / "target-duckdb", "--config", config],
                    )
                )
            )
            own.append(ours(folder, large, number, arguments.entries, batch=batch))
        report("python-ldap + target-duckdb", theirs, own, arguments.entries)


if __name__ == "__main__":
    main()

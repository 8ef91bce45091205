"""An LDIF file into DuckDB, end to end, against what people write today.

    python benchmarks/ldif_to_duckdb.py [--entries 100000] [--pairs 3]

Ours is `flext-tap-ldif | flext-target-warehouse`. The peers: python-ldap's parser with
`executemany` into DuckDB (on a quarter of the entries, for it takes long), and
python-ldap's parser writing Singer messages to target-duckdb 0.8. Whole processes with
their start-up, both sides of a pair one after the other, the median ratio of the
pairs. python-ldap compiles while it installs: it needs gcc, libldap-dev and
libsasl2-dev.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import shlex
import tempfile
from pathlib import Path

import duckdb
from processes import OURS, Cost, middle, peer, ratio, run

BAR = 8.0
EXECUTEMANY = """
import sys, ldif, duckdb
connection = duckdb.connect(sys.argv[2])
connection.execute("create table e (dn varchar, classes varchar[], attributes varchar)")
import json
rows = []
class Parser(ldif.LDIFParser):
    def handle(self, dn, entry):
        texts = {k: [v.decode("utf-8", "replace") for v in vs]
                 for k, vs in entry.items()}
        rows.append((dn, texts.get("objectClass", []), json.dumps(texts)))
        if len(rows) >= 1000:
            flush()
def flush():
    connection.execute("begin")
    connection.executemany("insert into e values (?, ?, ?)", rows)
    connection.execute("commit")
    rows.clear()
with open(sys.argv[1], "rb") as file:
    Parser(file).parse()
if rows:
    flush()
"""
TO_SINGER = """
import json, sys, ldif
out = sys.stdout
text = {"type": ["null", "string"]}
schema = {"properties": {"dn": text, "classes": text, "attributes": text, "n":
          {"type": "integer"}}}
out.write(json.dumps({"type": "SCHEMA", "stream": "e", "schema": schema,
                      "key_properties": ["dn"]}) + "\\n")
class Parser(ldif.LDIFParser):
    n = 0
    def handle(self, dn, entry):
        Parser.n += 1
        texts = {k: [v.decode("utf-8", "replace") for v in vs]
                 for k, vs in entry.items()}
        record = {"dn": dn, "classes": json.dumps(texts.get("objectClass", [])),
                  "attributes": json.dumps(texts), "n": Parser.n}
        message = {"type": "RECORD", "stream": "e", "record": record}
        out.write(json.dumps(message) + "\\n")
with open(sys.argv[1], "rb") as file:
    Parser(file).parse()
"""


def write_ldif(path: Path, entries: int) -> None:
    """Write entries of people; the same bytes on each run."""
    dice = random.Random(7)
    with path.open("w", newline="\n") as file:
        file.write("version: 1\n\n")
        for i in range(entries):
            name = f"Márcia Silva {i}"
            coded = base64.b64encode(name.encode()).decode()
            file.write(
                f"dn: uid=u{i:07d},ou=people,dc=example,dc=com\n"
                "objectClass: top\nobjectClass: person\n"
                "objectClass: organizationalPerson\nobjectClass: inetOrgPerson\n"
                f"uid: u{i:07d}\ncn:: {coded}\nsn: Silva\nmail: u{i}@example.com\n"
                f"telephoneNumber: +55 11 9{dice.randrange(10**7):07d}\n"
                f"employeeNumber: {dice.randrange(10**6)}\ntitle: Analyst\n"
                f"description: {'Lorem ipsum dolor sit amet, ' * (i % 4)}end\n\n"
            )


def pipe(*commands: list[str | Path]) -> list[str | Path]:
    """Give one command that runs several as a pipe and fails with any of them."""
    text = " | ".join(shlex.join(map(str, command)) for command in commands)
    return ["bash", "-c", f"set -o pipefail; {text}"]


def ours(folder: Path, ldif: Path, number: int, entries: int) -> Cost:
    """Run tap and target; check that every entry is there."""
    path = folder / f"ours-{ldif.stem}-{number}.duckdb"
    tap, target = folder / "tap.json", folder / "target.json"
    tap.write_text(json.dumps({"path": str(ldif)}))
    target.write_text(json.dumps({"url": f"duckdb:///{path}", "schema": "raw"}))
    cost = run(
        pipe(
            [OURS / "flext-tap-ldif", "--config", tap],
            [OURS / "flext-target-warehouse", "--config", target],
        )
    )
    with duckdb.connect(path) as connection:
        found = connection.execute("SELECT count(*) FROM raw.ldif_entries").fetchall()
    if found[0][0] != entries:
        raise SystemExit(f"{found[0][0]} entries instead of {entries}")
    return cost


def report(name: str, theirs: list[Cost], own: list[Cost], entries: int) -> None:
    """Print what a contest gave."""
    cpu, wall = ratio(theirs, own)
    for who, costs in ((name, theirs), ("ours", own)):
        cost = middle(costs)
        print(
            f"{who:26} {cost.cpu:7.2f} CPU s  {cost.wall:7.2f} s  {cost.rss:5.0f} MB  "
            f"{entries / cost.cpu:8.0f} entries/CPU s"
        )
    verdict = "ok" if cpu >= BAR else "BELOW"
    print(f"{'ratio':26} {cpu:.1f} x CPU, {wall:.1f} x wall; bar {BAR} {verdict}")


def main() -> None:
    """Print one contest per peer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--pairs", type=int, default=3)
    arguments = parser.parse_args()
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
            own.append(ours(folder, small, number, few))
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
            own.append(ours(folder, large, number, arguments.entries))
        report("python-ldap + target-duckdb", theirs, own, arguments.entries)


if __name__ == "__main__":
    main()

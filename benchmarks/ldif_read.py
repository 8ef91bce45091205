"""Reading and writing LDIF, against other people's parsers and writers.

    python benchmarks/ldif_read.py [--entries 100000] [--pairs 5]

Readers parse a file and drop what they find: ours, python-ldap's `LDIFParser`,
abilian's `ldif`, and libldap as `ldapmodify -n` uses it (written in C). Writers
encode entries that are in memory; making those costs the same for both and is taken
off. Whole processes with their start-up, the sides of a pair one after the other,
median ratio of the pairs. python-ldap and `ldif` install one module under one name,
so each has an environment of its own; python-ldap compiles while it installs (gcc,
libldap-dev, libsasl2-dev).
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from ldif_entries import entries
from processes import Cost, middle, peer, ratio, run

READ_BAR = 3.3
LIBLDAP_BAR = 0.12
OURS_READ = """
import sys
from flext_ldif.reader import read
with open(sys.argv[1], "rb", buffering=0) as file:
    for record in read(file.read):
        pass
"""
PYTHON_LDAP_READ = """
import sys, ldif
class Parser(ldif.LDIFParser):
    def handle(self, dn, entry):
        pass
with open(sys.argv[1], "rb") as file:
    Parser(file).parse()
"""
ABILIAN_READ = """
import sys, ldif
with open(sys.argv[1], "rb") as file:
    for dn, entry in ldif.LDIFParser(file).parse():
        pass
"""
MAKE = """
import sys
sys.path.insert(0, sys.argv[1])
from ldif_entries import entries
made = [{entry} for dn, attributes in entries(int(sys.argv[2]))]
out = open("/dev/null", {mode})
"""
AS_TEXT = MAKE.format(entry="(dn, attributes)", mode='"wb"')
AS_BYTES = MAKE.format(
    entry="(dn, {n: [v if isinstance(v, bytes) else v.encode() for v in vs]"
    " for n, vs in attributes.items()})",
    mode='"w"',
)
OURS_WRITE = """
from flext_ldif.writer import LdifWriter
writer = LdifWriter()
for dn, attributes in made:
    out.write(writer.entry(dn, attributes))
"""
PYTHON_LDAP_WRITE = """
import ldif
writer = ldif.LDIFWriter(out)
for dn, attributes in made:
    writer.unparse(dn, attributes)
"""


def contest(name: str, theirs: list[Cost], ours: list[Cost], mb: float) -> float:
    """Print both sides and their ratio; return the ratio in CPU."""
    cpu, wall = ratio(theirs, ours)
    for who, costs in ((name, theirs), ("ours", ours)):
        cost = middle(costs)
        print(
            f"{who:24} {cost.cpu:7.2f} CPU s  {mb / cost.cpu:7.1f} MB/CPU s"
            f"  {cost.rss:5.0f} MB"
        )
    print(f"{'ratio':24} {cpu:.2f} x CPU, {wall:.2f} x wall")
    return cpu


def verdict(value: float, bar: float) -> None:
    """Print whether a bar is met."""
    print(f"{'bar':24} {bar} {'ok' if value >= bar else 'BELOW'}\n")


def readers(path: Path, pairs: int) -> None:
    """Compare readers on one file."""
    mb = path.stat().st_size / 1e6
    mine = [sys.executable, "-c", OURS_READ, path]
    python_ldap = peer("python-ldap", "python-ldap>=3.4.5", "duckdb", "setuptools<81")
    abilian = peer("abilian-ldif", "ldif==4.3.0")
    libldap = shutil.which("ldapmodify")
    rivals = [
        ("python-ldap", [python_ldap / "python", "-c", PYTHON_LDAP_READ, path]),
        ("abilian ldif", [abilian / "python", "-c", ABILIAN_READ, path]),
    ]
    for name, command in rivals:
        costs = [(run(command), run(mine)) for _ in range(pairs)]
        theirs, ours = map(list, zip(*costs, strict=True))
        verdict(contest(name, theirs, ours, mb), READ_BAR)
    if libldap is None:
        print("ldapmodify is not installed: apt-get install ldap-utils")
        return
    command = [libldap, "-a", "-n", "-f", path]
    costs = [(run(command), run(mine)) for _ in range(pairs)]
    theirs, ours = map(list, zip(*costs, strict=True))
    verdict(contest("libldap (ldapmodify -n)", theirs, ours, mb), LIBLDAP_BAR)


def writers(count: int, mb: float, pairs: int) -> None:
    """Compare writers on the same entries, without the making of these."""
    folder = Path(__file__).parent
    python_ldap = peer("python-ldap", "python-ldap>=3.4.5", "duckdb", "setuptools<81")

    def net(python: str | Path, make: str, write: str) -> Cost:
        bare = run([python, "-c", make, folder, str(count)])
        whole = run([python, "-c", make + write, folder, str(count)])
        return Cost(whole.cpu - bare.cpu, whole.wall - bare.wall, whole.rss)

    theirs, ours = [], []
    for _ in range(pairs):
        theirs.append(net(python_ldap / "python", AS_BYTES, PYTHON_LDAP_WRITE))
        ours.append(net(sys.executable, AS_TEXT, OURS_WRITE))
    contest("python-ldap LDIFWriter", theirs, ours, mb)


def main() -> None:
    """Print one contest per peer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--pairs", type=int, default=5)
    arguments = parser.parse_args()
    from flext_ldif.writer import LdifWriter  # noqa: PLC0415 - the peers lack it

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "people.ldif"
        writer = LdifWriter()
        with path.open("wb") as file:
            for dn, attributes in entries(arguments.entries):
                file.write(writer.entry(dn, attributes))
        mb = path.stat().st_size / 1e6
        print(f"{arguments.entries} entries, {mb:.1f} MB, {arguments.pairs} pairs\n")
        print("Readers")
        readers(path, arguments.pairs)
        print("Writers")
        writers(arguments.entries, mb, arguments.pairs)


if __name__ == "__main__":
    main()

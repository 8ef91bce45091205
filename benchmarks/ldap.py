"""Entries out of and into slapd, beside OpenLDAP's own tools in C, in one run.

    python benchmarks/ldap.py [--entries 100000]

Reading: flext-tap-ldap (whole records as JSON) against ldapsearch, paged.
Writing: flext-target-ldap against ldapadd for new entries; a tenth changed
against ldapmodify, which is told what to change while the target has to find
out; and nothing changed, for which the tools have no like. Wall clock and CPU
of the client alone, the best of the rounds each. Needs slapd and ldap-utils.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from servers.slapd import (
    BASE_LDIF,
    PEOPLE,
    ROOT_DN,
    ROOT_PASSWORD,
    SUFFIX,
    Slapd,
)

BIN = Path(sys.executable).parent
BIND = ["-x", "-D", ROOT_DN, "-w", ROOT_PASSWORD]


def person(number: int, title: str) -> dict[str, str]:
    """Return one entry of eleven attributes."""
    return {
        "uid": f"u{number:06d}",
        "cn": f"Ana Example {number}",
        "sn": "Example",
        "givenName": "Ana",
        "mail": f"u{number}@example.com",
        "telephoneNumber": f"+55 11 {number:08d}",
        "employeeNumber": str(number),
        "title": title,
        "description": "Lorem ipsum dolor sit amet " * 3,
        "roomNumber": str(number % 500),
    }


def title_of(number: int, *, changed: bool) -> str:
    """Return the title; a tenth of them differ once changed."""
    return "Boss" if changed and number % 10 == 0 else "Engineer"


def write_ldif(path: Path, count: int) -> None:
    """Write what ldapadd is given."""
    with path.open("w") as file:
        for number in range(count):
            values = person(number, title_of(number, changed=False))
            file.write(
                f"dn: uid={values['uid']},{PEOPLE}\nobjectClass: inetOrgPerson\n"
            )
            file.writelines(
                f"{name}: {value.strip()}\n" for name, value in values.items()
            )
            file.write("\n")


def write_changes(path: Path, count: int) -> None:
    """Write what ldapmodify is given."""
    with path.open("w") as file:
        for number in range(0, count, 10):
            file.write(
                f"dn: uid=u{number:06d},{PEOPLE}\nchangetype: modify\n"
                "replace: title\ntitle: Boss\n-\n\n"
            )


def write_singer(path: Path, count: int, *, changed: bool) -> None:
    """Write what the target is given."""
    columns = {name: {"type": "string"} for name in person(0, "")}
    schema = {"type": "object", "properties": columns}
    head = {"type": "SCHEMA", "stream": "users", "schema": schema}
    with path.open("w") as file:
        file.write(json.dumps({**head, "key_properties": ["uid"]}) + "\n")
        for number in range(count):
            values = person(number, title_of(number, changed=changed))
            values = {name: value.strip() for name, value in values.items()}
            message = {"type": "RECORD", "stream": "users", "record": values}
            file.write(json.dumps(message) + "\n")


def timed(command: list[str], source: Path | None = None) -> tuple[float, float]:
    """Run a command; return wall and CPU seconds of it alone."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    with open(source or os.devnull, "rb") as stdin, open(os.devnull, "wb") as null:  # noqa: PTH123 (os.devnull)
        done = subprocess.run(
            command, stdin=stdin, stdout=null, stderr=subprocess.PIPE, check=False
        )
    wall = time.perf_counter() - started
    if done.returncode:
        sys.exit(f"{command[0]} failed: {done.stderr.decode()[-500:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu


class Bench:
    """A folder, a server, and the two ways of doing each thing."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self.count = count
        write_ldif(folder / "add.ldif", count)
        write_changes(folder / "changes.ldif", count)
        write_singer(folder / "add.singer", count, changed=False)
        write_singer(folder / "changed.singer", count, changed=True)

    def server(self, name: str, *, filled: bool) -> Slapd:
        """Return a loaded server with a folder of its own, to be entered."""
        place = self.folder / name
        shutil.rmtree(place, ignore_errors=True)
        server = Slapd(place)
        data = (self.folder / "add.ldif").read_text() if filled else ""
        server.load(BASE_LDIF + data)
        return server

    def target(self, server: Slapd, data: str) -> tuple[float, float]:
        """Time flext-target-ldap on one of the files."""
        config = {
            **server.config,
            "dn_templates": {"users": f"uid={{uid}},{PEOPLE}"},
        }
        path = self.folder / "target.json"
        path.write_text(json.dumps(config))
        command = [str(BIN / "flext-target-ldap"), "--config", str(path)]
        return timed(command, self.folder / data)

    def tap(self, server: Slapd) -> tuple[float, float]:
        """Time flext-tap-ldap on the stream users."""
        path = self.folder / "tap.json"
        path.write_text(json.dumps(server.config))
        os.environ["MELTANO_EXTRACT__SELECT"] = '["users.*"]'
        return timed([str(BIN / "flext-tap-ldap"), "--config", str(path)])

    def tool(self, server: Slapd, name: str, data: str) -> tuple[float, float]:
        """Time ldapadd or ldapmodify on one of the files."""
        return timed([name, "-H", server.url, *BIND], self.folder / data)

    def ldapsearch(self, server: Slapd) -> tuple[float, float]:
        """Time a paged ldapsearch of all user and the tap's other attributes."""
        paged = ["-LLL", "-E", "pr=1000/noprompt"]
        wanted = ["(objectClass=inetOrgPerson)", "*", "memberOf", "entryUUID"]
        more = ["entryCSN", "createTimestamp", "modifyTimestamp"]
        return timed(
            [
                "ldapsearch",
                "-H",
                server.url,
                *BIND,
                *paged,
                "-b",
                SUFFIX,
                *wanted,
                *more,
            ]
        )

    def round(self) -> dict[str, tuple[float, float]]:
        """Return wall and CPU seconds of each task once."""
        found = {}
        with self.server("ours", filled=False) as server:
            found["add flext-target-ldap"] = self.target(server, "add.singer")
            found["out flext-tap-ldap"] = self.tap(server)
            found["out ldapsearch"] = self.ldapsearch(server)
            found["same flext-target-ldap"] = self.target(server, "add.singer")
            found["change flext-target-ldap"] = self.target(server, "changed.singer")
        with self.server("theirs", filled=False) as server:
            found["add ldapadd"] = self.tool(server, "ldapadd", "add.ldif")
            found["change ldapmodify"] = self.tool(server, "ldapmodify", "changes.ldif")
        return found


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    os.nice(10)
    best: dict[str, tuple[float, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name), arguments.entries)
        for _ in range(arguments.rounds):
            for task, (wall, cpu) in bench.round().items():
                old = best.get(task, (wall, cpu))
                best[task] = min(old[0], wall), min(old[1], cpu)
    count = arguments.entries
    print(f"{count} entries, best of {arguments.rounds}; client only")
    print(f"{'task':28s} {'wall s':>8s} {'CPU s':>8s} {'entries/s':>10s}")
    for task, (wall, cpu) in best.items():
        print(f"{task:28s} {wall:8.2f} {cpu:8.2f} {count / wall:10.0f}")
    for title, ours, theirs in (
        ("out: tap / ldapsearch", "out flext-tap-ldap", "out ldapsearch"),
        ("add: target / ldapadd", "add flext-target-ldap", "add ldapadd"),
        (
            "change a tenth: target / ldapmodify",
            "change flext-target-ldap",
            "change ldapmodify",
        ),
    ):
        wall = best[ours][0] / best[theirs][0]
        cpu = best[ours][1] / best[theirs][1]
        print(f"{title:38s} wall x {wall:.2f}   CPU x {cpu:.2f}")


if __name__ == "__main__":
    main()

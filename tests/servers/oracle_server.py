"""An Oracle database for tests: the test server, or a real one by ORACLE_TEST_DSN.

A conftest.py imports the fixture by name: ``from servers.oracle_server import
oracle_server``. The test server (tests/servers/oratest) is one process for the whole
session; a real database needs ORACLE_TEST_DSN, ORACLE_TEST_USER and
ORACLE_TEST_PASSWORD, and a user that may create tables in a schema of its own.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import oracledb
import pytest

HERE = Path(__file__).parent
JARS = (os.environ.get("ORATEST_H2_JAR", ""), "/usr/share/java/h2.jar")
START_SECONDS = 60


@dataclass
class OracleServer:
    """Where it listens, and what a test may ask of it."""

    dsn: str
    user: str = "app"
    password: str = "secret"
    trace: Path | None = None
    process: subprocess.Popen[str] | None = field(default=None, repr=False)

    @property
    def is_real(self):
        return self.process is None

    @property
    def host(self):
        return self.dsn.split(":")[0]

    @property
    def port(self):
        return int(self.dsn.split(":")[1].split("/")[0])

    @property
    def service_name(self):
        return self.dsn.split("/")[1]

    @property
    def schema(self):
        return self.user.upper()

    def connect(self):
        return oracledb.connect(user=self.user, password=self.password, dsn=self.dsn)

    def execute(self, *statements):
        with self.connect() as connection:
            for statement in statements:
                connection.cursor().execute(statement)
            connection.commit()

    def query(self, sql, **binds):
        with self.connect() as connection:
            cursor = connection.cursor()
            cursor.execute(sql, binds or None, fetch_lobs=False, fetch_decimals=True)
            return cursor.fetchall()

    def drop_everything(self):
        with self.connect() as connection:
            cursor = connection.cursor()
            for (name,) in cursor.execute(
                "select view_name from user_views"
            ).fetchall():
                cursor.execute(f'drop view "{name}"')
            for (name,) in cursor.execute(
                "select table_name from user_tables"
            ).fetchall():
                cursor.execute(f'drop table "{name}" cascade constraints purge')

    def fault(self, **what):
        """Make the next matching statement fail (see oratest.faults)."""
        if self.is_real:
            pytest.skip("needs the test server: a real database takes no fault orders")
        order = json.dumps(what).replace("'", "''")
        with self.connect() as connection:  # no commit: it might be the one to fail
            connection.cursor().execute(f"ORATEST FAULT '{order}'")

    def remember(self, scn):
        """Let AS OF this SCN read what is committed now (see oratest.flashback)."""
        if self.is_real:
            pytest.skip("needs the test server: a real database numbers its own SCNs")
        with self.connect() as connection:
            connection.cursor().execute(f"ORATEST REMEMBER {scn}")

    def clear_faults(self):
        if not self.is_real:
            with self.connect() as connection:
                connection.cursor().execute("ORATEST CLEAR")

    def mark(self):
        """A place in the record of statements, for `statements`."""
        return self.trace.stat().st_size if self.trace else 0

    def statements(self, mark=0):
        """What was asked since then: dicts of session, sql, rows, attributes."""
        if self.trace is None:
            pytest.skip("needs the test server: a real database keeps no such record")
        with self.trace.open("rb") as file:
            file.seek(mark)
            return [json.loads(line) for line in file]


def start(trace, *options):
    """The process, once it listens."""
    if shutil.which("java") is None:
        pytest.skip("no Java: apt-get install default-jre-headless")
    if not any(jar and Path(jar).exists() for jar in JARS):
        pytest.skip("no H2: apt-get install libh2-java, or set ORATEST_H2_JAR")
    command = [sys.executable, "-m", "oratest", "--port", "0", "--trace", str(trace)]
    command += ["--user", "app:secret", "--user", "other:pw", *options]
    process = subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": str(HERE)},
        stdout=subprocess.PIPE,
        text=True,
    )
    ready, _, _ = select.select([process.stdout], [], [], START_SECONDS)
    line = process.stdout.readline() if ready else ""
    if not line.startswith("listening on"):
        process.kill()
        process.wait()
        pytest.fail(f"the Oracle test server did not start: {line!r}")
    address = line.split()[-1]
    return OracleServer(f"{address}/FREEPDB1", trace=Path(trace), process=process)


def stop(server):
    server.process.terminate()
    try:
        server.process.wait(10)
    except subprocess.TimeoutExpired:
        server.process.kill()
        server.process.wait()
    server.process.stdout.close()


@pytest.fixture(scope="session")
def oracle_server(tmp_path_factory):
    """The database of this test session."""
    dsn = os.environ.get("ORACLE_TEST_DSN")
    if dsn:
        yield OracleServer(
            dsn, os.environ["ORACLE_TEST_USER"], os.environ["ORACLE_TEST_PASSWORD"]
        )
        return
    server = start(tmp_path_factory.mktemp("oratest") / "statements.jsonl")
    yield server
    stop(server)

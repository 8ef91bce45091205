"""A Postgres of our own on loopback, for the time of a test run."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator

START_SECONDS = 60


@dataclass(frozen=True)
class Postgres:
    """Where a running server listens; it trusts every local user."""

    port: int
    user: str = "postgres"
    database: str = "postgres"

    @property
    def dsn(self) -> str:
        return (
            f"host=127.0.0.1 port={self.port} user={self.user} dbname={self.database}"
        )

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(self.dsn, autocommit=True)

    def new_database(self, name: str) -> Postgres:
        with self.connect() as connection:
            connection.execute(f'create database "{name}"')
        return Postgres(self.port, self.user, name)


def find_tool(name: str) -> str | None:
    """The program, on the path or where Debian keeps it."""
    if found := shutil.which(name):
        return found
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(places[-1]) if places else None


@contextlib.contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Start a server in a directory of its own, and leave nothing behind."""
    initdb, server = find_tool("initdb"), find_tool("postgres")
    if initdb is None or server is None:
        message = "Postgres is missing: apt-get install postgresql"
        raise FileNotFoundError(message)
    # Postgres refuses to run as root.
    account = {"user": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    home = Path(tempfile.mkdtemp(prefix="flexcore-postgres-"))
    if account:
        shutil.chown(home, "postgres")
    data = home / "data"
    try:
        subprocess.run(
            [
                *(initdb, "-D", data, "-U", "postgres", "-A", "trust"),
                *("-E", "UTF8", "--locale=C.UTF-8", "--no-sync"),
            ],
            check=True,
            capture_output=True,
            cwd=home,
            timeout=120,
            **account,
        )
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(
                [
                    *(server, "-D", data, "-p", str(port), "-k", home),
                    *("-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"),
                ],
                stdout=log,
                stderr=log,
                cwd=home,
                **account,
            )
        try:
            postgres = Postgres(port)
            _wait_until_it_answers(postgres, process, home / "log")
            yield postgres
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=30)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _wait_until_it_answers(
    postgres: Postgres, process: subprocess.Popen[bytes], log: Path
) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            postgres.connect().close()
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text(errors="replace")) from None
            time.sleep(0.05)
        else:
            return

"""A real Postgres for tests: unprivileged, on a free loopback port, in a second.

`Postgres` makes a cluster in a directory, runs `postgres` in the foreground (so
that the child is ours to end) and knows nothing of pytest. As root the server
runs as the user `postgres`, because it refuses to run as root.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

import psycopg

PASSWORD = "secret"
MISSING = "Postgres is not installed: apt-get install postgresql"
_START_SECONDS = 60.0


def find_programs() -> Path | None:
    """Give the folder that holds initdb and postgres, the newest first."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"),
        key=lambda path: float(path.parts[-3]),
    )
    if found:
        return found[-1].parent
    initdb = shutil.which("initdb")
    return Path(initdb).resolve().parent if initdb else None


class Postgres:
    """A server with one superuser, `postgres`, who has a password."""

    def __init__(self) -> None:
        programs = find_programs()
        if programs is None:
            raise FileNotFoundError(MISSING)
        self._programs = programs
        # Not pytest's tmp_path: another user must be able to get there.
        self.directory = Path(tempfile.mkdtemp(prefix="flext-postgres-"))
        self._user: dict[str, str | int] = {}
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self.directory, owner.pw_uid, owner.pw_gid)
            self._user = {"user": owner.pw_uid, "group": owner.pw_gid}
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        data, secret = self.directory / "data", self.directory / "secret"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        try:
            subprocess.run(
                [self._programs / "initdb", "-D", data, "-U", "postgres", "-N",
                 "-E", "UTF8", "--locale=C", "-A", "scram-sha-256",
                 f"--pwfile={secret}"],
                check=True, capture_output=True, timeout=120, cwd="/",
                **self._user,
            )  # fmt: skip
            self._server = subprocess.Popen(
                [self._programs / "postgres", "-D", data, "-p", str(self.port),
                 "-h", "127.0.0.1", "-k", self.directory, "-c", "fsync=off",
                 "-c", "full_page_writes=off", "-c", "shared_buffers=64MB",
                 "-c", "max_connections=40"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
                **self._user,
            )  # fmt: skip
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _wait(self) -> None:
        give_up_at = time.monotonic() + _START_SECONDS
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=2).close()
            except psycopg.OperationalError:
                if self._server.poll() is not None or time.monotonic() > give_up_at:
                    raise
                time.sleep(0.05)
            else:
                return

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.terminate()  # waits for clients; SIGINT would not
            self._server.send_signal(2)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._server.wait(timeout=20)
            if self._server.poll() is None:
                self._server.kill()
                self._server.wait(timeout=20)
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        return self._server.pid

    def url(self, database: str = "postgres", *, password: str = PASSWORD) -> str:
        """Give the URL of a database."""
        return f"postgresql://postgres:{password}@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str) -> str:
        """Create an empty database and give its URL."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)

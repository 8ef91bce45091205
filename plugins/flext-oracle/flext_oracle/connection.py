"""Connections to Oracle Database, for the tap and the target alike.

Every session is pinned to UTC and to fixed NLS formats, because the driver takes the
time zone of the operating system and a TO_CHAR of the formats of the server. Every
session carries module, action and client_identifier, so that a DBA sees who asks.
What fails for a passing reason while connecting is tried again; what fails for a
lasting one (a wrong password above all: three tries lock the account) is not.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import oracledb

from flext_oracle.errors import OracleError, explain
from flext_oracle.settings import session_tags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

SESSION = (
    "ALTER SESSION SET TIME_ZONE = '+00:00'"
    " NLS_DATE_FORMAT = 'YYYY-MM-DD\"T\"HH24:MI:SS'"
    " NLS_TIMESTAMP_FORMAT = 'YYYY-MM-DD\"T\"HH24:MI:SS.FF9'"
    " NLS_TIMESTAMP_TZ_FORMAT = 'YYYY-MM-DD\"T\"HH24:MI:SS.FF9TZH:TZM'"
    " NLS_NUMERIC_CHARACTERS = '.,'"
    " NLS_SORT = BINARY NLS_COMP = BINARY"
)
PASSED_ON = (
    "dsn",
    "config_dir",
    "password",
    "proxy_user",
    "ssl_server_cert_dn",
    "wallet_location",
    "wallet_password",
)
FIRST_WAIT_SECONDS = 0.5
LONGEST_WAIT_SECONDS = 30.0
POOL_WAIT_MILLISECONDS = 60_000

_thick = threading.Lock()


def is_descriptor(dsn: str) -> bool:
    """Whether a dsn is a full connect descriptor."""
    return dsn.lstrip().startswith("(")


def listener_arguments(config: Mapping[str, Any]) -> dict[str, Any]:
    """Host, port, protocol and service, when no dsn says all of it.

    Raises:
        OracleError: The settings do not say where to connect.
    """
    if config.get("dsn"):
        return {}
    if not config.get("host"):
        raise OracleError(
            "neither host nor dsn is set", "settings", "set host, or dsn with an alias"
        )
    if bool(config.get("service_name")) == bool(config.get("sid")):
        raise OracleError(
            "exactly one of service_name and sid is needed",
            "settings",
            "set service_name (or sid, on an old server)",
        )
    name = "service_name" if config.get("service_name") else "sid"
    return {
        "host": config["host"],
        "port": int(config.get("port") or 1521),
        "protocol": config.get("protocol") or "tcp",
        name: config[name],
    }


def connect_arguments(config: Mapping[str, Any]) -> dict[str, Any]:
    """Keyword arguments of ``oracledb.create_pool`` for these settings.

    Raises:
        OracleError: The settings do not say where to connect, or contradict
            each other.
    """
    if not config.get("username") and not config.get("wallet_location"):
        raise OracleError("no username", "settings", "set username and password")
    arguments = listener_arguments(config)
    if config.get("ssl_server_dn_match") is False:
        if not config.get("insecure_skip_dn_match"):
            raise OracleError(
                "ssl_server_dn_match is false: any server could answer",
                "settings",
                "fix the certificate, or confirm with insecure_skip_dn_match: true",
            )
        arguments["ssl_server_dn_match"] = False
    names = {name: name for name in PASSED_ON} | {"username": "user"}
    for name, theirs in names.items():
        if config.get(name):
            arguments[theirs] = config[name]
    timeout = config.get("connect_timeout_seconds")
    arguments["tcp_connect_timeout"] = float(timeout or 20)
    # The server may lower it; large units mean fewer packets.
    arguments["sdu"] = 65535
    return arguments


def address(config: Mapping[str, Any]) -> str:
    """Where a connection goes, for messages; never a secret."""
    dsn = config.get("dsn")
    if dsn:
        # A descriptor or Easy Connect string may carry a password after a slash.
        return "dsn" if is_descriptor(dsn) else str(dsn).rsplit("@", 1)[-1]
    name = config.get("service_name") or config.get("sid") or ""
    return f"{config.get('host')}:{config.get('port') or 1521}/{name}"


def start_thick_mode(config: Mapping[str, Any]) -> None:
    """Load Oracle's client libraries, once per process, when the settings ask."""
    if not config.get("thick_mode"):
        return
    with _thick:
        if not oracledb.is_thin_mode():
            return
        try:
            oracledb.init_oracle_client(
                lib_dir=config.get("lib_dir"), config_dir=config.get("config_dir")
            )
        except oracledb.Error as error:
            raise explain(error, "thick_mode") from error


class Patience:
    """Attempts at one thing, with growing pauses between them.

    Args:
        max_retries: How often it is tried again.
        what: The thing, for the log.
    """

    def __init__(self, max_retries: int, what: str) -> None:
        self.max_retries, self.what = max_retries, what
        self.retries = 0
        self._wait = FIRST_WAIT_SECONDS

    def wait_or_raise(self, problem: OracleError) -> None:
        """Pause before the next attempt.

        Raises:
            OracleError: `problem`, when it lasts or has lasted too long.
        """
        if not problem.is_transient or self.retries >= self.max_retries:
            problem.is_transient = False  # whoever waits further out need not
            raise problem
        self.retries += 1
        # Jitter, so that many steps do not come back in one moment.
        pause = self._wait * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
        logger.warning(
            "%s: %s; retry %d of %d in %.1f s",
            self.what,
            problem.what,
            self.retries,
            self.max_retries,
            pause,
        )
        time.sleep(pause)
        self._wait = min(self._wait * 2, LONGEST_WAIT_SECONDS)


class Connections:
    """A pool of prepared sessions, and the one place that retries."""

    def __init__(self, config: Mapping[str, Any], program: str) -> None:
        """Nothing is connected before the first session is asked for."""
        self.config = config
        self.where = address(config)
        self.tags = session_tags(config, program)
        retries = config.get("max_retries")
        self.max_retries = 5 if retries is None else int(retries)
        self._arguments = connect_arguments(config)
        self._pool: oracledb.ConnectionPool | None = None
        self._lock = threading.Lock()

    @property
    def user(self) -> str:
        """The schema that unqualified names mean, as the dictionary spells it."""
        name = self.config.get("proxy_user") or self.config.get("username") or ""
        return name.strip('"') if name.startswith('"') else name.upper()

    def _open_pool(self) -> oracledb.ConnectionPool:
        with self._lock:
            if self._pool is None:
                start_thick_mode(self.config)
                smallest = int(self.config.get("pool_min") or 1)
                wanted = int(self.config.get("pool_max") or 4)
                jobs = int(self.config.get("parallel_jobs") or 1)
                self._pool = oracledb.create_pool(
                    min=smallest,
                    max=max(wanted, jobs + 1, smallest),
                    increment=1,
                    getmode=oracledb.POOL_GETMODE_TIMEDWAIT,
                    wait_timeout=POOL_WAIT_MILLISECONDS,
                    session_callback=self._prepare,
                    **self._arguments,
                )
            return self._pool

    def _prepare(self, connection: oracledb.Connection, _tag: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(SESSION)

    def _acquire(self) -> oracledb.Connection:
        try:
            connection = self._open_pool().acquire()
        except (oracledb.Error, OSError, ValueError) as error:
            raise explain(error, self.where) from error
        for name, value in self.tags.items():
            if value:
                setattr(connection, name, value)
        timeout = self.config.get("request_timeout_seconds")
        connection.call_timeout = int(float(timeout) * 1000) if timeout else 0
        return connection

    def patience(self, what: str) -> Patience:
        """A new count of attempts for one thing that may fail in passing."""
        return Patience(self.max_retries, what)

    def retrying(self, action: Callable[[], Result], what: str) -> Result:
        """What an action returns; passing faults are met with patience.

        Raises:
            OracleError: A lasting fault, or a passing one that did not pass.
        """
        attempts = self.patience(what)
        while True:
            try:
                return action()
            except (OracleError, oracledb.Error, OSError) as error:
                attempts.wait_or_raise(explain(error, f"{what}, {self.where}"))

    def acquire(self) -> oracledb.Connection:
        """A prepared session; give it back with `release` or `discard`."""
        return self.retrying(self._acquire, "connect")

    def release(self, connection: oracledb.Connection) -> None:
        """Give a healthy session back."""
        self._open_pool().release(connection)

    def discard(self, connection: oracledb.Connection) -> None:
        """Drop a session whose state nobody knows."""
        try:
            self._open_pool().drop(connection)
        except oracledb.Error as error:
            logger.debug("dropping a broken session: %s", error)

    @contextmanager
    def session(self) -> Iterator[oracledb.Connection]:
        """A prepared session for the length of a block; errors are explained."""
        connection = self.acquire()
        try:
            yield connection
        except (oracledb.Error, OSError) as error:
            self.discard(connection)
            raise explain(error, self.where) from error
        except BaseException:
            self.discard(connection)
            raise
        else:
            self.release(connection)

    def close(self) -> None:
        """End all sessions at once, also those in use."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            try:
                pool.close(force=True)
            except oracledb.Error as error:
                logger.debug("closing the pool: %s", error)

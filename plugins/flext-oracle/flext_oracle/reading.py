"""Statements read to their end: in batches, again after a passing fault, side by side.

Memory holds a few batches, however many rows there are: one in the making per
worker, and two per worker that wait to be written.
"""

from __future__ import annotations

import queue
import threading
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import oracledb

from flext_oracle.errors import OracleError, explain
from flext_oracle.row_reading import compile_reader, number_handler
from flext_oracle.snapshot import READ_ONLY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from flext_oracle.chunks import Window
    from flext_oracle.connection import Connections
    from flext_oracle.type_mapping import ColumnType

Records = list[dict[str, Any]]
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Request:
    """A statement with its binds.

    Attributes:
        sql: The SELECT.
        binds: Values by name.
        sizes: Bind types by name, where Python's type does not say it.
        window: The part of the table it reads, if it reads a part.
    """

    sql: str
    binds: Mapping[str, Any] = field(default_factory=dict)
    sizes: Mapping[str, Any] = field(default_factory=dict)
    window: Window | None = None


class Reader:
    """Reads requests of one stream.

    Args:
        connections: Where sessions come from.
        columns: Property, result column and type, in the order of the SELECT list.
        arraysize: Rows per round trip.
        read_only: Begin a read-only transaction first.
        null_doubles: Whether NaN and the infinities become null.
    """

    def __init__(
        self,
        connections: Connections,
        columns: Sequence[tuple[str, str, ColumnType]],
        arraysize: int,
        *,
        read_only: bool = False,
        null_doubles: bool = False,
    ) -> None:
        self.connections = connections
        self.arraysize = arraysize
        self.read_only = read_only
        self._convert = compile_reader(
            [(p, kind) for p, _, kind in columns], null_doubles=null_doubles
        )
        self._numbers = number_handler([(name, kind) for _, name, kind in columns])

    def once(self, request: Request) -> Iterator[Records]:
        """The request's records, batch by batch.

        Raises:
            OracleError: Whatever the database says.
        """
        with (
            self.connections.session() as connection,
            closing(connection.cursor()) as cursor,
        ):
            if self.read_only:
                cursor.execute(READ_ONLY)
            cursor.arraysize = self.arraysize
            cursor.outputtypehandler = self._numbers
            if request.sizes:
                cursor.setinputsizes(**request.sizes)
            cursor.execute(request.sql, dict(request.binds), fetch_lobs=False)
            fetch, convert = cursor.fetchmany, self._convert
            while rows := fetch():
                yield convert(rows)
            if self.read_only:
                connection.rollback()

    def patiently(
        self,
        request: Request,
        where: str,
        restart: Callable[[], Request] | None = None,
    ) -> Iterator[Records]:
        """The same; after a passing fault the request is read again.

        Rows that were handed on before the fault come a second time, unless
        `restart` gives a request that begins behind them.

        Args:
            request: What to read.
            where: The stream, for messages.
            restart: Makes the request to go on with.
        """
        attempts = self.connections.patience(where)
        while True:
            try:
                yield from self.once(request)
            except (OracleError, oracledb.Error, OSError) as error:
                attempts.wait_or_raise(explain(error, where))
                if restart is not None:
                    request = restart()
            else:
                return


Done = tuple[Request | None, Records | Exception | None]


class Workers:
    """Requests read by several sessions at once.

    Args:
        reader: What reads one request.
        requests: What to read.
        jobs: How many sessions.
        where: The stream, for messages.
    """

    def __init__(
        self, reader: Reader, requests: Sequence[Request], jobs: int, where: str
    ) -> None:
        self._reader, self._where = reader, where
        self._jobs = max(1, min(jobs, len(requests)))
        self._waiting: queue.SimpleQueue[Request] = queue.SimpleQueue()
        for request in requests:
            self._waiting.put(request)
        self._done: queue.Queue[Done] = queue.Queue(maxsize=self._jobs * 2)
        self._stop = threading.Event()

    def results(self) -> Iterator[tuple[Request, Records | None]]:
        """What the workers read, as it comes.

        Yields:
            A request with a batch of its records; once with None when it is read to
            its end. Batches of one request come in order, requests do not.

        Raises:
            OracleError: The first error of any worker; the others are stopped.
        """
        for number in range(self._jobs):
            threading.Thread(
                target=self._work, name=f"oracle-{number}", daemon=True
            ).start()
        running = self._jobs
        try:
            while running:
                request, item = self._done.get()
                if isinstance(item, Exception):
                    raise item
                if request is None:
                    running -= 1
                else:
                    yield request, item
        finally:
            self._stop.set()

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    request = self._waiting.get_nowait()
                except queue.Empty:
                    break
                for records in self._reader.patiently(request, self._where):
                    self._hand_on(request, records)
                    if self._stop.is_set():
                        return
                self._hand_on(request, None)
            self._hand_on(None, None)
        except Exception as error:  # noqa: BLE001 - raised again in `results`
            self._hand_on(None, error)

    def _hand_on(
        self, request: Request | None, item: Records | Exception | None
    ) -> None:
        while not self._stop.is_set():
            try:
                self._done.put((request, item), timeout=POLL_SECONDS)
            except queue.Full:
                continue
            return

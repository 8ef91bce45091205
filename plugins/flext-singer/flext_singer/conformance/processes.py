"""Starts the plugin under test and watches its pipes."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import termios
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from struct import unpack
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path
    from typing import Self

STOP_SECONDS = 10.0
RUN_SECONDS = 120.0
_SMALL_PIPE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class TapUnderTest:
    """A tap as its users start it.

    Attributes:
        command: The command and its first arguments; `--config` is added.
        config: Its settings. Some tests need more than 4 KiB of output.
        secrets: Names of its secret settings; a canary is put into each.
        environment: Further environment variables.
    """

    command: Sequence[str]
    config: Mapping[str, Any]
    secrets: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TargetUnderTest:
    """A target as its users start it.

    Attributes:
        command: The command and its first arguments; `--config` is added.
        configure: Makes a fresh destination, given an empty folder, and returns
            the settings to reach it, with upserts by key.
        committed: Returns the values of property `id` in a stream's data that
            other processes can see now, given those settings and the stream;
            nothing if there is none yet.
        secrets: Names of its secret settings; a canary is put into each.
        environment: Further environment variables.
        records: Records fed by the crash tests; enough for several commits.
    """

    command: Sequence[str]
    configure: Callable[[Path], Mapping[str, Any]]
    committed: Callable[[Mapping[str, Any], str], Collection[int]]
    secrets: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    records: int = 3000


def write_config(folder: Path, config: Mapping[str, Any], name: str = "config") -> str:
    """Write settings as JSON, readable by the owner only; return the path."""
    path = folder / f"{name}.json"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        json.dump(dict(config), file)
    return str(path)


class Process:
    """A running plugin whose output is read only when asked for.

    Args:
        command: The whole command line.
        environment: Further environment variables.
        small_pipe: Let the output pipe hold 4 KiB only, so that the plugin stands
            still until somebody reads.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        small_pipe: bool = False,
    ) -> None:
        self._read, written = os.pipe()
        if small_pipe:
            fcntl.fcntl(self._read, fcntl.F_SETPIPE_SZ, _SMALL_PIPE_BYTES)
        self.process = subprocess.Popen(  # noqa: S603 - the plugin under test
            command,
            stdin=subprocess.PIPE,
            stdout=written,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": "", **environment},
        )
        os.close(written)
        self._errors: list[bytes] = []
        self._watcher = threading.Thread(target=self._read_errors, daemon=True)
        self._watcher.start()
        self._open = True

    def _read_errors(self) -> None:
        stream = self.process.stderr
        for line in stream or ():
            self._errors.append(line)

    @property
    def stderr(self) -> str:
        """What it has said so far."""
        return b"".join(self._errors).decode(errors="replace")

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.close_output()
        for stream in (self.process.stdin, self.process.stderr):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        self._watcher.join(STOP_SECONDS)

    def close_output(self) -> None:
        """Stop reading for good: the reader is gone."""
        if self._open:
            os.close(self._read)
            self._open = False

    def read(self, size: int = 65536) -> bytes:
        """Return some output, waiting for it; empty at the end."""
        return os.read(self._read, size)

    def waiting_bytes(self) -> int:
        """Return how many bytes of output wait to be read."""
        answer = fcntl.ioctl(self._read, termios.FIONREAD, b"\0" * 4)
        return int(unpack("i", answer)[0])

    def wait_until_full(self) -> bool:
        """Wait until it stands still on a full pipe; False if it ended first."""
        before, still = -1, 0
        end = time.monotonic() + RUN_SECONDS
        while time.monotonic() < end:
            if self.process.poll() is not None:
                return False
            now = self.waiting_bytes()
            still = still + 1 if now == before and now > 0 else 0
            if still > 20:  # noqa: PLR2004 - a second without progress
                return True
            before = now
            time.sleep(0.05)
        return False

    def feed(self, data: bytes, *, close: bool = False) -> None:
        """Write to its stdin from a thread, so that nothing blocks here."""

        def write() -> None:
            stream = self.process.stdin
            with suppress(OSError, ValueError):
                if stream is not None:
                    stream.write(data)
                    stream.flush()
                    if close:
                        stream.close()

        threading.Thread(target=write, daemon=True).start()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def drain(self, seconds: float = RUN_SECONDS) -> bytes:
        """Read to the end of the output and wait for the end of the process.

        Raises:
            AssertionError: It did not end in time.
        """
        parts: list[bytes] = []

        def read() -> None:
            with suppress(OSError):
                while data := self.read():
                    parts.append(data)

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            message = f"it still ran after {seconds:.0f} s"
            raise AssertionError(message) from None
        reader.join(STOP_SECONDS)
        self._watcher.join(STOP_SECONDS)
        return b"".join(parts)

    @property
    def code(self) -> int:
        """Exit code; minus the signal's number if a signal ended it."""
        return self.process.returncode


def run(
    command: Sequence[str], environment: Mapping[str, str], data: bytes = b""
) -> tuple[int, bytes, str]:
    """Run a command to its end; return exit code, stdout and stderr."""
    with Process(command, environment) as process:
        process.feed(data, close=True)
        output = process.drain()
    return process.code, output, process.stderr


def states(output: bytes) -> list[Any]:
    """Return the values of whole STATE lines that a tap wrote."""
    found = []
    for line in output.split(b"\n")[:-1]:
        if b'"STATE"' in line:
            message = json.loads(line)
            if message.get("type") == "STATE":
                found.append(message["value"])
    return found


def assert_told_to_stop(code: int, number: signal.Signals) -> None:
    """Assert that an exit code says that a signal ended the process."""
    assert code in {128 + number, -number}, (  # noqa: S101 - a test
        f"exit code {code} after {number.name}: whoever runs it takes what was moved "
        f"for everything; expected {128 + number}"
    )

"""Tests for targets; see the package's text."""

from __future__ import annotations

import json
import signal
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from singer_sdk.testing.templates import TargetTestTemplate

from flext_singer.conformance.processes import (
    STOP_SECONDS,
    Process,
    TargetUnderTest,
    assert_told_to_stop,
    run,
    write_config,
)
from flext_singer.conformance.tap_tests import CANARY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# ruff: noqa: S101 - these are tests
STREAM = "conformance"
_STATE_EVERY = 10
HOSTILE = [
    "'; DROP TABLE conformance; --",
    '"; DELETE FROM conformance; --',
    "*)(objectClass=*",
    "cn=x\ndn: cn=evil\nchangetype: delete",
    "a,b=c+d\\2C\r\n#<>;",
    "../../etc/passwd",
    "{{ 7*7 }} ${HOME} $(id) `id`",
    "\x00\x01\x08\x1b[2J\x7f\u2028\ufeff",
    "e\u0301 \U0001f600 \u202e abc",
    " leading and trailing ",
    "",
]
HOSTILE_NAMES = ["a'b", 'a"b', "a;b", "a b", "a-b", "a.b", "ä", "select", "x" * 80]


def schema_line(stream: str, *, more: Mapping[str, Any] | None = None) -> bytes:
    """Return a SCHEMA message: integer key `id`, text `name`."""
    properties = {
        "id": {"type": "integer"},
        "name": {"type": ["string", "null"]},
        **(more or {}),
    }
    return line(
        {
            "type": "SCHEMA",
            "stream": stream,
            "schema": {"type": "object", "properties": properties},
            "key_properties": ["id"],
        }
    )


def line(message: Mapping[str, Any]) -> bytes:
    """Return a message as a line."""
    return json.dumps(message).encode() + b"\n"


def feed(first: int, last: int, stream: str = STREAM) -> bytes:
    """Return records `first` to `last`, a STATE after every tenth."""
    lines = [schema_line(stream)]
    for number in range(first, last + 1):
        record = {"id": number, "name": f"name {number}"}
        lines.append(line({"type": "RECORD", "stream": stream, "record": record}))
        if number % _STATE_EVERY == 0:
            lines.append(line({"type": "STATE", "value": {"reached": number}}))
    return b"".join(lines)


def reached(output: bytes) -> int:
    """Return the last record that a target's STATE says is safe."""
    safe = 0
    for state in output.split(b"\n")[:-1]:
        if state.strip():
            safe = json.loads(state).get("reached", safe)
    return safe


class TargetConformanceTest(TargetTestTemplate):
    """A test that starts the target as a process."""

    subject: TargetUnderTest

    def run(self, config: Any, resource: Any, runner: Any) -> None:  # noqa: ANN401 - the SDK's types differ by kind
        """Run the test in a folder of its own, without the SDK's runner."""
        del config, resource, runner
        self.test()

    def test(self) -> None:
        """Run the test."""
        with tempfile.TemporaryDirectory() as folder:
            self.folder = Path(folder)
            (self.folder / "destination").mkdir()
            self.settings = self.subject.configure(self.folder / "destination")
            self.check()

    def check(self) -> None:
        """Check one behaviour."""
        raise NotImplementedError

    def command(self, *more: str, **settings: object) -> list[str]:
        """Return the command line, with its settings written to a file."""
        path = write_config(self.folder, {**self.settings, **settings})
        return [*self.subject.command, "--config", path, *more]

    def committed(self, stream: str = STREAM) -> list[int]:
        """Return the ids that others can see now."""
        return sorted(self.subject.committed(self.settings, stream))

    def load(self, data: bytes) -> tuple[int, bytes, str]:
        """Run the target over an input; return exit code, stdout and stderr."""
        return run(self.command(), self.subject.environment, data)

    def assert_not_ahead(self, output: bytes) -> int:
        """Assert that all a STATE covers is committed; return how far that is."""
        safe = reached(output)
        missing = set(range(1, safe + 1)) - set(self.committed())
        assert not missing, (
            f"STATE says {safe} records are safe, {len(missing)} of them are not"
            f" there: the next run skips them"
        )
        return safe

    def assert_all_once(self, last: int) -> None:
        """Assert that records 1 to `last` are there, each once."""
        assert self.committed() == list(range(1, last + 1))

    def resume(self, safe: int) -> None:
        """Run again from a STATE, and expect everything once."""
        last = self.subject.records
        code, _, errors = self.load(feed(safe + 1, last))
        assert code == 0, errors
        self.assert_all_once(last)


class TargetLoadsEverything(TargetConformanceTest):
    """An undisturbed run loads all and ends with the last STATE."""

    name = "loads_everything"

    def check(self) -> None:
        """Check it."""
        last = self.subject.records
        code, output, errors = self.load(feed(1, last))
        assert code == 0, errors
        self.assert_all_once(last)
        assert reached(output) == last


class TargetStateFollowsData(TargetConformanceTest):
    """At the instant a STATE appears, what it covers is committed."""

    name = "state_follows_data"

    def check(self) -> None:
        """Check it."""
        with Process(self.command(), self.subject.environment) as process:
            process.feed(feed(1, self.subject.records), close=True)
            output = b""
            while data := process.read():
                output += data
                self.assert_not_ahead(output)
            process.drain()
        assert process.code == 0, process.stderr


class _Stopped(TargetConformanceTest):
    """Stops the target midway by a signal, then runs it again."""

    number: signal.Signals

    def check(self) -> None:
        """Check it."""
        last = self.subject.records
        for wish in (1, last // 3, 2 * last // 3):
            self.stop_after(wish)
            # A fresh destination for the next round.
            destination = self.folder / f"destination-{wish}"
            destination.mkdir()
            self.settings = self.subject.configure(destination)

    def stop_after(self, wish: int) -> None:
        """Stop it once `wish` records are there, or it waits for more input."""
        with Process(self.command(), self.subject.environment) as process:
            # stdin stays open: the end of input must not come first.
            process.feed(feed(1, self.subject.records))
            end = time.monotonic() + 3.0
            while time.monotonic() < end and len(self.committed()) < wish:
                time.sleep(0.02)
            assert process.process.poll() is None, process.stderr
            process.signal(self.number)
            output = process.drain(STOP_SECONDS)
        safe = self.assert_not_ahead(output)
        assert_told_to_stop(process.code, self.number)
        self.resume(safe)


class TargetStopsOnSigterm(_Stopped):
    """SIGTERM ends it within 10 s, as a failure, its STATE not ahead of data."""

    name = "stops_on_sigterm"
    number = signal.SIGTERM


class TargetStopsOnSigint(_Stopped):
    """SIGINT does the same."""

    name = "stops_on_sigint"
    number = signal.SIGINT


class TargetSurvivesAKill(_Stopped):
    """SIGKILL loses nothing that a STATE covered, and doubles nothing keyed."""

    name = "survives_a_kill"
    number = signal.SIGKILL


class TargetRefusesBrokenInput(TargetConformanceTest):
    """Half a line, chatter, an unknown type: never a success."""

    name = "refuses_broken_input"

    def check(self) -> None:
        """Check it."""
        good = feed(1, 20)
        record = line(
            {"type": "RECORD", "stream": STREAM, "record": {"id": 21, "name": "x"}}
        )
        for broken in (
            record[: len(record) // 2],
            b"chatter on stdout\n",
            line({"type": "NONSENSE", "stream": STREAM}),
            b'{"type":"RECORD","stream":"conformance","record":{"id":NaN,"name":"x"}}\n',
            record.replace(STREAM.encode(), b"a stream without SCHEMA"),
        ):
            code, output, errors = self.load(good + broken)
            assert code != 0, f"success in spite of {broken!r}"
            assert errors.strip(), f"no word about {broken!r}"
            self.assert_not_ahead(output)


class TargetRunsTwiceAtOnce(TargetConformanceTest):
    """Of two at once, whichever says success has loaded everything."""

    name = "runs_twice_at_once"

    def check(self) -> None:
        """Check it."""
        last = self.subject.records
        streams = ("conformance_a", "conformance_b")
        command = self.command()
        environment = self.subject.environment
        with Process(command, environment) as one, Process(command, environment) as two:
            for process, stream in zip((one, two), streams, strict=True):
                process.feed(feed(1, last, stream), close=True)
            two.drain()
            one.drain()
        assert 0 in {one.code, two.code}, one.stderr + two.stderr
        for process, stream in zip((one, two), streams, strict=True):
            if process.code == 0:
                assert self.committed(stream) == list(range(1, last + 1))
            else:
                assert process.stderr.strip(), "failed without a word"


class TargetKeepsSecrets(TargetConformanceTest):
    """No secret setting shows in --about, output or messages."""

    name = "keeps_secrets"

    def check(self) -> None:
        """Check it."""
        if not self.subject.secrets:
            pytest.skip("no secret settings were named")
        settings = dict.fromkeys(self.subject.secrets, CANARY)
        noisy = {**self.subject.environment, "LOGLEVEL": "DEBUG"}
        broken = feed(1, 10) + b"broken\n"
        for more, data in (
            (["--about"], b""),
            (["--about", "--format=json"], b""),
            ([], feed(1, 10)),
            ([], broken),
        ):
            command = self.command(*more, **settings)
            _code, output, errors = run(command, noisy, data)
            assert CANARY not in output.decode(errors="replace"), f"stdout of {more}"
            assert CANARY not in errors, f"stderr of {more}"


class TargetTakesHostileValues(TargetConformanceTest):
    """Hostile text is loaded as text or refused; nothing else is touched."""

    name = "takes_hostile_values"

    def check(self) -> None:
        """Check it."""
        code, _, errors = self.load(feed(1, 20))
        assert code == 0, errors
        for number, text in enumerate([*HOSTILE, "x" * 1_000_000], 21):
            record = {"id": number, "name": text}
            self.offer(record, [schema_line(STREAM)])
        self.offer_raw(99, b'{"id":99,"name":"\\ud800"}')
        for name in HOSTILE_NAMES:
            schema = schema_line(f"h_{name}", more={name: {"type": "string"}})
            record = {"id": 1, "name": "n", name: "v"}
            message = {"type": "RECORD", "stream": f"h_{name}", "record": record}
            code, _, errors = self.load(schema + line(message))
            assert code == 0 or errors.strip(), f"no word about {name!r}"
        present = self.committed()
        assert present[:20] == list(range(1, 21)), "rows of other records are gone"
        assert len(present) == len(set(present)), "a key is there twice"

    def offer(self, record: Mapping[str, Any], before: Iterable[bytes]) -> None:
        """Load one record: success means it is there."""
        message = {"type": "RECORD", "stream": STREAM, "record": record}
        code, _, errors = self.load(b"".join(before) + line(message))
        if code == 0:
            assert record["id"] in self.committed(), f"lost: {record['name'][:80]!r}"
        else:
            assert errors.strip(), f"no word about {record['name'][:80]!r}"

    def offer_raw(self, number: int, record: bytes) -> None:
        """Load one record given as JSON."""
        message = b'{"type":"RECORD","stream":"%s","record":%s}\n'
        data = schema_line(STREAM) + message % (STREAM.encode(), record)
        code, _, errors = self.load(data)
        assert code != 0 or number in self.committed(), f"lost: {record!r}"
        assert code == 0 or errors.strip(), f"no word about {record!r}"


TARGET_TESTS: list[type[TargetConformanceTest]] = [
    TargetLoadsEverything,
    TargetStateFollowsData,
    TargetStopsOnSigterm,
    TargetStopsOnSigint,
    TargetSurvivesAKill,
    TargetRefusesBrokenInput,
    TargetRunsTwiceAtOnce,
    TargetKeepsSecrets,
    TargetTakesHostileValues,
]

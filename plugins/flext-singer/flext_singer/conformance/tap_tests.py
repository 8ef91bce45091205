"""Tests for taps; see the package's text."""

from __future__ import annotations

import json
import signal
import tempfile
from pathlib import Path
from typing import Any

import pytest
from singer_sdk.testing.templates import TapTestTemplate

from flext_singer.conformance.processes import (
    STOP_SECONDS,
    Process,
    TapUnderTest,
    assert_told_to_stop,
    run,
    states,
    write_config,
)

# ruff: noqa: S101 - these are tests
CANARY = "cAnArY-5ecret/+%zq"


class TapConformanceTest(TapTestTemplate):
    """A test that starts the tap as a process."""

    subject: TapUnderTest

    def run(self, config: Any, resource: Any, runner: Any) -> None:  # noqa: ANN401 - the SDK's types differ by kind
        """Run the test in a folder of its own, without the SDK's runner."""
        del config, resource, runner
        self.test()

    def test(self) -> None:
        """Run the test."""
        with tempfile.TemporaryDirectory() as folder:
            self.check(Path(folder))

    def check(self, folder: Path) -> None:
        """Check one behaviour.

        Args:
            folder: An empty folder.
        """
        raise NotImplementedError

    def command(self, folder: Path, *more: str, **settings: object) -> list[str]:
        """Return the command line, with its settings written to a file."""
        path = write_config(folder, {**self.subject.config, **settings})
        return [*self.subject.command, "--config", path, *more]

    def stand_still(self, process: Process) -> None:
        """Wait until the tap waits for its reader, or skip."""
        if not process.wait_until_full():
            pytest.skip("the tap needs more than 4 KiB of output to be stopped midway")

    def stop(self, folder: Path, number: signal.Signals) -> None:
        """Stop the tap midway and judge how it ends."""
        with Process(
            self.command(folder), self.subject.environment, small_pipe=True
        ) as process:
            self.stand_still(process)
            before = process.waiting_bytes()
            process.signal(number)
            output = process.drain(STOP_SECONDS)
        # What lay in the pipe was written before the signal, and so was the
        # start of the line after it.
        late = output[before:]
        if before and output[before - 1 : before] != b"\n":
            late = late.partition(b"\n")[2]
        written = states(late)
        assert not written, f"STATE after {number.name}: {written}"
        assert_told_to_stop(process.code, number)


class TapStopsOnSigterm(TapConformanceTest):
    """SIGTERM ends it within 10 s, as a failure, without another STATE."""

    name = "stops_on_sigterm"

    def check(self, folder: Path) -> None:
        """Check it."""
        self.stop(folder, signal.SIGTERM)


class TapStopsOnSigint(TapConformanceTest):
    """SIGINT does the same."""

    name = "stops_on_sigint"

    def check(self, folder: Path) -> None:
        """Check it."""
        self.stop(folder, signal.SIGINT)


class TapNoticesAGoneReader(TapConformanceTest):
    """A tap whose reader is gone ends as a failure, within 10 s."""

    name = "notices_a_gone_reader"

    def check(self, folder: Path) -> None:
        """Check it."""
        with Process(
            self.command(folder), self.subject.environment, small_pipe=True
        ) as process:
            self.stand_still(process)
            process.close_output()
            process.process.wait(STOP_SECONDS)
            assert process.code != 0


class TapResumesAfterAKill(TapConformanceTest):
    """Killed midway and run again from its last STATE, it has emitted all."""

    name = "resumes_after_a_kill"

    def check(self, folder: Path) -> None:
        """Check it."""
        code, whole, errors = run(self.command(folder), self.subject.environment)
        assert code == 0, errors
        expected = _keys(whole)
        for share in (0.2, 0.5, 0.9):
            with Process(
                self.command(folder), self.subject.environment, small_pipe=True
            ) as process:
                output = bytearray()
                while len(output) < len(whole) * share:
                    data = process.read()
                    if not data:
                        break
                    output += data
                process.signal(signal.SIGKILL)
                process.process.wait()
            seen = bytes(output)
            reached = states(seen)
            more: list[str] = []
            if reached:
                more = ["--state", write_config(folder, reached[-1], "state")]
            code, rest, errors = run(
                self.command(folder, *more), self.subject.environment
            )
            assert code == 0, errors
            # Only what precedes the last STATE counts: the rest may be lost.
            kept = seen[: seen.rfind(b'{"type":"STATE"')] if reached else b""
            lost = {
                stream: keys
                - _keys(kept).get(stream, set())
                - _keys(rest).get(stream, set())
                for stream, keys in expected.items()
            }
            assert not any(lost.values()), f"lost after a kill at {share:.0%}: {lost}"


class TapRunsTwiceAtOnce(TapConformanceTest):
    """Two processes at once emit what one emits alone."""

    name = "runs_twice_at_once"

    def check(self, folder: Path) -> None:
        """Check it."""
        command, environment = self.command(folder), self.subject.environment
        code, alone, errors = run(command, environment)
        assert code == 0, errors
        with Process(command, environment) as one, Process(command, environment) as two:
            outputs = [two.drain(), one.drain()]
        for process, output in ((two, outputs[0]), (one, outputs[1])):
            assert process.code == 0, process.stderr
            assert _keys(output) == _keys(alone)


class TapKeepsSecrets(TapConformanceTest):
    """No secret setting shows in --about, discovery, output or messages."""

    name = "keeps_secrets"

    def check(self, folder: Path) -> None:
        """Check it."""
        if not self.subject.secrets:
            pytest.skip("no secret settings were named")
        settings = dict.fromkeys(self.subject.secrets, CANARY)
        noisy = {**self.subject.environment, "LOGLEVEL": "DEBUG"}
        for more in (["--about"], ["--about", "--format=json"], ["--discover"], []):
            command = self.command(folder, *more, **settings)
            _code, output, errors = run(command, noisy)
            assert CANARY not in output.decode(errors="replace"), f"stdout of {more}"
            assert CANARY not in errors, f"stderr of {more}"


class TapWritesStrictJson(TapConformanceTest):
    """Every line is one message in strict JSON and UTF-8."""

    name = "writes_strict_json"

    def check(self, folder: Path) -> None:
        """Check it."""
        code, output, errors = run(self.command(folder), self.subject.environment)
        assert code == 0, errors

        def refuse(word: str) -> None:
            message = f"{word} is not JSON"
            raise AssertionError(message)

        for number, line in enumerate(output.splitlines(), 1):
            message = json.loads(line.decode(), parse_constant=refuse)
            assert message.get("type"), f"line {number} is no message"
            json.dumps(message, ensure_ascii=False).encode()  # no lone surrogate


def _keys(output: bytes) -> dict[str, set[str]]:
    """Return the keys of the records on whole lines, by stream."""
    names: dict[str, list[str]] = {}
    found: dict[str, set[str]] = {}
    for line in output.split(b"\n")[:-1]:
        message = json.loads(line)
        if message["type"] == "SCHEMA":
            names[message["stream"]] = message.get("key_properties") or []
        elif message["type"] == "RECORD":
            record, stream = message["record"], message["stream"]
            parts = [record.get(key) for key in names.get(stream, [])] or record
            found.setdefault(stream, set()).add(json.dumps(parts, sort_keys=True))
    return found


TAP_TESTS: list[type[TapConformanceTest]] = [
    TapStopsOnSigterm,
    TapStopsOnSigint,
    TapNoticesAGoneReader,
    TapResumesAfterAKill,
    TapRunsTwiceAtOnce,
    TapKeepsSecrets,
    TapWritesStrictJson,
]

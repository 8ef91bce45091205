"""The conformance suite passes on flext-singer and fails on the bare SDK."""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path

import pytest
from flext_singer.conformance import (
    TapUnderTest,
    TargetUnderTest,
    tap_suite,
    target_suite,
)

FAKES = Path(__file__).parents[2] / "fakes"


def command(name: str) -> list[str]:
    return [sys.executable, str(FAKES / f"{name}.py")]


def committed_in_sqlite(settings, stream: str) -> list[int]:
    path = Path(settings["path"])
    if not path.exists():
        return []
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    try:
        rows = database.execute(
            'select record from "{}"'.format(stream.replace('"', '""'))
        )
        return [json.loads(row)["id"] for (row,) in rows]
    except sqlite3.OperationalError:
        return []
    finally:
        database.close()


def committed_in_lines(settings, stream: str) -> list[int]:
    path = Path(settings["folder"]) / stream
    return [int(line) for line in path.read_text().split()] if path.exists() else []


OUR_TAP = TapUnderTest(
    command=command("reference_tap"), config={"records": 3000}, secrets=["password"]
)
OUR_TARGET = TargetUnderTest(
    command=command("reference_target"),
    configure=lambda folder: {"path": str(folder / "out.db")},
    committed=committed_in_sqlite,
    secrets=["password"],
    records=25_000,  # two commits midway
)
SDK_TAP = TapUnderTest(command=command("sdk_tap"), config={"records": 3000})
SDK_TARGET = TargetUnderTest(
    command=command("sdk_target"),
    configure=lambda folder: {"folder": str(folder)},
    committed=committed_in_lines,
    records=310,
)


def each_of(suite) -> list:
    return [pytest.param(test, id=test.name) for test in suite.tests]


def named(suite, name: str):
    return next(test for test in suite.tests if test.name == name)()


@pytest.mark.parametrize("test", each_of(tap_suite(OUR_TAP)))
def test_the_reference_tap_conforms(test):
    test().test()


@pytest.mark.parametrize("test", each_of(target_suite(OUR_TARGET)))
def test_the_reference_target_conforms(test):
    test().test()


@pytest.mark.parametrize("name", ["stops_on_sigterm", "stops_on_sigint"])
def test_a_tap_on_the_bare_sdk_fails_the_suite_when_it_is_stopped(name):
    with pytest.raises(AssertionError, match=r"exit code 0|STATE after"):
        named(tap_suite(SDK_TAP), name).test()


def test_a_target_on_the_bare_sdk_is_caught_with_state_ahead_of_data():
    with pytest.raises(AssertionError, match="the next run skips them"):
        named(target_suite(SDK_TARGET), "stops_on_sigterm").test()

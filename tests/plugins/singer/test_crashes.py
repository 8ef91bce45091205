"""A pipeline is killed at every failpoint and run again: nothing lost or doubled."""

from __future__ import annotations

import pytest
from flext_singer.failpoints import NAMES
from plugins_as_processes import (
    last_state,
    rows,
    run_tap,
    run_target,
)

RECORDS = 12_000
SIGNALS = {"KILL": (-9,), "TERM": (143,), "INT": (130,), "ERROR": (1,)}
BATCHES = {"encoding": {"format": "parquet"}, "batch_size": 5000}


def settings(lane, folder):
    config = {"records": RECORDS}
    if lane == "batch":
        config["batch_config"] = {**BATCHES, "storage": {"root": str(folder / "b")}}
    return config


CASES = [
    *[(name, action, "record") for name in NAMES for action in ("KILL", "TERM")],
    *[(name, "KILL", "batch") for name in NAMES],
    *[
        (name, action, "record")
        for name in ("tap.mid_records", "target.before_commit")
        for action in ("INT", "ERROR")
    ],
]


@pytest.mark.parametrize(("name", "action", "lane"), CASES)
def test_a_run_after_a_crash_ends_with_every_record_once(tmp_path, name, action, lane):
    config = settings(lane, tmp_path)
    passing = {"tap.mid_records": 2 if lane == "batch" else 11_000}.get(name, 1)
    failpoint = f"{name}:{action}@{passing}"
    in_tap = name.startswith("tap.")

    tapped = run_tap(tmp_path, failpoint=failpoint if in_tap else "", **config)
    loaded = run_target(tmp_path, tapped.stdout, failpoint="" if in_tap else failpoint)
    broken = tapped if in_tap else loaded
    assert broken.returncode in SIGNALS[action], broken.stderr.decode()

    state = last_state(loaded.stdout)
    reached = 0
    if state:
        reached = state["bookmarks"]["numbers"].get("replication_key_value", 0)
    present = {row["id"] for row in rows(tmp_path)}
    assert present >= set(range(1, reached + 1)), "STATE ahead of data"

    tapped = run_tap(tmp_path, state=state, **config)
    assert tapped.returncode == 0, tapped.stderr.decode()
    loaded = run_target(tmp_path, tapped.stdout)
    assert loaded.returncode == 0, loaded.stderr.decode()
    assert sorted(row["id"] for row in rows(tmp_path)) == list(range(1, RECORDS + 1))

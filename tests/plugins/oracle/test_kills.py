"""Killed at any moment, run again: nothing lost, nothing twice where there is a key.

ORACLE_KILLS sets how often each victim is killed per load method. In CI it is a
sample of 2; `ORACLE_KILLS=20 pytest tests/plugins/oracle/test_kills.py` is the
whole claim, 120 kills in some twenty minutes.
"""

import datetime as dt
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

pytestmark = pytest.mark.servers

COMMANDS = Path(sys.executable).parent
KILLS = int(os.environ.get("ORACLE_KILLS", "2"))
ROWS = 12_000  # more than lie between two STATE messages
RUN_SECONDS = 120
MODES = {
    "incremental": {"replication_key": "id"},
    "snapshot": {"snapshot": True, "chunk_blocks": 1, "parallel_jobs": 2},
}


@pytest.fixture(scope="module")
def source(oracle_server):
    oracle_server.clear_faults()
    oracle_server.drop_everything()
    oracle_server.execute(
        "create table src (id number(10) primary key, name varchar2(40 char),"
        " amount number(38,10), updated_at timestamp(6))"
    )
    start = dt.datetime(2024, 1, 1)
    with oracle_server.connect() as connection:
        connection.cursor().executemany(
            "insert into src values (:1, :2, :3, :4)",
            [
                (n, f"name {n}", n / 8, start + dt.timedelta(seconds=n))
                for n in range(ROWS)
            ],
        )
        connection.commit()
    return oracle_server


class Pipe:
    """A tap and a target with a pipe between them, as Meltano sets them up."""

    def __init__(self, folder, source, mode, method, state):
        base = {
            "dsn": source.dsn,
            "username": source.user,
            "password": source.password,
        }
        tap = {**base, **MODES[mode], "tables_filter": ["SRC"]}
        target = {
            **base,
            "load_method": method,
            "table_name_mappings": {f"{source.user}-src": "DST"},
        }
        for name, config in (("tap", tap), ("target", target)):
            (folder / f"{name}.json").write_text(json.dumps(config))
        command = [COMMANDS / "flext-tap-oracle", "--config", folder / "tap.json"]
        if state is not None:
            (folder / "state.json").write_text(json.dumps(state))
            command += ["--state", folder / "state.json"]
        self.errors = (folder / "errors.txt").open("w+")
        self.tap = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.errors)
        self.target = subprocess.Popen(
            [COMMANDS / "flext-target-oracle", "--config", folder / "target.json"],
            stdin=self.tap.stdout,
            stdout=subprocess.PIPE,
            stderr=self.errors,
        )
        self.tap.stdout.close()  # the target's end is the only one

    def kill(self, victim):
        for name, process in (("tap", self.tap), ("target", self.target)):
            if victim in {name, "both"}:
                process.send_signal(signal.SIGKILL)

    def end(self):
        """Exit codes, and the last STATE that the target wrote."""
        output, _ = self.target.communicate(timeout=RUN_SECONDS)
        codes = self.tap.wait(RUN_SECONDS), self.target.returncode
        self.errors.close()
        lines = [line for line in output.splitlines(keepends=True) if line.strip()]
        whole = [line for line in lines if line.endswith(b"\n")]
        return codes, json.loads(whole[-1]) if whole else None


def run_to_the_end(folder, source, mode, method, state):
    pipe = Pipe(folder, source, mode, method, state)
    codes, last = pipe.end()
    assert codes == (0, 0), (folder / "errors.txt").read_text()[-3000:]
    return last


@pytest.fixture(scope="module")
def usual_seconds(source, tmp_path_factory):
    """How long a pipe takes that nobody kills."""
    source.execute(DROP)
    started = time.monotonic()
    folder = tmp_path_factory.mktemp("whole")
    run_to_the_end(folder, source, "incremental", "upsert", None)
    return time.monotonic() - started


@pytest.mark.timeout(60 + 60 * KILLS)
@pytest.mark.parametrize("method", ["upsert", "append-only"])
@pytest.mark.parametrize("victim", ["tap", "target", "both"])
def test_a_pipe_killed_anywhere_loses_nothing(
    source, tmp_path, victim, method, usual_seconds
):
    dice = random.Random(victim + method)  # noqa: S311 - moments, not secrets
    outcomes = Counter()
    while outcomes["killed"] < KILLS:
        number = outcomes.total()
        assert number < 5 * KILLS, f"the kills come too late: {outcomes}"
        mode = tuple(MODES)[number % 2]
        source.execute(DROP)
        pipe = Pipe(tmp_path, source, mode, method, None)
        time.sleep(dice.uniform(0.1, 0.85) * usual_seconds)  # the random moment
        pipe.kill(victim)
        codes, state = pipe.end()
        outcomes["whole before the kill" if codes == (0, 0) else "killed"] += 1
        if codes != (0, 0):
            run_to_the_end(tmp_path, source, mode, method, state)
        rows = source.query("select id, name, amount, updated_at from dst")
        expected = source.query("select id, name, amount, updated_at from src")
        assert set(rows) == set(expected), f"lost after kill {number} ({outcomes})"
        if method == "upsert":
            assert len(rows) == ROWS
    print(f"{victim}, {method}: {dict(outcomes)}")  # noqa: T201 - shown by pytest -s


DROP = (
    "begin execute immediate 'drop table dst purge';"
    " exception when others then if sqlcode != -942 then raise; end if; end;"
)


@pytest.mark.parametrize(
    "failpoint",
    [
        "target.after_load",
        "target.before_commit",
        "target.after_commit",
        "target.after_state",
        "tap.mid_records@11500",
    ],
)
def test_a_pipe_killed_at_a_failpoint_loses_nothing(
    source, tmp_path, failpoint, monkeypatch
):
    source.execute(DROP)
    monkeypatch.setenv("FLEXCORE_FAILPOINT", failpoint)
    pipe = Pipe(tmp_path, source, "incremental", "upsert", None)
    codes, state = pipe.end()
    assert codes != (0, 0)
    monkeypatch.delenv("FLEXCORE_FAILPOINT")
    if state is not None:
        safe = state["bookmarks"][f"{source.user}-src"]["replication_key_value"]
        (count,) = source.query("select count(*) from dst where id <= :safe", safe=safe)
        assert count[0] == safe + 1, "STATE ran ahead of the data"
    run_to_the_end(tmp_path, source, "incremental", "upsert", state)
    assert source.query("select count(*), count(distinct id) from dst") == [
        (ROWS, ROWS)
    ]

"""The conformance suite and the SDK's standard suites, against the stand-in."""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
import sys
import threading

import pytest
from fakes.wms.auth import USER
from fakes.wms.server import ENVIRONMENT, Simulator, WmsServer
from fakes.wms.switches import Switches
from flext_oracle_wms.tap import TapOracleWms
from flext_oracle_wms.target import TargetOracleWms
from flext_singer.conformance import (
    TapUnderTest,
    TargetUnderTest,
    tap_suite,
    target_suite,
)
from servers.wms_commands import BIN, feed, run
from singer_sdk.testing import SuiteConfig, get_tap_test_class, get_target_test_class

# The suites look at the service while tests are collected, before any fixture.
SERVER = WmsServer(0, Simulator(Switches(stage_delay_seconds=0.0), 400))
threading.Thread(target=SERVER.serve_forever, args=(0.02,), daemon=True).start()
CONFIG = {
    "base_url": f"http://127.0.0.1:{SERVER.server_port}/{ENVIRONMENT}",
    "insecure_http": True,
    "username": USER[0],
    "password": USER[1],
}
TAP_CONFIG = {**CONFIG, "entities": ["order_hdr", "order_status"], "page_size": 100}
NAMES = {
    "*": {"id": "item_alternate_code", "name": "description"},
    "conformance_b": {"id": "vendor_code", "name": "name"},
}
TARGET_CONFIG = {
    **CONFIG,
    "entity": {"*": "item", "conformance_b": "vendor"},
    "company_code": "C1",
    "field_mapping": NAMES,
    "stage_timeout_seconds": 20,
}
RUNS = itertools.count()


@pytest.fixture(scope="module", autouse=True)
def server():
    yield SERVER
    SERVER.shutdown()
    SERVER.server_close()


OUR_TAP = TapUnderTest(
    command=[str(BIN / "flext-tap-oracle-wms")],
    config=TAP_CONFIG,
    secrets=["password"],
    environment={"MELTANO_EXTRACT__SELECT": '["order_hdr.*"]'},
)


def committed(settings, stream):
    """What is there of this test: each has a company of its own."""
    entity, key = "item", "item_alternate_code"
    if stream == "conformance_b":
        entity, key = "vendor", "code"
    rows = SERVER.service.rows
    company = rows.find("company", code=settings["company_code"])
    found = SERVER.service.truth(entity)
    return [int(row[key]) for row in found if row["company_id"] == company["id"]]


@pytest.fixture
def fresh(server):
    def configure(folder):
        del folder
        code = f"T{next(RUNS)}"
        server.service.rows.insert("company", {"code": code})
        return {**TARGET_CONFIG, "company_code": code}

    return configure


def suite_of(fresh=None):
    return target_suite(
        TargetUnderTest(
            command=[str(BIN / "flext-target-oracle-wms")],
            configure=fresh,
            committed=committed,
            secrets=["password"],
            records=300,
        )
    )


@pytest.mark.parametrize("name", [test.name for test in tap_suite(OUR_TAP).tests])
def test_the_tap_conforms(name):
    (test,) = (t for t in tap_suite(OUR_TAP).tests if t.name == name)
    test().test()


@pytest.mark.parametrize("name", [test.name for test in suite_of().tests])
def test_the_target_conforms(name, fresh):
    (test,) = (t for t in suite_of(fresh).tests if t.name == name)
    test().test()


@pytest.mark.parametrize(
    "failpoint",
    ["target.after_load:KILL", "target.before_commit:KILL", "target.after_commit:KILL"],
)
def test_killed_at_any_point_a_rerun_completes_it(failpoint, fresh, tmp_path):
    config = fresh(tmp_path)
    rows = [{"id": n, "name": f"n{n}"} for n in range(1, 41)]
    data = feed("things", rows, ["id"]).encode()
    name = "flext-target-oracle-wms"
    done = run(name, config, tmp_path, data=data, FLEXCORE_FAILPOINT=failpoint)
    assert done.returncode == -9
    assert done.stdout == b""
    done = run(name, config, tmp_path, data=data)
    assert (done.returncode, done.stdout) == (0, b'{"done": "things"}\n'), done.stderr
    assert sorted(committed(config, "things")) == list(range(1, 41))


@pytest.mark.parametrize("kind", ["reset_after", "503", "slow_headers"])
def test_killed_around_a_submit_nothing_is_lost(server, kind, fresh, tmp_path):
    """The target dies while it waits for an answer that does not come."""
    config = fresh(tmp_path) | {"batch_size": 10, "request_timeout_seconds": 1}
    rows = [{"id": n, "name": f"n{n}"} for n in range(1, 41)]
    data = feed("things", rows, ["id"]).encode()
    server.service.faults.add(
        {"kind": kind, "path": "init_stage", "after": 2, "seconds": 3}
    )
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    process = subprocess.Popen(
        [str(BIN / "flext-target-oracle-wms"), "--config", str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=dict(os.environ),
    )
    before = server.service.staging.submits
    process.stdin.write(data)
    process.stdin.close()
    wait_for(lambda: server.service.staging.submits > before)
    process.kill()
    process.wait(10)
    assert process.stdout.read() == b""
    process.stdout.close()
    server.service.faults.clear()
    done = run("flext-target-oracle-wms", config, tmp_path, data=data)
    assert done.returncode == 0, done.stderr
    assert sorted(committed(config, "things")) == list(range(1, 41))


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_random_while_rows_are_staged_a_rerun_completes_it(
    server, fresh, tmp_path, seed
):
    """Rows of the dead run are still on their way when the next one begins."""
    config = fresh(tmp_path) | {"batch_size": 5}
    switches = server.service.switches
    kept = switches.stage_delay_seconds, switches.stage_create_existing
    switches.stage_delay_seconds, switches.stage_create_existing = 1.0, "reject"
    chance = random.Random(seed)  # noqa: S311 - no secret
    try:
        for turn in range(2):
            # Each run has something new to say of every item.
            rows = [{"id": n, "name": f"turn {turn}"} for n in range(1, 41)]
            data = feed("things", rows, ["id"]).encode()
            path = tmp_path / "config.json"
            path.write_text(json.dumps(config))
            process = subprocess.Popen(
                [str(BIN / "flext-target-oracle-wms"), "--config", str(path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            before = server.service.staging.submits
            process.stdin.write(data)
            process.stdin.close()
            some = before + chance.randint(1, 8)
            wait_for(lambda some=some: server.service.staging.submits >= some)
            process.kill()
            process.wait(10)
            assert process.stdout.read() == b""
            process.stdout.close()
        done = run("flext-target-oracle-wms", config, tmp_path, data=data)
        assert done.returncode == 0, done.stderr
    finally:
        switches.stage_delay_seconds, switches.stage_create_existing = kept
    assert sorted(committed(config, "things")) == list(range(1, 41))
    assert not [
        entry["error"]
        for entry in server.service.staging.processed
        if entry["record"].get("company_code") == config["company_code"]
        and entry["error"]
    ]


def wait_for(condition):
    waiting = threading.Event()
    for _ in range(2000):
        if condition():
            return
        waiting.wait(0.01)
    pytest.fail("it did not happen within 20 s")


def test_memory_does_not_grow_with_the_rows(server, tmp_path):
    """20,000 rows take as much memory as 400."""
    rows = server.service.rows
    for number in range(20_000):
        rows.insert("wave", {"run_nbr": f"R{number}", "status_id": 10})
    peaks = []
    for entity in ("order_hdr", "wave"):
        config = {**CONFIG, "entities": [entity]}
        path = tmp_path / f"{entity}.json"
        path.write_text(json.dumps(config))
        code = (
            "import resource,subprocess,sys;"
            "p=subprocess.run(sys.argv[1:],stdout=subprocess.PIPE,"
            "stderr=subprocess.DEVNULL);"
            'n=p.stdout.count(b\'"type":"RECORD"\');'
            "print(p.returncode,n,"
            "resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss//1024)"
        )
        command = str(BIN / "flext-tap-oracle-wms")
        out = subprocess.run(
            [sys.executable, "-c", code, command, "--config", str(path)],
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout
        status, count, peak = map(int, out.split())
        assert status == 0
        peaks.append((count, peak))
    assert [count for count, _ in peaks] == [400, 20_000]
    assert peaks[1][1] - peaks[0][1] < 30
    assert peaks[1][1] < 300


TestTapStandard = get_tap_test_class(
    TapOracleWms,
    config={**TAP_CONFIG, "entities": ["company", "order_hdr", "order_status"]},
    suite_config=SuiteConfig(max_records_limit=50),
)
# Their streams are of anything; what makes no item is rejected.
TestTargetStandard = get_target_test_class(
    TargetOracleWms,
    config={
        **TARGET_CONFIG,
        "max_errors": 1000,
        "field_mapping": {"*": {**NAMES["*"], "Id": "item_alternate_code"}},
    },
)

"""The conformance suite and the SDK's standard suites, against the stand-in."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from flext_oracle_oic.tap import TapOracleOic
from flext_oracle_oic.target import TargetOracleOic
from flext_singer.conformance import (
    TapUnderTest,
    TargetUnderTest,
    tap_suite,
    target_suite,
)
from servers.oic_commands import BIN, Stand
from singer_sdk.testing import SuiteConfig, get_tap_test_class, get_target_test_class

# The suites look at the service while tests are collected, before any fixture.
STAND = Stand(instances=2000)
TAP_CONFIG = {**STAND.config, "streams": ["monitoring_instances"]}
TARGET_CONFIG = {
    **STAND.config,
    "object_types": "lookup_rows",
    "load_method": "upsert",
}


@pytest.fixture(scope="module", autouse=True)
def stand():
    yield STAND
    STAND.close()


OUR_TAP = TapUnderTest(
    command=[str(BIN / "flext-tap-oracle-oic")],
    config=TAP_CONFIG,
    secrets=["oauth_client_secret"],
)


def committed(settings, stream):
    del settings
    row = STAND.lookup(stream)
    if row is None:
        return []
    at = row["columns"].index("id")
    return [int(line["rowData"][at]) for line in row["rows"]]


def configure(folder):
    del folder
    STAND.contents.rows["lookups"][:] = [
        row
        for row in STAND.contents.rows["lookups"]
        if not row["name"].startswith("conformance")
    ]
    return TARGET_CONFIG


OUR_TARGET = TargetUnderTest(
    command=[str(BIN / "flext-target-oracle-oic")],
    configure=configure,
    committed=committed,
    secrets=["oauth_client_secret"],
    records=300,
)


@pytest.mark.parametrize("name", [test.name for test in tap_suite(OUR_TAP).tests])
def test_the_tap_conforms(name):
    (test,) = (t for t in tap_suite(OUR_TAP).tests if t.name == name)
    test().test()


@pytest.mark.parametrize("name", [test.name for test in target_suite(OUR_TARGET).tests])
def test_the_target_conforms(name):
    (test,) = (t for t in target_suite(OUR_TARGET).tests if t.name == name)
    test().test()


def test_memory_does_not_grow_with_the_rows(tmp_path):
    """20,000 rows take as much memory as 2,000."""
    peaks = []
    large = Stand(instances=20_000)
    try:
        for stand in (STAND, large):
            path = tmp_path / f"{len(peaks)}.json"
            config = {**stand.config, "streams": ["monitoring_instances"]}
            path.write_text(json.dumps(config))
            code = (
                "import resource,subprocess,sys;"
                "p=subprocess.run(sys.argv[1:],stdout=subprocess.PIPE,"
                "stderr=subprocess.DEVNULL);"
                'n=p.stdout.count(b\'"type":"RECORD"\');'
                "print(p.returncode,n,"
                "resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss//1024)"
            )
            command = str(BIN / "flext-tap-oracle-oic")
            out = subprocess.run(
                [sys.executable, "-c", code, command, "--config", str(path)],
                capture_output=True,
                check=True,
                timeout=120,
            ).stdout
            status, count, peak = map(int, out.split())
            assert status == 0
            peaks.append((count, peak))
    finally:
        large.close()
    assert [count for count, _ in peaks] == [2000, 20_000]
    assert peaks[1][1] - peaks[0][1] < 30
    assert peaks[1][1] < 300


TestTapStandard = get_tap_test_class(
    TapOracleOic,
    config={
        **STAND.config,
        "streams": ["integrations", "lookups", "monitoring_instances", "lookup_rows"],
    },
    suite_config=SuiteConfig(max_records_limit=50),
)
# Their streams are of anything; what makes no row of a lookup is rejected.
TestTargetStandard = get_target_test_class(
    TargetOracleOic, config={**TARGET_CONFIG, "max_errors": 1000}
)

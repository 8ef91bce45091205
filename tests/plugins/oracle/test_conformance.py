"""The standard suites: the SDK's own, and the crash tests that come with flext-singer.

The SDK's suites look at a plugin while pytest collects, when no database runs yet;
so a second pytest runs them, on a file written for the database of this session.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import oracledb
import pytest
import yaml
from flext_oracle.target import LOAD_METHODS, STORAGE_MODES
from flext_singer.conformance import (
    TapUnderTest,
    TargetUnderTest,
    tap_suite,
    target_suite,
)

pytestmark = pytest.mark.servers

COMMANDS = Path(sys.executable).parent
TAP_SUITE = """
from flext_oracle.tap import TapOracle
from singer_sdk.testing import SuiteConfig, get_tap_test_class

TestTapOracle = get_tap_test_class(
    TapOracle,
    config={config!r},
    suite_config=SuiteConfig(ignore_no_records_for_streams=["app-empty"]),
)
"""
TARGET_SUITE = """
from flext_oracle.target import TargetOracle
from singer_sdk.testing import get_target_test_class

TestTargetOracle = get_target_test_class(TargetOracle, config={config!r})
"""


def run_suite(tmp_path, text):
    path = tmp_path / "test_suite.py"
    path.write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


@pytest.fixture
def people(database):
    database.execute(
        "create table people (id number(9) primary key, name varchar2(100 char),"
        " born date, updated_at timestamp(6), balance number(20,4))"
    )
    with database.connect() as connection:
        connection.cursor().executemany(
            "insert into people values (:1, :2, date '1970-01-01',"
            " timestamp '2024-01-01 00:00:00', :3)",
            [(n, f"name {n} " + "x" * 50, n) for n in range(3000)],
        )
        connection.commit()
    return database


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("key", [None, "id"])
def test_the_sdk_s_tap_suite(tmp_path, settings, key):
    config = {**settings, **({"replication_key": key} if key else {})}
    assert "passed" in run_suite(tmp_path, TAP_SUITE.format(config=config))


@pytest.mark.usefixtures("database")
def test_the_sdk_s_target_suite(tmp_path, settings):
    config = {**settings, "add_record_metadata": True}
    assert "passed" in run_suite(tmp_path, TARGET_SUITE.format(config=config))


def settings_of(server):
    return {"dsn": server.dsn, "username": server.user, "password": server.password}


TAP_TESTS = [test.name for test in tap_suite(TapUnderTest([], {})).tests]
TARGET_TESTS = [
    test.name for test in target_suite(TargetUnderTest([], dict, lambda *_: ())).tests
]


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        *((name, "incremental") for name in TAP_TESTS),
        ("resumes_after_a_kill", "full_table"),
        ("resumes_after_a_kill", "snapshot"),
        ("stops_on_sigterm", "snapshot"),
        ("notices_a_gone_reader", "snapshot"),
    ],
)
def test_the_tap_conforms(people, name, mode):
    more = {
        "full_table": {},
        "incremental": {"replication_key": "id"},
        "snapshot": {"snapshot": True, "chunk_blocks": 1, "parallel_jobs": 2},
    }[mode]
    subject = TapUnderTest(
        command=[str(COMMANDS / "flext-tap-oracle")],
        config={**settings_of(people), **more},
        secrets=["password", "wallet_password"],
    )
    (test,) = (t for t in tap_suite(subject).tests if t.name == name)
    test().test()


@pytest.mark.parametrize("name", TARGET_TESTS)
def test_the_target_conforms(database, name):
    def committed(_settings, stream):
        table = stream.upper().replace("-", "_")
        try:
            return [int(row[0]) for row in database.query(f'select id from "{table}"')]
        except oracledb.DatabaseError:
            return []  # no table yet

    def configure(_folder):
        database.drop_everything()
        return settings_of(database)

    subject = TargetUnderTest(
        command=[str(COMMANDS / "flext-target-oracle")],
        configure=configure,
        committed=committed,
        secrets=["password", "wallet_password"],
        records=25_000,
        environment=dict(os.environ),
    )
    (test,) = (t for t in target_suite(subject).tests if t.name == name)
    test().test()


def test_what_about_says_is_what_the_definition_says():
    path = Path(__file__).parents[3] / "plugins/flext-oracle/flext-oracle.meltano.yml"
    plugins = yaml.safe_load(path.read_text())["plugins"]
    for group, command in (("extractors", "tap"), ("loaders", "target")):
        (definition,) = plugins[group]
        name = f"flext-{command}-oracle"
        about = json.loads(
            subprocess.run(
                [str(COMMANDS / name), "--about", "--format=json"],
                capture_output=True,
                check=True,
                timeout=60,
            ).stdout
        )
        assert definition["name"] == name
        assert definition["executable"] == name
        assert set(definition["capabilities"]) == set(about["capabilities"])
        said = about["settings"]["properties"]
        settings = {s["name"]: s for s in definition["settings"]}
        assert set(settings) == set(said)
        for setting, schema in said.items():
            secret = bool(schema.get("secret"))
            assert settings[setting].get("sensitive", False) == secret, setting


def test_the_definition_translates_the_words_that_the_target_takes():
    path = Path(__file__).parents[3] / "plugins/flext-oracle/flext-oracle.meltano.yml"
    (loader,) = yaml.safe_load(path.read_text())["plugins"]["loaders"]
    words = loader["annotations"]["flexcore"]["words"]
    assert words == {
        "load_method": {
            word: method for method, all_ in LOAD_METHODS.items() for word in all_
        },
        "storage_mode": STORAGE_MODES,
    }

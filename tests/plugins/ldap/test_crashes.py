"""What is left after a crash, on either side, and that a rerun comes to rest."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from servers.ldap_commands import record, run_target, schema, state
from servers.slapd import BASE_LDIF, PEOPLE, Slapd

pytestmark = pytest.mark.servers

TEMPLATE = {"dn_templates": {"users": f"uid={{uid}},{PEOPLE}"}}
COLUMNS = ["uid", "cn", "sn", "title"]


def people(count, title="x", every=50):
    """Records with a STATE after every so many: how many are safe then."""
    yield schema("users", COLUMNS, ["uid"])
    for i in range(count):
        yield record("users", {"uid": f"u{i}", "cn": "c", "sn": "s", "title": title})
        if (i + 1) % every == 0:
            yield state({"done": i + 1})


@pytest.fixture
def server(start_slapd):
    return start_slapd(BASE_LDIF)


def titles(server: Slapd):
    """uid -> title of everyone there, read while the server is down or up."""
    found = {}
    for block in server.dump().split("\n\n"):
        lines = dict(x.split(": ", 1) for x in block.splitlines() if ": " in x)
        if "uid" in lines:
            found[lines["uid"]] = lines.get("title")
    return found


def start_target(folder, config, messages, **environment):
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "input").write_text("".join(json.dumps(m) + "\n" for m in messages))
    with (folder / "input").open("rb") as source:
        return subprocess.Popen(
            [
                Path(sys.executable).parent / "flext-target-ldap",
                "--config",
                folder / "config.json",
            ],
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment},
        )


def last_state(output):
    lines = [line for line in output.splitlines() if line.strip()]
    return json.loads(lines[-1])["done"] if lines else 0


@pytest.mark.parametrize(
    "failpoint",
    [
        "target.after_load:KILL@2",
        "target.before_commit:KILL",
        "target.after_commit:KILL",
        "target.after_state:KILL",
        "target.after_load:TERM@2",
        "target.before_commit:TERM",
    ],
)
def test_a_target_that_is_killed_is_never_ahead_and_its_rerun_comes_to_rest(
    server, tmp_path, failpoint
):
    config = {**server.config, **TEMPLATE, "max_buffer_bytes": 5000}
    messages = list(people(300))
    target = start_target(tmp_path, config, messages, FLEXCORE_FAILPOINT=failpoint)
    out, _ = target.communicate(timeout=60)
    assert target.returncode != 0
    there = titles(server)
    safe = last_state(out)
    assert {f"u{i}" for i in range(safe)} <= set(there)
    assert run_target(tmp_path, config, messages).code == 0
    assert titles(server) == {f"u{i}": "x" for i in range(300)}
    before = server.dump()
    assert run_target(tmp_path, config, messages).code == 0
    assert server.dump() == before


@pytest.mark.parametrize("seed", range(4))
def test_kills_at_random_moments_lose_nothing(server, tmp_path, seed):
    rng = random.Random(seed)  # noqa: S311 (moments, not secrets)
    config = {**server.config, **TEMPLATE, "max_buffer_bytes": 20_000}
    messages = list(people(3000))
    wanted = rng.randrange(100, 2800)
    target = start_target(tmp_path, config, messages)
    deadline = time.monotonic() + 60
    while len(titles(server)) < wanted and target.poll() is None:
        assert time.monotonic() < deadline
    target.kill()
    out, _ = target.communicate(timeout=60)
    assert {f"u{i}" for i in range(last_state(out))} <= set(titles(server))
    assert run_target(tmp_path, config, messages).code == 0
    assert titles(server) == {f"u{i}": "x" for i in range(3000)}


def test_a_server_killed_in_mid_pipeline_is_a_failure_and_the_rerun_mends_it(
    server, tmp_path
):
    config = {
        **server.config,
        **TEMPLATE,
        "max_buffer_bytes": 50_000,
        "max_retries": 0,
    }
    messages = list(people(4000))
    target = start_target(tmp_path, config, messages)
    deadline = time.monotonic() + 60
    while len(titles(server)) < 1000:
        assert time.monotonic() < deadline
        assert target.poll() is None, target.stderr.read()
    server.kill()
    out, err = target.communicate(timeout=60)
    assert target.returncode == 1, err
    assert b"fix:" in err
    assert b"Traceback" not in err
    assert last_state(out) < 4000
    assert {f"u{i}" for i in range(last_state(out))} <= set(titles(server))
    server.start()
    assert run_target(tmp_path, config, messages).code == 0
    assert titles(server) == {f"u{i}": "x" for i in range(4000)}


def test_a_server_that_comes_back_is_waited_for(server, tmp_path):
    """A restart between and within batches: the unknown is read again."""
    config = {
        **server.config,
        **TEMPLATE,
        "max_buffer_bytes": 50_000,
        "max_retries": 8,
    }
    target = start_target(tmp_path, config, people(4000))
    deadline = time.monotonic() + 60
    for reached in (500, 2000):
        while len(titles(server)) < reached:
            assert time.monotonic() < deadline
            assert target.poll() is None, target.stderr.read()
        server.kill()
        server.start()
    out, err = target.communicate(timeout=60)
    assert target.returncode == 0, err
    assert last_state(out) == 4000
    assert titles(server) == {f"u{i}": "x" for i in range(4000)}


def test_two_targets_on_the_same_entries_both_succeed(server, tmp_path):
    """Each finds that the other was faster, reads again, and is content."""
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
    config = {**server.config, **TEMPLATE, "max_buffer_bytes": 10_000}
    both = [start_target(folder, config, people(1500)) for folder in folders]
    for target in both:
        _, err = target.communicate(timeout=100)
        assert target.returncode == 0, err
    assert titles(server) == {f"u{i}": "x" for i in range(1500)}

"""The compose stack, judged by others' tools; its processes, really started."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from servers.postgres import Postgres

from flexcore_gen.outputs.compose import _escaped
from flexcore_gen.render import dump_yaml
from tests.outputs.judges import ask

ECOSYSTEM = """
version: 1
project: acme
connections:
  hr: {system: ldap, url: "ldaps://ldap.example.com", bind_password: "${AD_PASSWORD}"}
  out: {system: ldif, output_path: output/out.ldif}
environments: [production]
outputs: [meltano, compose]
pipelines:
  - name: people
    schedule: "0 2 * * *"
    steps:
      - {name: read, service: flext-tap-ldap, config: {connection: hr}}
      - name: write
        service: flext-target-ldif
        depends_on: [read]
        config: {connection: out}
"""
LDIF_ECOSYSTEM = (
    ECOSYSTEM.replace("flext-tap-ldap", "flext-tap-ldif")
    .replace(
        '{system: ldap, url: "ldaps://ldap.example.com", '
        'bind_password: "${AD_PASSWORD}"}',
        "{system: ldif, path: in.ldif}",
    )
    .replace("{connection: hr}", "{connection: hr, streams: [ldif_entries]}")
)
STRANGE = "p/w@%1$x ?#"
COMPOSE = "deploy/compose/production/compose.yaml"
#: What compose-lint finds, and why it stands.
EXCEPTIONS = {
    ("CL-0019", "runner"): "built here, so there is no digest before it is built",
    (
        "CL-0019",
        "postgres",
    ): "no registry is asked while rendering; own the file to pin",
}
#: What checkov finds in the Dockerfile, and why it stands.
IMAGE_EXCEPTIONS = {
    "CKV_DOCKER_7": "the tag stands in ARG PYTHON_IMAGE, which the check does not read",
    "CKV_DOCKER_2": "no HEALTHCHECK: the schedule is process 1, its end is the answer",
}


def call(*arguments, cwd, **env):
    return subprocess.run(
        arguments,
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.fixture
def generate(tmp_path):
    def generate(text=ECOSYSTEM):
        (tmp_path / "ecosystem.yaml").write_text(text)
        return call("flexcore-gen", "generate", cwd=tmp_path), tmp_path

    return generate


def stack(root):
    return yaml.safe_load((root / COMPOSE).read_text())


def test_others_find_no_fault_in_the_stack_and_its_image(generate):
    done, root = generate()
    assert done.returncode == 0, done.stderr
    schema = ask(
        "check-jsonschema", "--builtin-schema", "vendor.compose-spec", root / COMPOSE
    )
    assert schema.returncode == 0, schema.stdout
    image = ask("hadolint", root / "deploy/container/Dockerfile")
    assert (image.returncode, image.stdout) == (0, "")
    linted = ask("compose-lint", "--format", "json", root / COMPOSE)
    found = json.loads(linted.stdout)
    named = {(f["rule_id"], f["service"]): f["message"] for f in found["findings"]}
    assert named.keys() == EXCEPTIONS.keys(), named
    assert (found["errors"], found["warnings"]) == ([], [])
    image = ask(
        "checkov",
        "--framework",
        "dockerfile",
        "--quiet",
        "--compact",
        "--skip-download",
        "-o",
        "json",
        "-f",
        root / "deploy/container/Dockerfile",
    )
    failed = json.loads(image.stdout)["results"]["failed_checks"]
    assert {check["check_id"] for check in failed} == IMAGE_EXCEPTIONS.keys()


def test_secrets_are_files_and_no_port_is_published(generate):
    _, root = generate()
    found = stack(root)
    assert found["secrets"] == {
        "AD_PASSWORD": {"file": "./secrets/AD_PASSWORD"},
        "POSTGRES_PASSWORD": {"file": "./secrets/POSTGRES_PASSWORD"},
    }
    assert not [s for s in found["services"].values() if "ports" in s]
    assert found["networks"]["backend"] == {"internal": True}
    assert "AD_PASSWORD" not in found["services"]["runner"]["environment"]


def test_an_external_postgres_and_a_digest_leave_only_the_runner(generate):
    digest = f"sha256:{'a' * 64}"
    done, root = generate(
        ECOSYSTEM
        + f"deploy: {{image: {{digest: '{digest}'}}, secrets: {{backend: env}},"
        + " postgres: {host: db.example.com, password: '${PG_PASSWORD}'}}\n"
    )
    assert done.returncode == 0, done.stderr
    found = stack(root)
    assert list(found["services"]) == ["runner"]
    runner = found["services"]["runner"]
    assert runner["image"] == f"flexcore@{digest}"
    assert "build" not in runner
    place = "flexcore@db.example.com:5432/flexcore"
    assert runner["environment"]["FLEXCORE_POSTGRES"] == place
    assert found["secrets"]["PG_PASSWORD"] == {"environment": "PG_PASSWORD"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ECOSYSTEM + "deploy: {parts: [prometheus]}\n", "add prometheus to outputs"),
        (
            ECOSYSTEM.replace("compose]", "compose, grafana]")
            + "deploy: {parts: [grafana]}\n",
            "add prometheus to deploy.parts",
        ),
        (ECOSYSTEM.replace('    schedule: "0 2 * * *"\n', ""), "none has a schedule"),
        (
            ECOSYSTEM + "deploy: {secrets: {backend: vault, store: s}}\n",
            "cannot read secrets from vault",
        ),
    ],
)
def test_what_the_stack_cannot_give_is_told(generate, text, said):
    done, root = generate(text)
    assert done.returncode == 2
    assert said in done.stderr
    assert not (root / COMPOSE).exists()


WATCHED = (
    ECOSYSTEM.replace("compose]", "compose, prometheus, grafana]")
    + """deploy: {parts: [redis, prometheus, grafana]}
watch: {chat: true}
events: {store: "postgresql://runner:${EVENTS_PASSWORD}@db.example.com/flexcore"}
"""
)


def test_others_find_no_fault_in_the_optional_parts(generate):
    done, root = generate(WATCHED)
    assert done.returncode == 0, done.stderr
    schema = ask(
        "check-jsonschema", "--builtin-schema", "vendor.compose-spec", root / COMPOSE
    )
    assert schema.returncode == 0, schema.stdout
    linted = json.loads(ask("compose-lint", "--format", "json", root / COMPOSE).stdout)
    named = {(f["rule_id"], f["service"]): f["message"] for f in linted["findings"]}
    unpinned = {"redis", "prometheus", "alertmanager", "grafana", "metrics"}
    expected = EXCEPTIONS.keys() | {("CL-0019", name) for name in unpinned}
    assert named.keys() == expected, named


def test_the_parts_mount_what_is_rendered_and_reach_each_other(generate):
    _, root = generate(WATCHED)
    found = stack(root)
    services = found["services"]
    for service in services.values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (root / COMPOSE).parent.joinpath(source).exists(), volume
            else:
                assert source in found["volumes"]
    for name in ("metrics", "alertmanager"):
        assert services[name]["network_mode"] == "service:prometheus"
        assert "networks" not in services[name]
    assert services["metrics"]["secrets"] == ["EVENTS_PASSWORD"]
    assert services["alertmanager"]["secrets"] == [
        {
            "source": "chat_webhook_url",
            "target": "/etc/alertmanager/secrets/chat_webhook_url",
        }
    ]
    assert found["secrets"].keys() >= {"chat_webhook_url", "GRAFANA_PASSWORD"}
    published = [p for s in services.values() for p in s.get("ports", ())]
    assert published == ["127.0.0.1:3000:3000"]


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=30)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(TEXTS, TEXTS | st.sampled_from(["no", "1e3", "$HOME", "${A}"])))
def test_no_value_is_replaced_by_compose_or_changes_the_structure(values):
    read = yaml.safe_load(dump_yaml(_escaped(values)))
    assert {key: text.replace("$$", "$") for key, text in read.items()} == values
    assert not any("$" in text.replace("$$", "") for text in read.values())


# the entrypoint ------------------------------------------------------------

SHOW = "import json, os; m = os.umask(0); print(json.dumps([dict(os.environ), m]))"


def enter(root, folder, *command, **env):
    entry = root / "deploy/container/entrypoint.py"
    command = command or (sys.executable, "-c", SHOW)
    place = {"FLEXCORE_SECRETS": str(folder), **env}
    return call(sys.executable, entry, *command, cwd=root, **place)


def test_the_entrypoint_turns_files_into_variables_and_closes_new_files(generate):
    _, root = generate()
    secrets = root / "secrets"
    secrets.mkdir()
    (secrets / "AD_PASSWORD").write_text("p@ss $(x) wörd\n")
    (secrets / "FLEXCORE_POSTGRES_PASSWORD").write_text("a/b@c")
    (secrets / "..data").write_text("no variable")
    done = enter(root, secrets, FLEXCORE_POSTGRES="flexcore@db:5432/flexcore")
    assert done.returncode == 0, done.stderr
    variables, mask = json.loads(done.stdout)
    assert variables["AD_PASSWORD"] == "p@ss $(x) wörd"
    login = "flexcore:a%2Fb%40c@db:5432/flexcore"
    assert variables["MELTANO_DATABASE_URI"] == f"postgresql+psycopg://{login}"
    assert "MELTANO_FLEXCORE_EVENTS_STORE" not in variables
    assert mask == stat.S_IRWXG | stat.S_IRWXO
    assert "..data" not in variables


def test_the_entrypoint_names_what_it_misses_and_shows_no_secret(generate):
    _, root = generate()
    secrets = root / "secrets"
    secrets.mkdir()
    missing = enter(root, secrets, FLEXCORE_POSTGRES="flexcore@db:5432/flexcore")
    assert missing.returncode == 1
    assert "no secret FLEXCORE_POSTGRES_PASSWORD" in missing.stderr
    (secrets / "TOKEN").write_bytes(b"canary\xff")
    broken = enter(root, secrets)
    assert broken.returncode == 1
    assert "secret TOKEN" in broken.stderr
    assert "canary" not in broken.stderr
    assert "Traceback" not in broken.stderr


@pytest.mark.servers
def test_state_is_kept_in_a_real_postgres_whatever_its_password(generate):
    try:
        server = Postgres()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    done, root = generate(LDIF_ECOSYSTEM)
    assert done.returncode == 0, done.stderr
    (root / "in.ldif").write_text("version: 1\n\ndn: dc=x\nobjectClass: top\ndc: x\n")
    secrets = root / "secrets"
    secrets.mkdir()
    (secrets / "FLEXCORE_POSTGRES_PASSWORD").write_text(f"{STRANGE}\n")
    with server:
        with psycopg.connect(server.url(), autocommit=True) as admin:
            admin.execute(f"CREATE ROLE flexcore LOGIN PASSWORD '{STRANGE}'")
            admin.execute("CREATE DATABASE flexcore OWNER flexcore")
        env = {
            "FLEXCORE_POSTGRES": f"flexcore@127.0.0.1:{server.port}/flexcore",
            "FLEXCORE_DIRECTORY": str(root / "flexcore"),
        }
        ran = enter(root, secrets, "meltano", "run", "people", **env)
        assert ran.returncode == 0, ran.stderr[-2000:]
        shown = enter(root, secrets, "flexcore-gen", "runs", "--json", **env)
        assert '"success"' in shown.stdout
        with psycopg.connect(server.url("flexcore")) as admin:
            (ended,) = admin.execute("SELECT state FROM runs").fetchall()
    assert ended == ("SUCCESS",)
    written = root / "output/out.ldif"
    assert "dn: dc=x" in written.read_text()
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert not (root / ".meltano/meltano.db").exists()


# the schedule --------------------------------------------------------------

#: Stands where Meltano would: says when it began, and runs until it is told.
CHILD = """#!{python}
import os, signal, sys, time
name = sys.argv[-1]
log = open({log!r}, "a", buffering=1)
log.write(f"start {{name}} {{os.getpid()}} {{sys.argv[1:]}}\\n")
if {stubborn}:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep({seconds})
log.write(f"end {{name}}\\n")
"""


@contextlib.contextmanager
def scheduling(root, *, seconds, stubborn=False):
    """A real `flexcore-gen schedule` whose pipelines are due every second."""
    log, bin_folder = root / "log", root / "bin"
    bin_folder.mkdir()
    log.touch()
    child = bin_folder / "meltano"
    child.write_text(
        CHILD.format(
            python=sys.executable, log=str(log), seconds=seconds, stubborn=stubborn
        )
    )
    child.chmod(0o755)
    # Cron knows minutes; a sixth field is croniter's own and counts seconds.
    code = (
        "import flexcore_gen.ecosystem as e, dataclasses as d\n"
        "load = e.load_ecosystem\n"
        "def each_second(path):\n"
        "    found = load(path)\n"
        "    return d.replace(found, pipelines=tuple(\n"
        "        d.replace(p, schedule='* * * * * *') for p in found.pipelines))\n"
        "e.load_ecosystem = each_second\n"
        "from flexcore_gen.cli import main\n"
        "main(['schedule'])\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=root,
        env={**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}"},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process, log
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
        for pid in re.findall(r"^start \S+ (\d+)", log.read_text(), re.MULTILINE):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)


def wait_until(condition, what):
    deadline = time.monotonic() + 60
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.05)
    return found


def test_duckdb_pipelines_run_one_after_the_other(generate):
    second = ECOSYSTEM[ECOSYSTEM.index("  - name: people") :]
    _, root = generate(ECOSYSTEM + second.replace("name: people", "name: units"))
    with scheduling(root, seconds=0.3) as (process, log):
        wait_until(lambda: log.read_text().count("end units") >= 2, "two runs of each")
        process.terminate()
        process.wait(10)
        lines = [line.split()[:2] for line in log.read_text().splitlines()]
    finished = lines[: len(lines) - len(lines) % 2]
    for start, end in zip(finished[::2], finished[1::2], strict=True):
        assert (start[0], end) == ("start", ["end", start[1]])


def test_a_pipeline_that_still_runs_is_skipped_and_a_stop_reaches_it(generate):
    _, root = generate()
    with scheduling(root, seconds=100) as (process, log):
        wait_until(log.read_text, "the first run")
        said = ""
        while "skipped, it still runs" not in said:
            said += process.stderr.readline()
        begun = time.monotonic()
        process.terminate()
        assert process.wait(10) == 0
        assert time.monotonic() - begun < 10
        assert "people: stopped" in process.stderr.read()
        (line,) = log.read_text().splitlines()
    assert "'--environment', 'production', 'run', 'people'" in line
    assert not Path(f"/proc/{line.split()[2]}").exists()


def test_a_child_that_does_not_stop_is_killed_within_ten_seconds(generate):
    _, root = generate()
    with scheduling(root, seconds=100, stubborn=True) as (process, log):
        wait_until(log.read_text, "the first run")
        begun = time.monotonic()
        process.terminate()
        assert process.wait(15) == 0
        assert time.monotonic() - begun < 10
        assert "killed, it did not stop" in process.stderr.read()
        pid = log.read_text().split()[2]
    assert not Path(f"/proc/{pid}").exists()

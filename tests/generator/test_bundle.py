"""`flexcore-gen bundle`: what it collects installs and runs without a network."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

ECOSYSTEM = """
version: 1
project: closed-network
warehouse: {system: duckdb, path: data/warehouse.duckdb}
connections:
  people: {system: ldif, path: people.ldif}
environments: [development]
outputs: [meltano]
pipelines:
  - name: people
    steps:
      - {name: extract, service: flext-tap-ldif, config: {connection: people}}
"""
LDIF = "version: 1\n\ndn: uid=a,dc=x\nobjectClass: account\nuid: a\n"


def call(*arguments, cwd, **env):
    return subprocess.run(
        arguments,
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


@pytest.fixture
def project(tmp_path):
    root = tmp_path / "project"
    root.mkdir()
    (root / "ecosystem.yaml").write_text(ECOSYSTEM)
    (root / ".env").write_text("SECRET=canary-5c7e\n")
    assert call("flexcore-gen", "generate", cwd=root).returncode == 0
    return root


@pytest.fixture
def without_network():
    """The start of a command line that runs what follows with no interfaces."""
    unshare = shutil.which("unshare")
    command = [unshare, "--map-root-user", "--net"]
    if unshare is None or subprocess.run([*command, "true"], check=False).returncode:
        pytest.skip("unshare cannot make a network namespace here")
    return command


def test_files_that_are_not_up_to_date_are_not_bundled(project):
    (project / "ecosystem.yaml").write_text(ECOSYSTEM.replace("people.ldif", "p.ldif"))
    ended = call("flexcore-gen", "bundle", cwd=project)
    assert ended.returncode == 1
    assert "run `flexcore-gen generate` first" in ended.stderr
    assert not (project / "bundle").exists()


def test_a_failed_collection_leaves_nothing_behind(project):
    ended = call("flexcore-gen", "bundle", cwd=project, PIP_INDEX_URL="http://[::1]:9/")
    assert ended.returncode == 3
    assert ended.stderr.count("Traceback") == 0
    assert "pip failed" in ended.stderr
    assert not list(project.glob("*bundle*"))


@pytest.mark.end_to_end
def test_a_bundle_installs_and_runs_without_a_network(
    project, tmp_path, without_network
):
    made = call("flexcore-gen", "bundle", "--out", tmp_path / "b", cwd=project)
    if made.returncode and "pip failed" in made.stderr:
        pytest.skip(f"no package index within reach: {made.stderr[-300:]}")
    assert made.returncode == 0, made.stderr
    for path in (tmp_path / "b/project").rglob("*"):
        assert path.name != ".env"
    shutil.rmtree(project)

    host = tmp_path / "host"
    installed = call(*without_network, "sh", "b/install.sh", host, cwd=tmp_path)
    assert installed.returncode == 0, installed.stderr
    (host / "people.ldif").write_text(LDIF)
    path = f"{host}/.venv/bin:/usr/bin:/bin"
    ran = call(*without_network, "meltano", "run", "people", cwd=host, PATH=path)
    assert ran.returncode == 0, ran.stderr
    shown = call(*without_network, "flexcore-gen", "runs", cwd=host, PATH=path)
    assert "success" in shown.stdout

    (wheel, *_) = sorted((tmp_path / "b/wheels").glob("*.whl"))
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    refused = call("sh", "b/install.sh", tmp_path / "other", cwd=tmp_path)
    assert refused.returncode == 1
    assert "the bundle is damaged" in refused.stderr
    assert not (tmp_path / "other").exists()

"""`flexcore-gen new plugin`: its own tests pass, and a pipeline can name it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import sysconfig
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from flexcore_gen.cli import cli

if TYPE_CHECKING:
    from pathlib import Path

PIPELINE = """
pipeline:
  name: customers
  steps:
    - name: read
      service: tap-acme-crm
      config: {connection: crm}
    - name: write
      service: target-acme-crm
      depends_on: [read]
      config: {connection: copy}
"""
ECOSYSTEM = """
version: 1
project: acme
connections:
  crm: {system: acme-crm, path: records.jsonl, password: "${CRM_PASSWORD}"}
  copy: {system: acme-crm, path: copy.db}
environments: [development]
outputs: [meltano]
"""


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
def project(tmp_path, monkeypatch):
    (tmp_path / "ecosystem.yaml").write_text(ECOSYSTEM)
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines/customers.yaml").write_text(PIPELINE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(*arguments):
    return CliRunner().invoke(cli, ["new", "plugin", *arguments])


def refuse(*arguments):
    result = make(*arguments)
    assert result.exception
    return str(result.exception)


@pytest.mark.parametrize("kind", ["tap", "target"])
def test_a_plugin_of_one_kind_has_nothing_of_the_other(project, kind):
    made = make("acme-crm", "--kind", kind)
    assert made.exit_code == 0, made.output
    other = {"tap": "target", "target": "tap"}[kind]
    root = project / "plugins/acme-crm"
    names = {path.name for path in root.rglob("*.py")}
    assert f"{kind}.py" in names
    assert f"{other}.py" not in names
    assert f"test_{other}.py" not in names
    text = (root / "pyproject.toml").read_text()
    text += (root / "acme-crm.meltano.yml").read_text()
    assert f"{other}-acme-crm" not in text


@pytest.mark.parametrize(
    "name", ["Acme", "../acme", "9lives", "a--b", "ldap", "x" * 41]
)
def test_a_name_that_cannot_be_one_is_refused_and_nothing_is_made(project, name):
    assert "name" in refuse(name)
    assert not (project / "plugins").exists()


def test_a_folder_with_something_in_it_is_left_alone(project):
    folder = project / "plugins/acme-crm"
    folder.mkdir(parents=True)
    (folder / "mine.txt").write_text("mine")
    assert "not empty" in refuse("acme-crm")
    assert [path.name for path in folder.iterdir()] == ["mine.txt"]


def test_a_broken_definition_is_told_with_its_file(project):
    folder = project / "plugins/acme-crm"
    folder.mkdir(parents=True)
    (folder / "acme-crm.meltano.yml").write_text(
        "plugins: {extractors: [{name: target-acme-crm}]}"
    )
    ended = call("flexcore-gen", "validate", cwd=project)
    assert ended.returncode == 2
    assert "plugins/acme-crm/acme-crm.meltano.yml:1:1: error" in ended.stderr
    assert "should be tap-<name>" in ended.stderr


@pytest.mark.end_to_end
def test_its_tests_pass_and_meltano_runs_it_from_an_ecosystem(project):
    made = make("acme-crm", "--title", "Acme CRM")
    assert made.exit_code == 0, made.output
    tests = call(
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "plugins/acme-crm",
        cwd=project,
        PYTHONPATH=str(project / "plugins/acme-crm"),
    )
    assert tests.returncode == 0, tests.stdout[-3000:]
    assert "skipped" not in tests.stdout.splitlines()[-1]

    generated = call("flexcore-gen", "generate", cwd=project)
    assert generated.returncode == 0, generated.stderr
    with (project / "records.jsonl").open("w") as lines:
        for number in range(1, 101):
            lines.write(json.dumps({"id": number, "name": f"n{number}"}) + "\n")
    commands = _installed(project)
    path = f"{commands}:{os.environ['PATH']}"
    secret = {"CRM_PASSWORD": "canary"}
    ran = call("meltano", "run", "customers", cwd=project, PATH=path, **secret)
    assert ran.returncode == 0, ran.stderr
    rows = sqlite3.connect(project / "copy.db").execute("select count(*) from records")
    assert rows.fetchone() == (100,)


def _installed(project: Path) -> Path:
    """An environment with the plugin on top of this one's packages."""
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv is missing: `pip install uv`")
    environment = project / "venv"
    made = call(uv, "venv", "--python", sys.executable, environment, cwd=project)
    assert made.returncode == 0, made.stderr
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "ours.pth").write_text(
        f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
    )
    installed = call(
        uv,
        "pip",
        "install",
        "--no-deps",
        "--python",
        environment,
        "-e",
        "plugins/acme-crm",
        cwd=project,
    )
    if installed.returncode and "fetch" in installed.stderr:
        pytest.skip(f"no package index within reach: {installed.stderr[-300:]}")
    assert installed.returncode == 0, installed.stderr
    return environment / "bin"

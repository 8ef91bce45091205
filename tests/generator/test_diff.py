"""`flexcore-gen diff`: what two environments render differently, and nothing else."""

from __future__ import annotations

import json
import subprocess

import pytest

ECOSYSTEM = """
version: 1
project: acme
warehouse: {system: duckdb, path: data/warehouse.duckdb}
connections:
  hr: {system: ldif, path: sample.ldif}
  ad:
    system: ldap
    url: ldaps://ldap.test.example.com
    bind_dn: cn=service,dc=example,dc=com
    password: ${AD_PASSWORD}
    search_base: dc=example,dc=com
environments: [development, staging, production]
outputs: [meltano, dbt, prometheus]
pipelines:
  - name: land
    steps: [{name: read, service: flext-tap-ldif, config: {connection: hr}}]
  - name: people
    steps:
      - {name: read, service: flext-tap-ldif, config: {connection: hr}}
      - name: write
        service: flext-target-ldap
        depends_on: [read]
        config: {connection: ad, max_delete_percent: 5}
"""
PRODUCTION = """
warehouse:
  system: postgres
  host: dwh.example.com
  database: dwh
  username: ${DWH_USER}
  password: ${DWH_PASSWORD}
connections:
  hr: {path: "incoming/*.ldif"}
  ad: {url: "ldaps://ldap.example.com", password: "${AD_PRODUCTION_PASSWORD}"}
pipelines:
  people: {write: {max_delete_percent: 1}}
events: {store: "postgresql://events.example.com/events"}
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "ecosystem.yaml").write_text(ECOSYSTEM)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/production.yaml").write_text(PRODUCTION)
    return tmp_path


def diff(project, *arguments):
    return subprocess.run(
        ["flexcore-gen", "diff", *arguments],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def changed(done):
    return [
        line
        for line in done.stdout.splitlines()
        if line[:1] in "+-" and line[:3] not in ("+++", "---")
    ]


def test_every_value_that_an_overlay_changes_is_shown_and_no_other(project):
    done = diff(project, "development", "production")
    assert done.returncode == 1
    lines = changed(done)
    text = "\n".join(lines)
    for old, new in (
        ("sample.ldif", "incoming/*.ldif"),
        ("ldap.test.example.com", "ldap.example.com"),
        ("${AD_PASSWORD}", "${AD_PRODUCTION_PASSWORD}"),
        ("max_delete_percent: 5", "max_delete_percent: 1"),
        ("duckdb:///", "postgresql://"),
    ):
        assert any(line[0] == "-" and old in line for line in lines), old
        assert any(line[0] == "+" and new in line for line in lines), new
    assert "search_base" not in text
    assert "bind_dn" not in text
    assert "1 file differs between development and production" in done.stderr


def test_environments_without_overlays_are_the_same(project):
    done = diff(project, "development", "staging")
    assert (done.returncode, done.stdout) == (0, "")
    assert "0 files differ" in done.stderr


def test_the_way_back_is_the_same_difference_turned_round(project):
    there = changed(diff(project, "staging", "production"))
    back = changed(diff(project, "production", "staging"))
    turned = [{"+": "-", "-": "+"}[line[0]] + line[1:] for line in back]
    assert sorted(there) == sorted(turned)


def test_machines_get_the_difference_by_file(project):
    done = diff(project, "development", "production", "--json")
    answer = json.loads(done.stdout)
    assert (answer["before"], answer["after"]) == ("development", "production")
    assert "meltano.yml" in [file["path"] for file in answer["files"]]


def test_an_unknown_environment_gets_the_nearest(project):
    done = diff(project, "development", "prodction")
    assert done.returncode == 2
    assert 'did you mean "production"?' in done.stderr

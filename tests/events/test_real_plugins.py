"""FlexCore's own tap and target, with SDK logging, and a real dbt on DuckDB."""

import json
import shutil
from pathlib import Path

import pytest

pytestmark = [pytest.mark.end_to_end, pytest.mark.dbt]

ROOT = Path(__file__).parents[2]
LDIF = """version: 1

dn: cn=Ada,dc=example
objectClass: person
cn: Ada
sn: Lovelace

dn: cn=Alan,dc=example
objectClass: person
cn: Alan
sn: Turing
"""
PROJECT = """
default_environment: dev
project_id: 6f1a1f2c-7f58-4f7e-9b06-2a4a7b6f8f11
send_anonymous_usage_stats: false
cli: {disable_version_check: true}
environments: [{name: dev}]
include_paths: [./plugins/*.meltano.yml]
plugins:
  extractors:
  - name: flext-tap-ldif--people--extract
    inherit_from: flext-tap-ldif
    config: {path: people.ldif}
  - name: flext-tap-warehouse--people--back
    inherit_from: flext-tap-warehouse
    config:
      url: "duckdb:///$MELTANO_PROJECT_ROOT/w.duckdb"
      schema: analytics
      tables: [people]
  loaders:
  - name: flext-target-ldif--people--out
    inherit_from: flext-target-ldif
    config: {output_path: out.ldif}
  - name: flext-target-warehouse--people--land
    inherit_from: flext-target-warehouse
    config: {url: "duckdb:///$MELTANO_PROJECT_ROOT/w.duckdb", schema: raw_ldif}
  utilities:
  - name: dbt
    namespace: dbt
    executable: dbt
    settings:
    - {name: project, env: DBT_PROJECT_DIR, value: $MELTANO_PROJECT_ROOT/transform}
    - {name: profiles, env: DBT_PROFILES_DIR, value: $MELTANO_PROJECT_ROOT/transform}
    - {name: warehouse_path, env: WAREHOUSE_PATH, value: $MELTANO_PROJECT_ROOT/w.duckdb}
    commands: {build: build}
jobs:
- name: people
  tasks:
  - flext-tap-ldif--people--extract flext-target-warehouse--people--land
  - dbt:build
- name: back
  tasks:
  - flext-tap-warehouse--people--back flext-target-ldif--people--out
annotations: {flexcore: {exporters: [{type: openlineage}]}}
"""
TRANSFORM = {
    "dbt_project.yml": """
name: demo
version: "1.0"
profile: demo
flags: {send_anonymous_usage_stats: false, use_colors: false}
""",
    "profiles.yml": """
demo:
  target: dev
  outputs:
    dev: {type: duckdb, path: "{{ env_var('WAREHOUSE_PATH') }}", schema: analytics}
""",
    "models/people.sql": "select dn, 1 as one from {{ source('l', 'ldif_entries') }}\n",
    "models/people.yml": """
sources:
- {name: l, schema: raw_ldif, tables: [{name: ldif_entries}]}
models:
- name: people
  columns:
  - {name: dn, data_tests: [unique]}
  - {name: one, data_tests: [unique]}
""",
}


@pytest.fixture
def real_project(project):
    (project.root / "meltano.yml").write_text(PROJECT)
    (project.root / "people.ldif").write_text(LDIF)
    (project.root / "plugins").mkdir()
    for system in ("ldif", "warehouse"):
        definitions = ROOT / f"plugins/flext-{system}/flext-{system}.meltano.yml"
        shutil.copy(definitions, project.root / "plugins")
    for name, text in TRANSFORM.items():
        path = project.root / "transform" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return project


def test_rows_bytes_models_and_failed_tests_of_real_plugins_are_recorded(real_project):
    result = real_project.run("run", "people", FLEXCORE_DELIVERY="wait")

    assert result.returncode == 1
    events = {event["name"]: event["data"] for event in real_project.envelopes()}
    streams = events["DataExtracted"]["streams"]
    assert streams["ldif_entries"]["extracted"] == 2
    assert streams["ldif_entries"]["loaded"] == 2
    assert streams["ldif_entries"]["bytes"] > 100
    assert events["TargetLoaded"]["destination"].endswith("w.duckdb")
    failed = events["PipelineFailed"]["failed_step"]
    (model,) = failed["models"]
    assert (model["name"], model["status"]) == ("people", "success")
    assert model["failed_tests"] == ["unique_people_one"]
    assert failed["tests"]["passed"] == 1
    assert "unique_people_one" in events["PipelineFailed"]["error"]

    back = real_project.run("run", "back", FLEXCORE_DELIVERY="wait")
    assert back.returncode == 0, back.stderr
    root = real_project.root
    said = (root / ".flexcore" / "openlineage.jsonl").read_text().splitlines()
    ways = []
    for each in map(json.loads, said):
        ends = [
            [(one["namespace"], one["name"].removeprefix(f"{root}/")) for one in side]
            for side in (each["inputs"], each["outputs"])
        ]
        ways += [tuple(ends)] if ends[1] else []
    warehouse = f"duckdb://{root}/w.duckdb"
    changes = (warehouse, "raw_ldif.ldif_changes")
    landed = (warehouse, "raw_ldif.ldif_entries")
    model = (warehouse, "analytics.people")
    assert ways == [
        ([("file", "people.ldif")], [changes, landed]),
        ([landed], [model]),
        ([model], [("file", "out.ldif")]),
    ]


def test_the_error_of_a_real_tap_arrives_with_its_advice(real_project):
    (real_project.root / "people.ldif").write_text("version: 1\n\nno dn here\n")
    result = real_project.run("run", "people")

    assert result.returncode == 1
    data = real_project.last_event()["data"]
    assert data["reason"] == "tap_failed"
    what, where, fix = data["failed_step"]["plugin_error"]["message"].splitlines()
    assert "no colon in 'no dn here'" in what
    assert where.startswith("where: ")
    assert "people.ldif:3" in where
    assert fix.startswith("fix: ")
    assert data["error"].startswith(
        "Extractor failed: flext-tap-ldif--people--extract: no colon in 'no dn here'"
    )

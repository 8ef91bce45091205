"""Golden trees: the diff of `expected/` is the review of a change."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from flexcore_gen.json_schema import json_schema
from flexcore_gen.project import compare_project, write_project

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/ecosystem.yaml"))
#: Copies of packages that have their own tests, links to them, and hashes.
_DEFINITIONS = re.compile(rb"^    settings:\n(?:    [ -] .*\n)*", re.MULTILINE)
_LEFT_OUT = (
    "transform/packages/",
    "transform/packages.yml",
    "transform/dbt_packages/",
    ".flexcore/",
    "deploy/airflow/requirements.txt",
    "deploy/deploy.sh",
)


@pytest.fixture
def generated(tmp_path):
    """Copies an example, generates it, and gives its folder."""

    def generated(name):
        root = tmp_path / name
        shutil.copytree(
            EXAMPLES / name, root, ignore=shutil.ignore_patterns("expected")
        )
        write_project(compare_project(root))
        return root

    return generated


def tree(root):
    return {
        relative: path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
        and not (relative := path.relative_to(root).as_posix()).startswith(_LEFT_OUT)
    }


def without_definitions(files):
    """The files without the settings of base plugins, which the plugins own."""
    return {path: _DEFINITIONS.sub(b"", text) for path, text in files.items()}


@pytest.mark.golden
@pytest.mark.parametrize("name", NAMES)
def test_an_example_renders_as_expected(request, generated, name):
    given = tree(EXAMPLES / name)
    found = {
        path: content
        for path, content in tree(generated(name)).items()
        if path not in given
    }
    expected = EXAMPLES / name / "expected"
    if request.config.getoption("--update-golden"):
        shutil.rmtree(expected, ignore_errors=True)
        for path, content in found.items():
            (expected / path).parent.mkdir(parents=True, exist_ok=True)
            (expected / path).write_bytes(content)
    assert without_definitions(found) == without_definitions(tree(expected))


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_accepted_by_the_editors_schema(name):
    def check(kind, path):
        document = yaml.safe_load(path.read_text())
        jsonschema.Draft202012Validator(json_schema(kind)).validate(document)

    check("ecosystem", EXAMPLES / name / "ecosystem.yaml")
    for path in (EXAMPLES / name).glob("pipelines/*"):
        check("pipeline", path)
    for path in (EXAMPLES / name).glob("config/*"):
        check("overlay", path)


@pytest.mark.parametrize("name", NAMES)
def test_the_editors_schema_refuses_an_unknown_key(name):
    document = yaml.safe_load((EXAMPLES / name / "ecosystem.yaml").read_text())
    document["conections"] = {}
    schema = jsonschema.Draft202012Validator(json_schema("ecosystem"))
    assert list(schema.iter_errors(document))


@pytest.mark.golden
@pytest.mark.dbt
@pytest.mark.parametrize("name", ["customer-data-synchronization", "fan-out"])
def test_dbt_parses_an_example(generated, name):
    root = generated(name)
    document = yaml.safe_load((root / "meltano.yml").read_text())
    (dbt,) = document["plugins"]["utilities"]
    run = subprocess.run(
        [
            Path(sys.executable).with_name("dbt"),
            "parse",
            "--vars",
            json.dumps({"ldap_schema": "raw_directory"}),
        ],
        cwd=root / "transform",
        env={
            **os.environ,
            "DBT_PROFILES_DIR": str(root / "transform/profiles"),
            "DBT_TARGET": dbt["config"]["target"],
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "FLEXCORE_WAREHOUSE_PATH": str(root / "w.duckdb"),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.golden
@pytest.mark.parametrize("name", NAMES)
def test_a_second_generate_of_an_example_changes_nothing(generated, name):
    root = generated(name)
    kinds = {change.kind for change in compare_project(root).changes}
    assert kinds <= {"same", "keep"}


@pytest.mark.golden
def test_the_repositorys_own_ecosystem_is_as_rendered(repository):
    kinds = {change.path: change.kind for change in compare_project(repository).changes}
    assert set(kinds.values()) <= {"same", "keep"}, (
        f"run flexcore-gen generate: {kinds}"
    )

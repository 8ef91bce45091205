"""The CI outputs: judged by other people's tools, and their commands really run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flexcore_gen.render import dump_yaml

WORKFLOW, PIPELINE = ".github/workflows/flexcore.yml", ".gitlab-ci.yml"


def call(*arguments, cwd, **env):
    return subprocess.run(
        arguments,
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = tmp_path_factory.mktemp("ci") / "acme"
    made = call(
        *("flexcore-gen", "init", "acme", "--warehouse=postgres"),
        *("--environment=development", "--environment=staging"),
        *("--environment=production", "--connect=ldap"),
        *("--output=github_actions", "--output=gitlab_ci"),
        cwd=root.parent,
    )
    assert made.returncode == 0, made.stderr
    return root


def load(project, name):
    return yaml.safe_load((project / name).read_text())


@pytest.mark.golden
@pytest.mark.parametrize(
    ("schema", "name"),
    [("vendor.github-workflows", WORKFLOW), ("vendor.gitlab-ci", PIPELINE)],
)
def test_the_schemas_of_both_systems_are_kept(project, schema, name):
    judged = call("check-jsonschema", "--builtin-schema", schema, name, cwd=project)
    assert judged.returncode == 0, judged.stdout


@pytest.mark.golden
def test_zizmor_finds_nothing_in_the_workflow(project):
    command = ("zizmor", "--offline", "--pedantic", "--format=json", WORKFLOW)
    judged = call(*command, cwd=project)
    findings = [finding["ident"] for finding in json.loads(judged.stdout)]
    assert findings == []


def test_the_commands_of_the_check_pass_here_and_fail_on_drift(project):
    """As the runner runs them, in this environment instead of a new one."""
    link = project / ".venv"
    if not link.exists():
        link.symlink_to(Path(sys.prefix))
    steps = load(project, WORKFLOW)["jobs"]["check"]["steps"]
    by_name = {step["name"]: step for step in steps}
    for name in ("Validate, and look for drift", "Parse the models"):
        step = by_name[name]
        ran = call("bash", "-e", "-c", step["run"], cwd=project, **step.get("env", {}))
        assert ran.returncode == 0, ran.stdout + ran.stderr

    script = [
        line for line in load(project, PIPELINE)["check"]["script"] if "pip" not in line
    ]
    script.remove("python3 -m venv .venv")
    variables = load(project, PIPELINE)["check"]["variables"]
    ran = call("bash", "-e", "-c", "\n".join(script), cwd=project, **variables)
    assert ran.returncode == 0, ran.stdout + ran.stderr

    rendered = project / "meltano.yml"
    before = rendered.read_text()
    rendered.write_text(before + "# edited\n")
    drift = by_name["Validate, and look for drift"]["run"]
    assert call("bash", "-e", "-c", drift, cwd=project).returncode == 1
    rendered.write_text(before)


def test_environments_follow_each_other_with_their_own_secrets(project):
    jobs = load(project, WORKFLOW)["jobs"]
    assert list(jobs) == ["check", "build-staging", "build-production"]
    assert jobs["build-production"]["needs"] == ["build-staging"]
    assert jobs["build-production"]["environment"] == "production"
    variables = jobs["build-production"]["steps"][-1]["env"]
    assert variables["WAREHOUSE_PASSWORD"] == "${{ secrets.WAREHOUSE_PASSWORD }}"
    assert "LDAP_PASSWORD" not in variables  # no pipeline uses it
    for step in (s for job in jobs.values() for s in job["steps"]):
        assert "${{" not in step.get("run", "")
    pipeline = load(project, PIPELINE)
    assert pipeline["stages"] == ["check", "build-staging", "build-production"]
    assert pipeline["build-production"]["rules"][0]["when"] == "manual"


def test_actions_are_pinned_by_commit(project):
    uses = re.findall(r"uses: (\S+)", (project / WORKFLOW).read_text())
    assert uses
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", use) for use in uses)


HOSTILE = st.text(
    alphabet=st.sampled_from("ab${}\"'`\\\n\r\t#:&*!|>-?%@ \u2028é<>[],;()"),
    max_size=40,
)


@given(st.dictionaries(HOSTILE, HOSTILE, max_size=4), st.lists(HOSTILE, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_changes_the_structure_of_a_rendered_file(mapping, texts):
    data = {"a": mapping, "b": texts, "c": [{"run": text} for text in texts]}
    assert yaml.safe_load(dump_yaml(data)) == data


@pytest.mark.parametrize("name", ["a; rm -rf /", "$(id)", "${{ github.sha }}", "a\nb"])
def test_a_name_that_could_reach_a_shell_is_refused(tmp_path, name):
    document = {
        "version": 1,
        "project": "acme",
        "environments": ["development", name],
        "outputs": ["github_actions"],
    }
    (tmp_path / "ecosystem.yaml").write_text(json.dumps(document))
    done = call("flexcore-gen", "generate", cwd=tmp_path)
    assert done.returncode == 2
    assert not (tmp_path / WORKFLOW).exists()

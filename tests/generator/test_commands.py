"""The commands, run as users run them."""

import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from flexcore_gen.cli import cli

COMMAND = Path(sys.executable).with_name("flexcore-gen")
ECOSYSTEM = """\
version: 1
project: demo
connections:
  files: {system: ldif, path: in.ldif, output_path: out.ldif}
"""
PIPELINE = """\
pipeline:
  name: p
  steps:
    - {name: read, service: flext-tap-ldif, config: {connection: files}}
    - {name: copy, service: flext-target-ldif, depends_on: [read],
       config: {connection: files}}
"""


@pytest.fixture
def run(tmp_path):
    def run(*arguments, cwd=tmp_path, **env):
        return subprocess.run(
            [COMMAND, *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def root(write):
    return write(ecosystem=ECOSYSTEM, pipelines__p=PIPELINE)


@pytest.mark.usefixtures("root")
def test_a_valid_ecosystem_says_so_in_one_line(run):
    result = run("validate")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == (
        "ecosystem.yaml is valid: 1 connection, 1 pipeline, environments development\n"
    )


def test_errors_go_to_stderr_as_file_line_column(run, root):
    (root / "ecosystem.yaml").write_text(ECOSYSTEM.replace("ldif,", "ldfi,"))
    result = run("validate")
    assert result.returncode == 2
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert lines[0].startswith("ecosystem.yaml:4:19: error: ")
    assert lines[1].startswith("  where: connections.files.system")
    assert lines[2].startswith('  fix:   did you mean "ldif"?')
    assert re.match(r"\d+ errors?, \d+ warnings", lines[-1])
    assert "Traceback" not in result.stderr


def test_validate_answers_machines(run, root):
    (root / "ecosystem.yaml").write_text(ECOSYSTEM + "bad: 1\n")
    result = run("validate", "--json")
    assert result.returncode == 2
    (problem,) = json.loads(result.stdout)["problems"]
    assert (problem["file"], problem["line"], problem["column"]) == (
        "ecosystem.yaml",
        5,
        1,
    )


@pytest.mark.parametrize(
    "arguments", [["generate"], ["check"], ["plan"], ["explain", "meltano.yml"]]
)
def test_every_command_stops_at_a_bad_ecosystem(run, root, arguments):
    (root / "ecosystem.yaml").write_text(ECOSYSTEM + "bad: 1\n")
    result = run(*arguments)
    assert result.returncode == 2
    assert "ecosystem.yaml:5:1: error" in result.stderr
    assert not (root / "meltano.yml").exists()


def test_generate_then_check_then_drift(run, root):
    result = run("generate")
    assert result.returncode == 0
    assert result.stdout == "create   meltano.yml\n1 create\n"
    assert run("check").returncode == 0
    (root / "ecosystem.yaml").write_text(ECOSYSTEM.replace("in.ldif", "other.ldif"))
    result = run("check", "--diff")
    assert result.returncode == 1
    assert "update   meltano.yml" in result.stdout
    assert "+      path: $MELTANO_PROJECT_ROOT/other.ldif" in result.stdout
    assert run("generate").returncode == 0
    assert run("check").returncode == 0


def test_a_conflict_names_the_file_and_both_ways_out(run, root):
    run("generate")
    (root / "meltano.yml").write_text("mine: true\n")
    result = run("generate")
    assert result.returncode == 1
    assert "conflict meltano.yml" in result.stdout
    assert "owned" in result.stderr
    assert "delete the file" in result.stderr
    assert (root / "meltano.yml").read_text() == "mine: true\n"


@pytest.mark.usefixtures("root")
def test_changes_for_machines(run):
    changes = json.loads(run("generate", "--json").stdout)["changes"]
    assert changes == [{"kind": "create", "path": "meltano.yml"}]


def test_what_cannot_be_written_is_exit_code_3(run, root):
    (root / ".flexcore").symlink_to("/nowhere")
    result = run("generate")
    assert result.returncode == 3
    assert "symbolic link" in result.stderr


@pytest.mark.usefixtures("root")
def test_plan_shows_tasks_as_meltano_takes_them(run):
    result = run("plan")
    assert "meltano run flext-tap-ldif--p--read flext-target-ldif--p--copy" in (
        result.stdout
    )
    (pipeline,) = json.loads(run("plan", "--json").stdout)["pipelines"]
    assert pipeline["tasks"][0]["kind"] == "direct"
    result = run("plan", "--pipeline", "q")
    assert result.returncode == 2


@pytest.mark.usefixtures("root")
def test_explain_names_the_lines_that_made_a_file(run):
    run("generate")
    result = run("explain", "meltano.yml")
    assert result.stdout.splitlines() == [
        "meltano.yml: generated, same",
        "  made by  data",
        "  from     ecosystem.yaml:1:1",
        "  from     pipelines/p.yaml:2:9",
    ]
    result = run("explain", "meltano.yaml")
    assert result.returncode == 2
    assert 'did you mean "meltano.yml"?' in result.stderr


def test_list_plugins_shows_the_ten(run):
    result = run("list", "plugins")
    for system in ("ldap", "ldif", "oracle", "oracle-oic", "oracle-wms"):
        assert f"flext-tap-{system} " in result.stdout
        assert f"flext-target-{system} " in result.stdout
    details = run("list", "plugins", "flext-tap-oracle").stdout
    assert re.search(r"password +secret", details)
    assert json.loads(run("list", "plugins", "ldif", "--json").stdout)


def test_a_misspelt_command_gets_the_nearest(run):
    result = run("genrate")
    assert result.returncode == 2
    assert 'did you mean "generate"?' in result.stderr


def test_init_makes_an_environment_that_checks(run, tmp_path):
    result = run("init", "my-data")
    assert result.returncode == 0, result.stderr
    root = tmp_path / "my-data"
    assert yaml.safe_load((root / "ecosystem.yaml").read_text())["project"] == "my-data"
    assert (root / "samples/people.ldif").is_file()
    assert run("check", cwd=root).returncode == 0
    document = yaml.safe_load((root / "meltano.yml").read_text())
    assert document["jobs"][0]["name"] == "people-directory"


EVERY_SYSTEM = ("oracle", "ldap", "oracle-wms", "oracle-oic")


def test_init_takes_flags_for_environments_warehouse_and_systems(run, tmp_path):
    flags = [f"--connect={system}" for system in EVERY_SYSTEM]
    flags += ["--environment=laptop", "--environment=live", "--warehouse=postgres"]
    result = run("init", "my-data", *flags)
    assert result.returncode == 0, result.stderr
    root = tmp_path / "my-data"
    document = yaml.safe_load((root / "meltano.yml").read_text())
    laptop, live = document["environments"]
    assert (laptop["name"], live["name"]) == ("laptop", "live")
    assert "${WAREHOUSE_PASSWORD}" in json.dumps(live)
    assert "${WAREHOUSE_PASSWORD}" not in json.dumps(laptop)
    valid = run("validate", cwd=root)
    assert valid.stdout.startswith("ecosystem.yaml is valid: 6 connections")
    assert run("check", cwd=root).returncode == 0


def test_init_deploys_the_other_environments_and_keeps_the_first_as_it_is(
    run, tmp_path
):
    outputs = [f"--output={name}" for name in ("compose", "kubernetes", "airflow")]
    environments = [f"--environment={name}" for name in ("laptop", "test", "live")]
    result = run("init", "my-data", "--warehouse=postgres", *environments, *outputs)
    assert result.returncode == 0, result.stderr
    root = tmp_path / "my-data"
    deployed = {path.relative_to(root).as_posix() for path in root.glob("deploy/*/*")}
    assert {
        f"deploy/{output}/{name}"
        for output in ("compose", "kubernetes", "airflow")
        for name in ("test", "live")
    } == deployed - {
        "deploy/container/Dockerfile",
        "deploy/container/entrypoint.py",
        "deploy/airflow/requirements.txt",
    }
    assert run("check", cwd=root).returncode == 0
    assert run("diff", "test", "live", cwd=root).returncode == 0


@pytest.mark.parametrize(
    ("options", "fix"),
    [
        (["--output=airflow"], "--warehouse postgres"),
        (["--output=kubernetes", "--environment=live"], "--environment production"),
    ],
)
def test_init_writes_nothing_when_an_output_cannot_be(run, tmp_path, options, fix):
    result = run("init", "my-data", *options)
    assert result.returncode == 2
    assert fix in result.stderr
    assert not (tmp_path / "my-data").exists()


def test_init_asks_and_takes_the_usual_answer_for_enter(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answers = "acme\n\npostgres\nldap, oracle\n\n"
    result = CliRunner().invoke(cli, ["init", "my-data", "--ask"], input=answers)
    assert result.exit_code == 0, result.output
    written = yaml.safe_load((tmp_path / "my-data/ecosystem.yaml").read_text())
    assert written["project"] == "acme"
    assert {"ldap", "oracle"} < set(written["connections"])
    assert written["environments"] == ["development", "production"]
    assert (tmp_path / "my-data/config/production.yaml").is_file()


@pytest.mark.parametrize("asked", ["ldpa", "{{ 1 }}"])
def test_init_refuses_an_answer_that_it_does_not_know(tmp_path, monkeypatch, asked):
    monkeypatch.chdir(tmp_path)
    answers = f"acme\n\nduckdb\n{asked}\n\n"
    result = CliRunner().invoke(cli, ["init", "my-data", "--ask"], input=answers)
    assert "is not known" in str(result.exception)
    assert not (tmp_path / "my-data").exists()


def test_init_leaves_what_is_there_alone(run, tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    result = run("init")
    assert result.returncode == 2
    assert "is not empty: mine.txt" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_init_refuses_a_name_that_is_none(run):
    assert run("init", "x", "--project", "../x").returncode == 2
    assert run("init", "x", "--project", "{{ 1 }}").returncode == 2


@pytest.mark.parametrize("kind", ["ecosystem", "pipeline", "overlay"])
def test_the_schemas_are_schemas(run, kind):
    document = json.loads(run("schema", kind).stdout)
    jsonschema.Draft202012Validator.check_schema(document)


def test_no_colour_without_a_terminal(run, root):
    (root / "ecosystem.yaml").write_text(ECOSYSTEM + "bad: 1\n")
    assert "\x1b" not in run("validate").stderr


def test_a_reader_that_goes_away_is_no_traceback():
    process = subprocess.Popen(
        [COMMAND, "list", "plugins", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    _, stderr = b"", process.stderr.read()
    process.wait(timeout=60)
    process.stderr.close()
    assert b"Traceback" not in stderr


def test_help_imports_nothing_of_weight():
    code = (
        "import sys; from flexcore_gen.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'yaml', 'jinja2', 'meltano', 'cookiecutter', 'pydantic',"
        " 'sqlalchemy', 'flexcore_gen.plan'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_help_answers_at_once(run):
    """150 ms, counted as CPU time so that a busy machine does not matter."""
    run("--help")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert run("--help").returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert used < 0.15


@pytest.mark.parametrize("part", ["pipelines/p.yaml", "config/production.yaml"])
def test_a_part_of_a_project_means_the_project(run, root, part):
    (root / "config").mkdir()
    (root / "config/production.yaml").write_text("connections: {}\n")
    text = (root / "ecosystem.yaml").read_text()
    (root / "ecosystem.yaml").write_text(text + "environments: [dev, production]\n")
    before = {path.name for path in (root / part).parent.iterdir()}
    assert run("generate", part).returncode == 0
    assert {path.name for path in (root / part).parent.iterdir()} == before
    assert run("check").returncode == 0


@pytest.mark.parametrize("arguments", ["validate", "check --json", "runs", "--help"])
def test_an_answer_that_does_not_arrive_is_no_success(run, root, arguments):
    run("generate", cwd=root)

    def shell(redirection):
        return subprocess.run(
            ["sh", "-c", f"{COMMAND} {arguments} {redirection}"],
            cwd=root,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )

    full = shell("> /dev/full")
    assert full.returncode == 3
    assert full.stderr.startswith(
        "flexcore-gen: error: stopped half way: No space left on device\n"
        "  where: standard output\n"
    )
    read, write = os.pipe()
    os.close(read)
    gone = subprocess.run(
        [COMMAND, *arguments.split()],
        cwd=root,
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(write)
    assert (gone.returncode, gone.stderr) == (1, "")
    assert shell(">&-").returncode == 0

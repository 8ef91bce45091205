"""Each environment is deployed by files of its own, and CI goes through them."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import yaml

ECOSYSTEM = """\
version: 1
project: acme
warehouse: {system: duckdb, path: w.duckdb}
connections:
  hr: {system: ldif, path: in.ldif, output_path: out.ldif}
environments: [development, staging, production]
outputs: [meltano, dbt, github_actions, gitlab_ci]
pipelines:
  - name: people
    schedule: "0 2 * * *"
    steps:
      - {name: read, service: flext-tap-ldif, config: {connection: hr}}
"""
STAGING = """\
outputs: [compose, airflow]
warehouse: {system: postgres, host: h, database: d, username: u,
  password: "${DWH_PASSWORD}"}
deploy: {secrets: {backend: env}}
"""
PRODUCTION = """\
outputs: [kubernetes]
warehouse: {system: postgres, host: h, database: d, username: u,
  password: "${DWH_PASSWORD}"}
events: {store: "postgresql://e:${EVENTS_PASSWORD}@h/d"}
deploy:
  namespace: acme-production
  runs: {retries: 7}
  postgres: {host: h}
  egress: ["10.0.0.1/32:5432"]
"""


@pytest.fixture
def generate(tmp_path):
    (tmp_path / "ecosystem.yaml").write_text(ECOSYSTEM)
    (tmp_path / "config").mkdir()

    def generate(*arguments, **overlays):
        for name, text in overlays.items():
            (tmp_path / "config" / f"{name}.yaml").write_text(text)
        return call(*(arguments or ("flexcore-gen", "generate")), cwd=tmp_path)

    return generate


def call(*arguments, cwd, **env):
    return subprocess.run(
        arguments, cwd=cwd, env={**os.environ, **env},
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip


def deployed(root):
    return {p.relative_to(root).as_posix() for p in root.glob("deploy/*/*/*")}


def test_an_environment_is_deployed_as_its_overlay_says(generate, tmp_path):
    done = generate(staging=STAGING, production=PRODUCTION)

    assert done.returncode == 0, done.stderr
    assert deployed(tmp_path) == {
        "deploy/airflow/staging/people.py",
        "deploy/compose/staging/compose.yaml",
        *(
            f"deploy/kubernetes/production/{name}"
            for name in (
                "discovery.yaml", "files.yaml", "namespace.yaml", "network.yaml",
                "pipelines", "prepare.yaml",
            )
        ),
    }  # fmt: skip
    assert (tmp_path / "deploy/container/Dockerfile").exists()
    assert (tmp_path / "deploy/airflow/requirements.txt").exists()
    stack = yaml.safe_load(
        (tmp_path / "deploy/compose/staging/compose.yaml").read_text()
    )
    assert stack["name"] == "acme-staging"
    runner = stack["services"]["runner"]
    assert runner["environment"]["MELTANO_ENVIRONMENT"] == "staging"
    job = yaml.safe_load(
        (tmp_path / "deploy/kubernetes/production/pipelines/people.yaml").read_text()
    )
    assert job["metadata"]["namespace"] == "acme-production"
    assert job["spec"]["jobTemplate"]["spec"]["backoffLimit"] == 7


def test_what_an_environment_no_longer_has_is_removed(generate, tmp_path):
    generate(staging=STAGING, production=PRODUCTION)
    done = generate(staging=STAGING.replace("compose, airflow", "compose"))

    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "deploy/airflow").exists()
    assert (tmp_path / "deploy/compose/staging/compose.yaml").exists()


def test_the_problems_of_all_environments_are_told_at_once_where_they_are(generate):
    done = generate(
        staging=STAGING.replace("backend: env", "backend: vault, store: s"),
        production=PRODUCTION.replace("  egress", "  # egress").replace(
            "  postgres", "  # postgres"
        ),
    )

    assert done.returncode == 2
    assert "config/staging.yaml:1:1: error: compose cannot read" in done.stderr
    assert done.stderr.count("config/production.yaml:1:1: error:") == 2
    assert "3 errors" in done.stderr


def test_engines_side_by_side_are_refused_where_the_warehouse_is_one_file(generate):
    done = generate(
        staging=STAGING.replace("warehouse", "# warehouse").replace(
            "  password", "#  password"
        )
    )

    assert done.returncode == 2
    assert "config/staging.yaml:1:1: error: environment staging: airflow" in done.stderr
    assert "production" not in done.stderr


def test_two_environments_are_compared_by_what_deploys_them(generate):
    generate(staging=PRODUCTION.replace("retries: 7", "retries: 2"))
    done = generate(
        "flexcore-gen", "diff", "staging", "production", production=PRODUCTION
    )

    assert done.returncode == 1
    assert "pipelines/people.yaml" in done.stdout
    changed = [line for line in done.stdout.splitlines() if line[:2] in {"- ", "+ "}]
    assert [line.split() for line in changed] == [
        ["-", "backoffLimit:", "2"],
        ["+", "backoffLimit:", "7"],
    ]


def test_ci_builds_and_deploys_in_the_order_of_the_environments(generate, tmp_path):
    generate(staging=STAGING, production=PRODUCTION)
    jobs = yaml.safe_load((tmp_path / ".github/workflows/flexcore.yml").read_text())[
        "jobs"
    ]
    assert {name: job.get("needs") for name, job in jobs.items()} == {
        "check": None,
        "deploy-staging": ["check"],
        "deploy-production": ["deploy-staging"],
    }
    build, deploy = jobs["deploy-staging"]["steps"][-2:]
    assert deploy["run"] == "sh deploy/deploy.sh staging"
    # Compose takes them from its caller; everything else finds its own.
    assert set(deploy["env"]) == {"DWH_PASSWORD", "POSTGRES_PASSWORD"}
    assert "env" not in jobs["deploy-production"]["steps"][-1]
    assert set(build["env"]) == {"DWH_PASSWORD"}
    pipeline = yaml.safe_load((tmp_path / ".gitlab-ci.yml").read_text())
    assert pipeline["stages"] == ["check", "deploy-staging", "deploy-production"]
    script = pipeline["deploy-production"]["script"]
    assert script[-1] == "sh deploy/deploy.sh production"


def test_the_deploy_script_is_a_persons_from_the_first_moment(generate, tmp_path):
    generate(staging=STAGING)
    script = tmp_path / "deploy/deploy.sh"
    script.write_text("#!/bin/sh\nmine\n")
    assert generate().returncode == 0
    assert script.read_text() == "#!/bin/sh\nmine\n"


@pytest.fixture
def machine(tmp_path):
    """A PATH on which kubectl and docker write down what they are asked."""
    commands = tmp_path / "commands"
    commands.mkdir()
    for name in ("kubectl", "docker"):
        path = commands / name
        path.write_text(
            f"#!{sys.executable}\nimport json, os, sys\n"
            "with open(os.environ['ASKED'], 'a') as file:\n"
            f"    print(json.dumps(['{name}', *sys.argv[1:]]), file=file)\n"
            f"sys.exit('{name} ' + sys.argv[1] == os.environ.get('REFUSED'))\n"
        )
        path.chmod(0o755)
    return {
        "PATH": f"{commands}:{os.environ['PATH']}",
        "ASKED": str(tmp_path / "asked"),
        "AIRFLOW_DAGS_FOLDER": str(tmp_path / "dags"),
    }


def asked(tmp_path):
    path = tmp_path / "asked"
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_deploy_script_applies_what_stands_for_the_environment(
    generate, machine, tmp_path
):
    generate(staging=STAGING, production=PRODUCTION)
    (tmp_path / "bundle").mkdir()
    stale = tmp_path / "dags/flexcore-staging"
    stale.mkdir(parents=True)
    (stale / "gone.py").write_text("")
    (tmp_path / "dags/other.py").write_text("")

    done = call("sh", "deploy/deploy.sh", "staging", cwd=tmp_path, **machine)
    assert done.returncode == 0, done.stderr
    ((_, *compose),) = asked(tmp_path)
    stack = compose[compose.index("-f") + 1]
    assert (tmp_path / stack).is_file()
    assert "--remove-orphans" in compose
    dags = {
        p.relative_to(tmp_path / "dags").as_posix()
        for p in (tmp_path / "dags").rglob("*.py")
    }
    assert dags == {"other.py", "flexcore-staging/people.py"}

    (tmp_path / "asked").unlink()
    done = call("sh", "deploy/deploy.sh", "production", cwd=tmp_path, **machine)
    assert done.returncode == 0, done.stderr
    steps = asked(tmp_path)
    assert [step[1] for step in steps] == ["apply", "delete", "apply", "wait"]
    files = [a for step in steps for a in step if a.startswith("deploy/")]
    assert all((tmp_path / file).exists() for file in files)
    labels = "app.kubernetes.io/managed-by=flexcore-gen"
    assert labels in steps[2]
    for path in (tmp_path / "deploy/kubernetes/production").rglob("*.yaml"):
        for each in yaml.safe_load(path.read_text()).get("items", []):
            if each["kind"] != "Namespace":
                assert each["metadata"]["labels"][labels.partition("=")[0]] == (
                    "flexcore-gen"
                )


def test_a_deployment_that_fails_fails_the_job(generate, machine, tmp_path):
    generate(production=PRODUCTION)
    done = call(
        *("sh", "deploy/deploy.sh", "production"),
        cwd=tmp_path,
        **machine,
        REFUSED="kubectl wait",
    )
    assert done.returncode != 0
    shutil.rmtree(tmp_path / "deploy/kubernetes")
    done = call("sh", "deploy/deploy.sh", "production", cwd=tmp_path, **machine)
    assert done.returncode == 1
    assert "nothing below deploy/ is for an environment called production" in (
        done.stderr
    )

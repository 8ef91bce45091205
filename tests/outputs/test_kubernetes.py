"""Rendered Kubernetes objects, judged by others' tools and by what pods must keep."""

import json
import os
import re
import subprocess
import sys

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from flexcore_gen.outputs.kubernetes_pods import _variable
from tests.outputs.judges import ask

DIGEST = f"sha256:{'a' * 64}"
ECOSYSTEM = f"""
version: 1
project: acme
warehouse: {{system: postgres, host: db.example.com, database: w, username: u,
  password: "${{WAREHOUSE_PASSWORD}}"}}
connections:
  oracle-prod: {{system: oracle, host: h, service_name: s, username: u,
    password: "secret://apps/oracle#password"}}
environments: [production]
outputs: [meltano, dbt, kubernetes]
events: {{store: "postgresql://runner:${{EVENTS_PASSWORD}}@db.example.com/flexcore"}}
deploy:
  image: {{repository: registry.example.com/flexcore, digest: "{DIGEST}"}}
  time_zone: Europe/Berlin
  egress: [10.20.30.40/32:1521, "2001:db8::/64:5432"]
  postgres: {{host: db.example.com, password: "${{PG_PASSWORD}}"}}
pipelines:
  - name: customers
    schedule: "0 2 * * *"
    steps:
      - name: extract
        service: flext-tap-oracle
        config: {{connection: oracle-prod, streams: [APP-CUSTOMERS],
          partition: {{count: 4}}}}
  - name: clean
    schedule: "0 3 * * *"
    steps:
      - name: read
        service: flext-tap-oracle
        config: {{connection: oracle-prod, streams: [APP-ITEMS]}}
      - name: transform
        service: flext-dbt-oracle
        depends_on: [read]
        config: {{model: customer_normalization}}
"""
VAULT = "  secrets: {backend: vault, store: corporate}\n"
FOLDER = "deploy/kubernetes/production"
#: What checkov finds, and why it stands.
EXCEPTIONS: dict[str, str] = {}


@pytest.fixture
def generate(tmp_path):
    def generate(text=ECOSYSTEM):
        (tmp_path / "ecosystem.yaml").write_text(text, "utf-8")
        done = subprocess.run(
            ["flexcore-gen", "generate"],
            cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
        return done, tmp_path

    return generate


def objects(root):
    found = {}
    for path in sorted((root / FOLDER).rglob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text("utf-8")):
            for each in document.get("items", [document]):
                found[each["kind"], each["metadata"]["name"]] = each
    return found


def pod_of(job):
    return job["spec"]["jobTemplate"]["spec"]["template"]["spec"]


def with_vault(text=ECOSYSTEM):
    return text.replace("  time_zone", VAULT + "  time_zone")


def test_others_find_no_fault(generate, tmp_path):
    done, root = generate()
    assert done.returncode == 0, done.stderr
    flat = tmp_path / "flat"
    flat.mkdir()
    for (kind, name), each in objects(root).items():
        (flat / f"{kind}-{name}.yaml").write_text(yaml.safe_dump(each), "utf-8")
    valid = ask(
        "kubernetes-validate", "--strict", "-k", "1.32", *sorted(flat.iterdir())
    )
    assert valid.returncode == 0, valid.stdout + valid.stderr
    policy = ask(
        "checkov", "--framework", "kubernetes", "--quiet", "--compact",
        "--skip-download", "-o", "json", "-d", flat,
    )  # fmt: skip
    results = json.loads(policy.stdout)
    failed = {
        (c["check_id"], c["resource"]) for c in results["results"]["failed_checks"]
    }
    assert {check for check, _ in failed} == EXCEPTIONS.keys(), failed
    assert results["summary"]["passed"] > 100


def test_the_judges_find_what_is_wrong(generate, tmp_path):
    _, root = generate()
    job = objects(root)["CronJob", "clean"]
    pod_of(job)["securityContext"]["runAsNonRoott"] = True
    broken = tmp_path / "broken.yaml"
    broken.write_text(yaml.safe_dump(job), "utf-8")
    assert ask("kubernetes-validate", "--strict", "-k", "1.32", broken).returncode


def test_parts_alone_are_an_indexed_job_and_each_pod_runs_its_own(generate):
    _, root = generate()
    job = objects(root)["CronJob", "customers"]
    spec = job["spec"]["jobTemplate"]["spec"]
    assert (spec["completionMode"], spec["completions"]) == ("Indexed", 4)
    assert (spec["parallelism"], spec["backoffLimitPerIndex"]) == (4, 2)
    (container,) = spec["template"]["spec"]["containers"]
    env = {e["name"]: e.get("value") for e in container["env"]}
    show = "import json, sys; print(json.dumps(sys.argv[1:]))"
    folder = root / "none"
    ran = []
    for index in range(4):
        done = subprocess.run(
            [sys.executable, root / "deploy/container/entrypoint.py",
             sys.executable, "-c", show, *container["args"][1:]],
            env={**os.environ, "FLEXCORE_SECRETS": str(folder),
                 "FLEXCORE_PARTS": env["FLEXCORE_PARTS"],
                 "JOB_COMPLETION_INDEX": str(index)},
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        words = json.loads(done.stdout)
        assert words[:3] == ["run", "--run-id", "$(FLEXCORE_ENGINE_RUN)"]
        ran.append(words[3:])
    jobs = yaml.safe_load((root / "meltano.yml").read_text())["jobs"]
    (tasks,) = (j["tasks"] for j in jobs if j["name"] == "customers")
    assert [" ".join(words) for words in ran] == tasks
    assert all(tap.endswith(f"--p{n}") for n, (tap, _) in enumerate(ran, 1))


def test_steps_that_follow_each_other_run_in_order_in_one_pod(generate):
    _, root = generate()
    job = objects(root)["CronJob", "clean"]
    assert job["spec"]["timeZone"] == "Europe/Berlin"
    assert job["spec"]["concurrencyPolicy"] == "Forbid"
    spec = job["spec"]["jobTemplate"]["spec"]
    assert "completions" not in spec
    (container,) = spec["template"]["spec"]["containers"]
    assert container["args"][-1] == "clean"
    assert container["image"] == f"registry.example.com/flexcore@{DIGEST}"


def test_each_secret_is_a_mounted_file_and_none_is_a_variable(generate):
    done, root = generate(with_vault())
    assert done.returncode == 0, done.stderr
    found = objects(root)
    secret = found["ExternalSecret", "flexcore-secrets"]["spec"]
    assert secret["secretStoreRef"] == {
        "name": "corporate",
        "kind": "ClusterSecretStore",
    }
    kept = {e["secretKey"]: e["remoteRef"] for e in secret["data"]}
    assert kept.pop("WAREHOUSE_PASSWORD") == {"key": "WAREHOUSE_PASSWORD"}
    assert kept.pop("EVENTS_PASSWORD") == {"key": "EVENTS_PASSWORD"}
    assert kept.pop("PG_PASSWORD") == {"key": "PG_PASSWORD"}
    (oracle,) = kept.values()
    assert oracle == {"key": "apps/oracle", "property": "password"}
    pod = pod_of(found["CronJob", "clean"])
    (volume,) = (v for v in pod["volumes"] if v["name"] == "secrets")
    (source,) = volume["projected"]["sources"]
    items = {i["path"]: i["key"] for i in source["secret"]["items"]}
    assert items["FLEXCORE_POSTGRES_PASSWORD"] == "PG_PASSWORD"
    assert {e["secretKey"] for e in secret["data"]} == set(items.values())
    for entry in pod["containers"][0]["env"]:
        assert "secretKeyRef" not in entry.get("valueFrom", {})


def test_a_pod_finds_the_secrets_of_its_pipeline_and_no_other(generate):
    other = '  hr: {system: ldap, url: "ldaps://h", bind_password: "${HR_PASSWORD}"}\n'
    text = ECOSYSTEM.replace("environments:", other + "environments:", 1)
    text += """  - name: people
    schedule: "0 4 * * *"
    steps:
      - {name: read, service: flext-tap-ldap, config: {connection: hr}}
"""
    done, root = generate(text)
    assert done.returncode == 0, done.stderr
    found = objects(root)

    def keys(spec):
        (volume,) = (v for v in spec["volumes"] if v["name"] == "secrets")
        return {i["key"] for i in volume["projected"]["sources"][0]["secret"]["items"]}

    every = {"WAREHOUSE_PASSWORD", "EVENTS_PASSWORD", "PG_PASSWORD"}
    people = keys(pod_of(found["CronJob", "people"]))
    clean = keys(pod_of(found["CronJob", "clean"]))
    prepare = keys(found["Job", "flexcore-prepare"]["spec"]["template"]["spec"])
    assert people == every | {"HR_PASSWORD"}
    assert not clean & {"HR_PASSWORD"}
    assert clean - every  # the secret of oracle-prod, by whatever name
    assert prepare == every


def test_pods_reach_what_is_listed_and_nothing_else(generate):
    _, root = generate()
    found = objects(root)
    closed = found["NetworkPolicy", "closed"]["spec"]
    assert closed == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    egress = found["NetworkPolicy", "clean-egress"]["spec"]["egress"]
    assert [
        (way["to"][0]["ipBlock"]["cidr"], way["ports"][0]["port"]) for way in egress[1:]
    ] == [("10.20.30.40/32", 1521), ("2001:db8::/64", 5432)]


def test_the_quota_lets_every_pipeline_run_at_once(generate):
    _, root = generate(
        ECOSYSTEM.replace("  time_zone", "  resources: {cpus: '0.5'}\n  time_zone")
    )
    hard = objects(root)["ResourceQuota", "flexcore"]["spec"]["hard"]
    # Four parts, one pod in order and the preparation; twice.
    assert hard == {"pods": "12", "limits.cpu": "6000m", "limits.memory": "12288Mi"}


def test_files_outlive_the_pod_that_wrote_them(generate):
    ldif = "  out: {system: ldif, output_path: output/out.ldif}\nenvironments"
    done, root = generate(ECOSYSTEM.replace("environments", ldif, 1))
    assert done.returncode == 0, done.stderr
    found = objects(root)
    assert ("PersistentVolumeClaim", "flexcore-files") in found
    (container,) = pod_of(found["CronJob", "clean"])["containers"]
    places = {m["mountPath"]: m["name"] for m in container["volumeMounts"]}
    assert places["/srv/project/output"] == "files"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (r"    schedule: .*\n", "", "none has a schedule"),
        (r"  postgres: \{host.*\n", "", "state needs a Postgres"),
        (r"events: .*\n", "", "need a store in Postgres"),
        (r"  egress: .*\n", "", "would reach nothing"),
        (r"  time_zone", "  secrets: {backend: env}\n  time_zone", "readable in a pod"),
    ],
)
def test_what_a_pod_would_lose_is_refused(generate, old, new, said):
    done, root = generate(re.sub(old, new, ECOSYSTEM))
    assert done.returncode == 2
    assert said in done.stderr
    assert not (root / FOLDER).exists()


@given(st.text())
def test_no_value_of_a_variable_is_replaced(value):
    written = _variable("NAME", value)["value"]
    assert written.replace("$$", "").count("$") == 0
    assert written.replace("$$", "$") == value


def test_compose_and_kubernetes_share_one_image(generate):
    text = ECOSYSTEM.replace("dbt, kubernetes", "dbt, compose, kubernetes")
    done, root = generate(text)
    assert done.returncode == 0, done.stderr
    assert (root / "deploy/container/Dockerfile").exists()
    assert (root / "deploy/compose/production/compose.yaml").exists()

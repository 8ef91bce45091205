"""meltano.yml as Meltano wants it, with names, environments and the batch lane."""

import importlib.resources
import json
import re
import shlex

import jsonschema
import pytest
import yaml

from flexcore_gen.plan import plan_files
from flexcore_gen.render import render

ECOSYSTEM = """\
version: 1
project: demo
warehouse: {system: duckdb, path: data/w.duckdb}
connections:
  files: {system: ldif, path: [in/*.ldif, /abs/b.ldif], output_path: out/x.ldif}
  db: {system: oracle, host: h, service_name: s, username: u, password: "${DB_PW}"}
  ad: {system: ldap, url: "ldaps://h", bind_dn: cn=a, password: "${AD_PW}"}
  oic: {system: oracle-oic, base_url: "https://o", integration_instance: i,
    oauth_client_id: i, oauth_client_secret: "${OIC}", oauth_token_url: "https://t"}
  wms: {system: oracle-wms, base_url: "https://w", username: u, password: "${WMS}"}
defaults: {max_retries: 7}
environments: [development, production]
events:
  store: "postgresql://${U}:${P}@h/events"
  handlers: [{type: webhook, url: "${HOOK}"}]
"""
PIPELINE = """\
pipeline:
  name: {name}
  description: "what it's for: #1"
  schedule: "0 3 * * *"
  steps:
    - name: read
      service: flext-tap-ldif
      config: {{connection: files, strict_parsing: false}}
    - {{name: oic, service: flext-tap-oracle-oic, config: {{connection: oic}}}}
    - {{name: wms, service: flext-tap-oracle-wms, config: {{connection: wms}}}}
    - name: model
      service: flext-dbt-ldif
      depends_on: [read]
      config: {{model: people_{index}, vars: {{note: "it's; $(x)".}}}}
    - name: write
      service: flext-target-ldap
      depends_on: [model]
      config: {{connection: ad}}
    - name: copy
      service: flext-target-oracle
      depends_on: [oic]
      config: {{connection: db}}
    - name: send
      service: flext-target-oracle-oic
      depends_on: [wms]
      config: {{connection: oic}}
""".replace('"it\'s; $(x)".', '"it\'s; (x) | y"')
OVERLAY = """\
connections: {files: {path: prod/*.ldif}}
warehouse: {system: postgres, host: pg, database: w, username: u, password: "${PG}"}
defaults: {max_retries: 9}
pipelines: {p: {read: {strict_parsing: true}}}
events: {store: "sqlite:///prod.db"}
"""


@pytest.fixture(scope="session")
def meltano_schema():
    text = (
        importlib.resources.files("meltano.schemas") / "meltano.schema.json"
    ).read_text()
    return jsonschema.Draft202012Validator(json.loads(text))


@pytest.fixture
def rendered(project):
    def rendered(**files):
        found = {}
        for file in plan_files(project(**files)):
            found[file.path] = render(file, "ecosystem.yaml").content.decode()
        return found

    return rendered


@pytest.fixture
def meltano(rendered):
    return yaml.safe_load(
        rendered(
            ecosystem=ECOSYSTEM,
            pipelines__p=PIPELINE.format(name="p", index=0),
            config__production=OVERLAY,
        )["meltano.yml"]
    )


def plugin(document, name):
    return next(
        p for section in document.values() for p in section if p["name"] == name
    )


def test_meltanos_own_schema_accepts_it(meltano, meltano_schema):
    assert [error.message for error in meltano_schema.iter_errors(meltano)] == []


def test_it_asks_nobody_and_tells_nobody(meltano):
    assert meltano["send_anonymous_usage_stats"] is False
    assert meltano["cli"] == {"disable_version_check": True}
    assert meltano["project_readonly"] is True
    assert meltano["elt"] == {"buffer_size": 10_485_760}
    assert meltano["requires_meltano"]
    for section in ("extractors", "loaders"):
        for entry in meltano["plugins"][section]:
            assert "pip_url" not in entry
            assert "inherit_from" in entry or entry["namespace"]


def test_the_project_id_comes_from_the_name_alone(meltano, rendered):
    other = ECOSYSTEM.replace("max_retries: 7", "max_retries: 1")
    document = yaml.safe_load(
        rendered(
            ecosystem=other,
            pipelines__p=PIPELINE.format(name="p", index=0),
            config__production=OVERLAY,
        )["meltano.yml"]
    )
    assert document["project_id"] == meltano["project_id"]


def test_a_step_inherits_from_its_connection_and_that_from_the_plugin(meltano):
    plugins = meltano["plugins"]
    step = plugin(plugins, "flext-tap-ldif--p--read")
    connection = plugin(plugins, step["inherit_from"])
    assert connection["name"] == "flext-tap-ldif--files"
    assert connection["inherit_from"] == "flext-tap-ldif"
    assert step["config"] == {"strict_parsing": False}


def test_no_two_tasks_share_a_plugin(meltano):
    blocks = [
        name
        for job in meltano["jobs"]
        for task in job["tasks"]
        for name in task.split()
    ]
    assert len(blocks) == len(set(blocks))


def test_relative_paths_count_from_the_projects_root(meltano):
    config = plugin(meltano["plugins"], "flext-tap-ldif--files")["config"]
    assert config["path"] == ["$MELTANO_PROJECT_ROOT/in/*.ldif", "/abs/b.ldif"]


def test_a_plugin_gets_only_the_settings_of_a_connection_that_it_knows(meltano):
    config = plugin(meltano["plugins"], "flext-tap-ldif--files")["config"]
    assert "output_path" not in config


def test_defaults_stand_once_at_the_base_plugins(meltano):
    assert plugin(meltano["plugins"], "flext-tap-ldif")["config"]["max_retries"] == 7


def test_both_ends_of_a_task_exchange_files(meltano):
    roots = {
        plugin(meltano["plugins"], name)["config"]["batch_config"]["storage"]["root"]
        for name in ("flext-tap-ldif", "flext-target-warehouse", "flext-target-ldap")
    }
    assert roots == {"$MELTANO_PROJECT_ROOT/.meltano/batches/$MELTANO_EXTRACTOR_NAME"}


def test_an_environment_holds_only_what_differs(meltano):
    development, production = meltano["environments"]
    assert development == {"name": "development"}
    plugins = production["config"]["plugins"]
    assert plugin(plugins, "flext-tap-ldif--files")["config"] == {
        "path": "$MELTANO_PROJECT_ROOT/prod/*.ldif"
    }
    assert plugin(plugins, "flext-tap-ldif--p--read")["config"] == {
        "strict_parsing": True
    }
    assert plugin(plugins, "flext-tap-ldif")["config"] == {"max_retries": 9}
    assert plugin(plugins, "dbt")["config"]["target"] == "postgres"
    assert plugin(plugins, "dbt")["config"]["warehouse_password"] == "${PG}"


def test_the_warehouse_of_an_environment_reaches_its_plugins(meltano):
    base = plugin(meltano["plugins"], "flext-target-warehouse")["config"]
    assert base["url"] == "duckdb:///$MELTANO_PROJECT_ROOT/data/w.duckdb"
    plugins = meltano["environments"][1]["config"]["plugins"]
    changed = plugin(plugins, "flext-target-warehouse")["config"]
    assert changed["url"].startswith("postgresql://")
    assert "${PG}" in json.dumps(changed)


def test_an_oracle_warehouse_and_its_environments_reach_the_oracle_plugins(rendered):
    oracle = "warehouse: {system: oracle, host: %s, service_name: s, username: u,"
    oracle += ' password: "${PW}"}'
    files = rendered(
        ecosystem=re.sub("warehouse: {.*}", oracle % "dev", ECOSYSTEM),
        pipelines__p=PIPELINE.format(name="p", index=0),
        config__production=oracle % "prod" + "\n",
    )
    document = yaml.safe_load(files["meltano.yml"])
    target = plugin(document["plugins"], "flext-target-oracle--warehouse")["config"]
    # The dbt packages date rows by the _sdc_ columns, whatever the warehouse.
    assert target["add_record_metadata"] is True
    assert target["host"] == "dev"
    changed = document["environments"][1]["config"]["plugins"]
    for name in ("flext-target-oracle--warehouse", "flext-tap-oracle--warehouse"):
        assert plugin(changed, name)["config"] == {"host": "prod"}
    profile = yaml.safe_load(files["transform/profiles/profiles.yml"])
    assert profile["flexcore"]["outputs"]["oracle"]["protocol"] == "tcp"
    assert "database" not in profile["flexcore"]["outputs"]["oracle"]


def test_the_event_hook_finds_its_store(meltano):
    notes = meltano["annotations"]["flexcore"]
    assert notes["events_store"] == "postgresql://${U}:${P}@h/events"
    assert notes["handlers"] == [{"type": "webhook", "url": "${HOOK}"}]
    production = meltano["environments"][1]["annotations"]["flexcore"]
    assert production["events_store"] == "sqlite:///prod.db"


def test_the_dbt_command_survives_meltanos_splitting(meltano):
    command = plugin(meltano["plugins"], "dbt")["commands"]["build-p"]["args"]
    arguments = shlex.split(command)
    assert arguments[:3] == ["build", "--exclude-resource-type", "unit_test"]
    assert arguments[3:6] == ["--select", "+people_0", "--vars"]
    assert json.loads(arguments[6]) == {
        "ldif_schema": "raw_files",
        "note": "it's; (x) | y",
    }


def test_a_pipeline_is_a_job_with_a_schedule(meltano):
    (job,) = meltano["jobs"]
    assert job["name"] == "p"
    assert meltano["schedules"] == [{"name": "p", "interval": "0 3 * * *", "job": "p"}]


def test_many_pipelines_are_split_into_files_that_stay_valid(rendered, meltano_schema):
    count = 51
    files = {
        f"pipelines/p{n}.yaml": PIPELINE.format(name=f"p{n}", index=n)
        for n in range(count)
    }
    found = rendered(ecosystem=ECOSYSTEM, **files)
    main = yaml.safe_load(found["meltano.yml"])
    assert main["include_paths"] == ["./meltano/*.meltano.yml"]
    assert "jobs" not in main
    for n in range(count):
        part = yaml.safe_load(found[f"meltano/p{n}.meltano.yml"])
        assert part["jobs"][0]["name"] == f"p{n}"
        assert not list(meltano_schema.iter_errors(part))
    assert not list(meltano_schema.iter_errors(main))


def test_an_isolated_installation_names_packages(rendered):
    document = yaml.safe_load(
        rendered(
            ecosystem=ECOSYSTEM + "install: isolated\n",
            pipelines__p=PIPELINE.format(name="p", index=0),
        )["meltano.yml"]
    )
    assert plugin(document["plugins"], "flext-tap-ldif")["pip_url"] == "flext-ldif"
    step = plugin(document["plugins"], "flext-tap-ldif--p--read")
    assert "pip_url" not in step

"""Every block of the integration guide that configures FlexCore loads as it stands."""

import json

import pytest

from flexcore_gen.ecosystem import load_ecosystem
from flexcore_gen.errors import InvalidEcosystemError
from flexcore_gen.plan import plan_files, plan_project


def said(ecosystem):
    return {f"{r.mark.line}:{r.mark.column} {r.what}" for r in ecosystem.remarks}


@pytest.mark.parametrize(
    "name",
    [
        "config-development.yaml",
        "config-production.yaml",
        "flext-service.yaml",
        "ldap-integration.yaml",
        "oracle-integration.yaml",
        "pipeline-customer-data-synchronization.yaml",
        "singer-etl-001-request.json",
    ],
)
def test_a_block_is_valid_as_it_stands_and_says_what_it_became(blocks, name):
    project = plan_project(load_ecosystem(blocks / name))
    assert project.ecosystem.remarks
    plan_files(project)


def test_connection_pools_become_connections_with_named_credentials(blocks):
    ecosystem = load_ecosystem(blocks / "oracle-integration.yaml")
    prod = ecosystem.connections["oracle-prod"]
    assert prod.system == "oracle"
    assert prod.settings["host"] == "oracle.prod.company.com"
    assert prod.settings["username"] == "${ORACLE_PROD_USERNAME}"
    assert prod.settings["password"] == "${ORACLE_PROD_PASSWORD}"
    assert any('became connection "oracle-staging"' in line for line in said(ecosystem))


def test_directory_connections_become_connections(blocks):
    ecosystem = load_ecosystem(blocks / "ldap-integration.yaml")
    settings = ecosystem.connections["active-directory"].settings
    assert settings["base_dn"] == "dc=company,dc=com"
    assert settings["password"] == "${ACTIVE_DIRECTORY_PASSWORD}"


def test_the_password_of_a_connection_string_is_dropped_with_a_warning(blocks):
    ecosystem = load_ecosystem(blocks / "config-development.yaml")
    assert ecosystem.connections["oracle"].settings == {
        "host": "localhost",
        "port": 1521,
        "service_name": "XEPDB1",
        "username": "dev",
        "password": "${ORACLE_PASSWORD}",
    }
    (warning,) = [r for r in ecosystem.remarks if r.severity == "warning"]
    assert (warning.mark.line, warning.mark.column) == (29, 26)
    assert "holds a password" in warning.what
    assert "dev:password" not in str(warning)


def test_the_database_of_an_environment_is_the_event_store(blocks):
    ecosystem = load_ecosystem(blocks / "config-production.yaml")
    assert ecosystem.events["store"] == (
        "postgresql://${FLEXCORE_DATABASE_USERNAME}:${FLEXCORE_DATABASE_PASSWORD}"
        "@internal.invalid:5432/flexcore_prod?sslmode=require"
    )
    assert [e.name for e in ecosystem.environments] == ["production"]


def test_timeouts_and_retries_become_defaults(blocks):
    ecosystem = load_ecosystem(blocks / "flext-service.yaml")
    assert ecosystem.defaults == {"request_timeout_seconds": 30, "max_retries": 3}


def test_what_has_no_meaning_here_is_named_with_its_place(blocks):
    lines = said(load_ecosystem(blocks / "config-production.yaml"))
    assert any(line.startswith("23:5 services.redis is not used") for line in lines), (
        lines
    )


def test_the_customer_pipeline_becomes_four_tasks(blocks):
    name = "pipeline-customer-data-synchronization.yaml"
    (plan,) = plan_project(load_ecosystem(blocks / name)).pipelines
    assert [task.kind for task in plan.tasks] == ["land", "build", "load", "load"]
    assert plan.tasks[0].tap.settings["queries"] == [
        {
            "name": "extract_oracle_customers",
            "sql": "SELECT * FROM customers WHERE updated_at > ?",
        }
    ]
    assert plan.tasks[2].tap.generated["tables"] == ["customer_normalization"]
    assert plan.tasks[3].target.settings["batch_size"] == 500


def test_the_request_becomes_a_split_extract_a_model_and_a_load(blocks):
    project = plan_project(load_ecosystem(blocks / "singer-etl-001-request.json"))
    (plan,) = project.pipelines
    assert plan.pipeline.name == "singer-etl-001"
    assert [task.kind for task in plan.tasks] == ["land"] * 4 + ["build", "load"]
    assert plan.pipeline.metadata["data_classification"] == "customer-data"


def test_a_request_without_transform_loads_straight(tmp_path):
    request = {
        "pipeline_config": {"tap": "flext-tap-ldap", "target": "flext-target-oracle"},
        "parameters": {"source_connection": "ad", "target_connection": "db"},
    }
    path = tmp_path / "copy-directory.json"
    path.write_text(json.dumps(request))
    (plan,) = plan_project(load_ecosystem(path)).pipelines
    assert plan.pipeline.name == "copy-directory"
    assert [task.kind for task in plan.tasks] == ["direct"]


def test_all_blocks_make_one_ecosystem(blocks, write):
    """The guide's files, put where the guide puts them, work together."""

    def text(name):
        return (blocks / name).read_text()

    root = write(
        **{
            "ecosystem.yaml": "version: 1\nproject: guide\n"
            + text("oracle-integration.yaml")
            + text("ldap-integration.yaml")
            + text("flext-service.yaml")
            + "connections:\n  wms-staging: {system: oracle-wms, "
            'base_url: "https://w", username: u, password: "${WMS_PASSWORD}"}\n',
            "pipelines/customer-data-synchronization.yaml": text(
                "pipeline-customer-data-synchronization.yaml"
            ),
            "pipelines/singer-etl-001.json": text("singer-etl-001-request.json"),
            "config/development.yaml": text("config-development.yaml"),
            "config/production.yaml": text("config-production.yaml"),
        }
    )
    project = plan_project(load_ecosystem(root))
    assert len(project.pipelines) == 2
    assert sorted(project.ecosystem.connections) == [
        "active-directory",
        "ldap",
        "oracle",
        "oracle-prod",
        "oracle-staging",
        "wms-staging",
    ]
    assert not [
        r
        for r in project.ecosystem.remarks
        if "password" in r.what.lower() and "dev:" in r.what
    ]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("docker-compose.ecosystem.yaml", "Compose file"),
        ("kubernetes-flexcore-deployment.yaml", "Kubernetes manifest"),
        ("kubernetes-service-discovery.yaml", "Kubernetes manifest"),
        ("prometheus.yaml", "Prometheus configuration"),
        ("grafana-dashboard.json", "Grafana dashboard"),
    ],
)
def test_what_flexcore_renders_is_recognised_and_refused(blocks, name, kind):
    with pytest.raises(InvalidEcosystemError) as caught:
        load_ecosystem(blocks / name)
    assert f"this is a {kind}" in caught.value.problems[0].what


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        ("oracle_integration: {}\n", "1:21", "has no list of connection_pools"),
        (
            "oracle_integration: {connection_pool: []}\n",
            "1:22",
            'unknown key "connection_pool"',
        ),
        (
            "oracle_integration: {connection_pools: [{host: h}]}\n",
            "1:41",
            "has no name",
        ),
        (
            "ecosystem_integration: {infrastructure_services: {mysql: {}}}\n",
            "1:51",
            'no infrastructure service is called "mysql"',
        ),
        (
            (
                "ecosystem_integration: {infrastructure_services: "
                "{oracle: {connection_string: 'mysql://u:geheim@h/d'}}}\n"
            ),
            "1:79",
            "the connection string cannot be read",
        ),
        (
            "pipeline_config: {tap: flext-tap-ldif, tapp: x}\n",
            "1:40",
            'unknown key "tapp"',
        ),
        ("- a\n", "1:1", "the file holds list"),
    ],
)
def test_a_mistake_in_a_seed_form_is_found_where_it_stands(
    write, errors, text, place, what
):
    found = errors(write(**{"part.yaml": text}) / "part.yaml")
    assert any(f"part.yaml:{place}: " in line and what in line for line in found), found
    assert not any("geheim" in line for line in found)

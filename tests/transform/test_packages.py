"""What every dbt package keeps to, whatever it is about."""

from __future__ import annotations

import re

import pytest
import sqlglot
import yaml
from servers.oracle_server import oracle_server

from flexcore_gen.known_plugins import dbt_package
from transform.packages import ROOT, DuckdbWarehouse, Package

__all__ = ["oracle_server"]

PACKAGES = ROOT / "transform/packages"
#: Marts whose one step of logic has its unit test in the model before.
WITHOUT_LOGIC = {"ldif__entries", "ldap__entries"}

each_package = pytest.mark.parametrize("name", ["ldap", "ldif", "oracle", "oracle-wms"])


def models(name):
    """Each model's path and what stands beside it."""
    for path in sorted((PACKAGES / name / "models").glob("*/*.sql")):
        yield path, yaml.safe_load(path.with_suffix(".yml").read_text())


@each_package
@pytest.mark.dbt
def test_a_package_parses_for_oracle(name, tmp_path):
    package = Package(name, tmp_path, DuckdbWarehouse(tmp_path / "unused.duckdb"))

    done = package.run("parse", "--no-partial-parse", target="oracle")

    assert done.returncode == 0, done.stdout[-3000:]


@each_package
@pytest.mark.dbt
@pytest.mark.servers
def test_a_package_compiles_to_what_reads_as_sql_of_oracle(
    name, tmp_path, oracle_server, monkeypatch
):
    """Builds are not tried: the test server knows neither JSON_TABLE nor PL/SQL."""
    for variable, value in {
        "FLEXCORE_ORACLE_HOST": oracle_server.host,
        "FLEXCORE_ORACLE_PORT": str(oracle_server.port),
        "FLEXCORE_ORACLE_SERVICE": oracle_server.service_name,
        "FLEXCORE_ORACLE_USER": oracle_server.user,
        "FLEXCORE_ORACLE_SCHEMA": oracle_server.schema,
        "DBT_ENV_SECRET_ORACLE_PASSWORD": oracle_server.password,
    }.items():
        monkeypatch.setenv(variable, value)
    package = Package(name, tmp_path, DuckdbWarehouse(tmp_path / "unused.duckdb"))

    names = f"{{{name.replace('-', '_')}_flext_names: true}}"
    done = package.run("compile", "--vars", names, target="oracle")

    assert done.returncode == 0, done.stdout[-3000:]
    compiled = package.folder / f"target/compiled/{dbt_package(name)}/models"
    statements = sorted(compiled.glob("*/*.sql"))
    assert len(statements) == len(list(models(name)))
    for path in statements:
        sql = path.read_text()
        # Two clauses that sqlglot does not know: cutting long values, circles.
        known = re.sub(r"truncate (?=path)|cycle [\w, ]+ set .* default .*", "", sql)
        tree = sqlglot.parse_one(known, read="oracle")
        assert not list(tree.find_all(sqlglot.exp.Boolean)), path
        # Oracle takes no `as` before the alias of a table.
        assert not re.search(r"\b(from|join)\s+[\w.\"]+\s+as\s", sql), path
        assert "split_part" not in sql, path
        assert not re.search(r"\)\s+as\s+\w+\s+(on|where)\b", sql), path


@each_package
def test_every_mart_keeps_a_contract_and_describes_every_column(name):
    for path, text in models(name):
        [model] = text["models"]
        if path.parent.name == "marts":
            assert model["config"]["contract"] == {"enforced": True}, path
        assert model["description"], path
        assert all(column.get("description") for column in model["columns"]), path


@each_package
def test_every_model_has_a_tested_key_and_every_model_with_logic_a_unit_test(name):
    for path, text in models(name):
        [model] = text["models"]

        keys = [
            column
            for column in model["columns"]
            if {"unique", "not_null"} <= {str(t) for t in column.get("data_tests", [])}
        ]
        assert keys or path.stem == "analytics_ldif_insights", path
        if path.parent.name != "flext_names" and path.stem not in WITHOUT_LOGIC:
            assert text.get("unit_tests"), path


@each_package
def test_unit_tests_have_names_that_postgres_takes(name):
    for path, text in models(name):
        for unit_test in text.get("unit_tests", []):
            assert len(unit_test["name"]) <= 63, path


@each_package
def test_every_variable_is_in_the_readme_with_its_default(name):
    package = PACKAGES / name
    project = yaml.safe_load((package / "dbt_project.yml").read_text())
    readme = (package / "README.md").read_text()

    for variable in project["vars"][dbt_package(name)]:
        assert f"| `{variable}` |" in readme, variable


@each_package
def test_every_mart_is_in_the_readme(name):
    readme = (PACKAGES / name / "README.md").read_text()

    for path, _ in models(name):
        if path.parent.name == "marts":
            assert f"| `{path.stem}` |" in readme, path.stem


@pytest.mark.parametrize("file", ["across_databases.sql", "names.sql", "unnesting.sql"])
def test_both_packages_bridge_the_databases_alike(file):
    """A package cannot lean on another one here, so each has its own copy."""
    ldif, ldap = (
        re.sub(r"ld[ai][fp]", "ld__", (PACKAGES / name / "macros" / file).read_text())
        for name in ("ldif", "ldap")
    )

    assert ldif == ldap

"""What every dbt package keeps to, whatever it is about."""

from __future__ import annotations

import re

import pytest
import yaml

from transform.packages import ROOT, DuckdbWarehouse, Package

PACKAGES = ROOT / "transform/packages"
#: Marts whose one step of logic has its unit test in the model before.
WITHOUT_LOGIC = {"ldif__entries", "ldap__entries"}

each_package = pytest.mark.parametrize("name", ["ldap", "ldif"])


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

    for variable in project["vars"][f"flext_dbt_{name}"]:
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

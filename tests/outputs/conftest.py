"""Ecosystems for the outputs, and the Airflow that users install."""

import pytest
from outputs.airflow_environment import airflow_commands

from flexcore_gen.ecosystem import load_ecosystem
from flexcore_gen.plan import plan_project


@pytest.fixture
def planned(tmp_path):
    """The project that an ecosystem.yaml plans."""

    def planned(text):
        (tmp_path / "ecosystem.yaml").write_text(text, "utf-8")
        return plan_project(load_ecosystem(tmp_path))

    return planned


@pytest.fixture(scope="session")
def airflow():
    """The folder of Airflow's commands, in a virtual environment of its own."""
    return airflow_commands()

"""A rendered project of its own for each test."""

import pytest
from end_to_end.rendered_project import ECOSYSTEM, PIPELINE, SAMPLE, Project


@pytest.fixture
def project(tmp_path):
    root = tmp_path / "project"
    (root / "pipelines").mkdir(parents=True)
    (root / "data").mkdir()
    (root / "ecosystem.yaml").write_text(ECOSYSTEM, "utf-8")
    (root / "pipelines" / "people.yaml").write_text(PIPELINE, "utf-8")
    (root / "people.ldif").write_bytes(SAMPLE.read_bytes())
    made = Project(root)
    made.run("flexcore-gen", "generate")
    return made

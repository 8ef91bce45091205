"""The tutorial and the README say what works: their commands are run."""

import re
import shlex

import pytest
from end_to_end.rendered_project import ROOT, Project

TUTORIAL = ROOT / "docs" / "tutorial" / "first-pipeline.md"


@pytest.mark.end_to_end
def test_every_command_of_the_tutorial_runs(tmp_path):
    project = Project(tmp_path)
    commands = re.findall(r"^\$ (.+)$", TUTORIAL.read_text("utf-8"), re.MULTILINE)
    assert len(commands) > 5
    for command in commands:
        words = shlex.split(command)
        if words[0] == "cd":
            project.root = project.root / words[1]
            continue
        project.run(*words)


def test_links_between_the_documents_lead_somewhere():
    documents = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    documents += sorted((ROOT / "docs").rglob("*.md"))
    links = [
        (document, link)
        for document in documents
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text())
    ]
    assert [
        f"{document.relative_to(ROOT)}: {link}"
        for document, link in links
        if not (document.parent / link).exists()
    ] == []

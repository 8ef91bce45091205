"""What README and the how-to pages show is valid, and makes what they say."""

import re

from flexcore_gen.project import compare_project, write_project

ECOSYSTEM = """\
version: 1
project: acme
connections:
  hr: {system: ldif, path: in.ldif}
  directory:
    {system: ldap, url: "ldaps://ldap.example.com", search_base: "dc=example,dc=com"}
environments: [development, staging, production]
pipelines:
  - name: people
    schedule: "0 3 * * *"
    steps:
      - {name: read, service: flext-tap-ldif, config: {connection: hr}}
      - {name: model, service: flext-dbt-ldif, depends_on: [read]}
      - name: write
        service: flext-target-ldap
        depends_on: [model]
        config: {connection: directory, model: ldif__entries}
"""


FLAGS = re.MULTILINE | re.DOTALL


def blocks(path, language):
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), FLAGS)


def test_the_example_of_the_readme_makes_the_tree_that_it_shows(repository, write):
    readme = repository / "README.md"
    (ecosystem,) = blocks(readme, "yaml")
    root = write(ecosystem=ecosystem)
    write_project(compare_project(root))
    shown = re.search(r"^```\n(meltano\.yml .*?)^```", readme.read_text(), FLAGS)[1]
    for line in shown.splitlines():
        assert (root / line.split()[0]).exists(), line


def test_the_overlays_that_keep_environments_apart_are_valid(repository, write):
    page = repository / "docs/how-to/environments.md"
    first, second = blocks(page, "yaml")
    staging, production = second.split("\n\n")
    root = write(
        ecosystem=ECOSYSTEM,
        config__staging=staging,
        config__production=first + production,
    )
    staging, production = compare_project(root).project.ecosystem.environments[1:]
    assert staging.outputs == ("compose",)
    assert production.outputs == ("kubernetes", "airflow")

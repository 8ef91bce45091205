"""Generated pipelines between a real slapd, the warehouse and LDIF files."""

import pytest
from end_to_end.rendered_project import ROOT, Project
from flext_ldif.dn import normalise
from flext_ldif.reader import read
from servers import slapd as slapd_server

pytestmark = [pytest.mark.end_to_end, pytest.mark.servers]

COMPANY = ROOT / "tests" / "samples" / "ldif" / "company" / "directory.ldif"
PASSWORD = "E2E_LDAP_PASSWORD"
ECOSYSTEM = """\
version: 1
project: ldap-end-to-end
warehouse: {{system: duckdb, path: data/warehouse.duckdb}}
connections:
  directory:
    system: ldap
    url: {url}
    bind_dn: {bind_dn}
    password: ${{{password}}}
    search_base: {suffix}
    insecure_plain_text: true
  company: {{system: ldif, path: company.ldif}}
  export: {{system: ldif, output_path: output/directory.ldif}}
environments: [development]
outputs: [meltano, dbt]
pipelines:
  - name: out
    steps:
      - {{name: extract, service: flext-tap-ldap, config: {{connection: directory}}}}
      - {{name: model, service: flext-dbt-ldap, depends_on: [extract]}}
      - name: export
        service: flext-target-ldif
        depends_on: [model]
        config: {{connection: export, model: ldap__entries}}
  - name: in
    steps:
      - {{name: extract, service: flext-tap-ldif, config: {{connection: company}}}}
      - {{name: model, service: flext-dbt-ldif, depends_on: [extract]}}
      - name: update
        service: flext-target-ldap
        depends_on: [model]
        config: {{connection: directory, model: ldif__entries, operation: upsert}}
"""
OPERATIONAL = {
    *("structuralobjectclass", "entryuuid", "creatorsname", "createtimestamp"),
    *("entrycsn", "modifiersname", "modifytimestamp", "contextcsn"),
}


@pytest.fixture
def slapd(tmp_path):
    if slapd_server.SLAPD is None:
        pytest.skip(slapd_server.MISSING)
    folder = tmp_path / "slapd"
    folder.mkdir()
    return slapd_server.Slapd(folder)


def project_of(server, tmp_path):
    root = tmp_path / "project"
    (root / "data").mkdir(parents=True)
    (root / "ecosystem.yaml").write_text(
        ECOSYSTEM.format(
            url=server.url,
            bind_dn=slapd_server.ROOT_DN,
            suffix=slapd_server.SUFFIX,
            password=PASSWORD,
        ),
        "utf-8",
    )
    (root / "company.ldif").write_bytes(COMPANY.read_bytes())
    project = Project(root)
    project.run("flexcore-gen", "generate")
    return project


def meltano(project, pipeline):
    secret = {PASSWORD: slapd_server.ROOT_PASSWORD}
    return project.run("meltano", "run", pipeline, **secret)


def entries(text):
    """Entries by DN in one spelling, operational attributes left out."""
    data = text.encode() if isinstance(text, str) else text
    position = 0

    def source(size):
        nonlocal position
        part = data[position : position + size]
        position += len(part)
        return part

    return {
        normalise(entry.dn): {
            name.lower(): sorted(map(repr, values))
            for name, values in entry.attributes.items()
            if name.lower() not in OPERATIONAL
        }
        for entry in read(source)
    }


def test_a_directory_comes_out_as_the_ldif_that_slapcat_would_write(slapd, tmp_path):
    # slapadd refuses a version line.
    slapd.load(COMPANY.read_bytes().replace(b"version: 1\n\n", b"", 1))
    with slapd:
        project = project_of(slapd, tmp_path)
        meltano(project, "out")
        expected = entries(slapd.dump())

    exported = entries((project.root / "output" / "directory.ldif").read_bytes())
    assert {dn: expected[dn] for dn in exported} == exported
    kinds = ("'person'", "'organizationalUnit'", "'groupOfNames'", "'posixGroup'")
    for dn, attributes in expected.items():
        if any(kind in attributes["objectclass"] for kind in kinds):
            assert dn in exported
    (run,) = project.runs()
    assert run["status"] == "success"
    names = [event["name"] for event in project.events(run["run_id"])]
    assert names.count("PipelineCompleted") == 1


def test_an_ldif_file_fills_a_directory_and_a_second_run_changes_nothing(
    slapd, tmp_path
):
    with slapd:
        project = project_of(slapd, tmp_path)
        meltano(project, "in")
        filled = slapd.dump()
        meltano(project, "in")
        again = slapd.dump()

    assert entries(filled) == entries(COMPANY.read_bytes())
    assert again == filled, "the second run wrote something: CSNs moved"
    assert [run["status"] for run in project.runs()] == ["success", "success"]

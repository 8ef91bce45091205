"""LDIF in, DuckDB and dbt in the middle, LDIF out, with its events."""

import shutil
import subprocess

import duckdb
import pytest
from flext_ldif.reader import read

pytestmark = pytest.mark.end_to_end

NAMES = [
    "PipelineStarted",
    "DataExtracted",
    "DataExtractionCompleted",
    "TransformationStarted",
    "DataTransformationCompleted",
    "DataExtracted",
    "DataExtractionCompleted",
    "TargetLoaded",
    "PipelineCompleted",
]


def entries(path):
    """Every entry as {dn: {attribute in lower case: values in any order}}."""
    with path.open("rb") as stream:
        return {
            entry.dn: {
                name.lower(): sorted(map(repr, values))
                for name, values in entry.attributes.items()
            }
            for entry in read(stream.read)
        }


def test_what_comes_out_is_what_went_in_and_a_second_run_changes_nothing(project):
    project.run("meltano", "run", "people")

    assert entries(project.exported) == entries(project.root / "people.ldif")
    first = project.exported.stat()
    with duckdb.connect(str(project.root / "data/warehouse.duckdb")) as warehouse:
        landed = warehouse.sql("from raw_directory.ldif_entries").fetchall()
        assert len(landed) == len(entries(project.exported))

    again = project.run("meltano", "run", "people")

    second = project.exported.stat()
    assert (second.st_ino, second.st_mtime_ns) == (first.st_ino, first.st_mtime_ns)
    with duckdb.connect(str(project.root / "data/warehouse.duckdb")) as warehouse:
        assert warehouse.sql("from raw_directory.ldif_entries").fetchall() == landed
    assert "unchanged" in again.stdout + again.stderr
    shown = project.run("flexcore-gen", "runs", "latest").stdout
    assert "nothing changed" in shown
    assert [run["status"] for run in project.runs()] == ["success", "success"]


def test_a_run_typed_by_hand_records_every_event_once(project):
    project.run("meltano", "run", "people")

    (run,) = project.runs()
    events = project.events(run["run_id"])
    assert [event["name"] for event in events if event["name"] in NAMES] == [
        event["name"] for event in events
    ], "an event that this test does not know"
    assert events[0]["name"] == "PipelineStarted"
    assert events[-1]["name"] == "PipelineCompleted"
    terminal = {"PipelineCompleted", "PipelineFailed", "PipelineLost"}
    assert sum(event["name"] in terminal for event in events) == 1
    assert {event["correlation_id"] for event in events} == {run["run_id"]}
    assert run["pipeline"] == "people"
    assert run["environment"] == "development"
    assert run["rows"] > 0
    assert run["error"] is None
    assert project.run("flexcore-gen", "events", "verify").returncode == 0


def test_entries_that_left_the_source_leave_the_warehouse_and_the_export(project):
    source = project.root / "people.ldif"
    project.run("meltano", "run", "people")
    whole = source.read_bytes()
    blocks = whole.strip().split(b"\n\n")
    source.write_bytes(b"\n\n".join(blocks[:-1]) + b"\n")

    project.run("meltano", "run", "people")

    assert entries(project.exported) == entries(source)


@pytest.mark.servers
def test_slapadd_accepts_the_exported_file(project, tmp_path):
    slapadd = shutil.which("slapadd", path="/usr/sbin:/usr/bin:/sbin")
    if slapadd is None:
        pytest.skip("slapadd is missing: apt-get install slapd")
    project.run("meltano", "run", "people")
    suffix = next(iter(entries(project.exported))).split("\n")[0]
    database = tmp_path / "slapd"
    database.mkdir()
    config = tmp_path / "slapd.conf"
    schema = "/etc/ldap/schema"
    config.write_text(
        f"include {schema}/core.schema\n"
        f"include {schema}/cosine.schema\n"
        f"include {schema}/inetorgperson.schema\n"
        f"include {schema}/nis.schema\n"
        "modulepath /usr/lib/ldap\n"
        "moduleload back_mdb\n"
        "database mdb\n"
        f'suffix "{suffix}"\n'
        f"directory {database}\n"
    )
    command = [slapadd, "-f", config, "-l", project.exported, "-u"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr

"""Exports: OpenLineage as its makers understand it, traces over OTLP."""

import json
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest

from flexcore_gen.events import delivery
from flexcore_gen.events.data_places import destination_of, source_of
from flexcore_gen.events.destinations import read
from flexcore_gen.events.run_event import RunEvent
from flexcore_gen.events.sqlite_store import SqliteStore

JUDGE = Path(__file__).parents[1] / "fakes" / "receivers" / "openlineage_judge.py"
RUN = "01a21494-71a6-78d0-890a-273140f6c104"
DAG = "11111111-1111-4111-8111-111111111111"
TASK = "22222222-2222-4222-8222-222222222222"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
MODELS = [
    {
        "name": "dim_people",
        "unique_id": "model.demo.dim_people",
        "status": "success",
        "rows": 5,
        "seconds": 0.5,
        "message": None,
    },
    {
        "name": "bad",
        "unique_id": "model.demo.bad",
        "status": "error",
        "rows": None,
        "seconds": 0.1,
        "message": "ORA-00942: table or view does not exist",
    },
]


@pytest.fixture(scope="session")
def openlineage_python(tmp_path_factory):
    """A Python of its own: the client brings twenty packages that we do not need."""
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not installed")
    home = tmp_path_factory.mktemp("openlineage")
    for command in (
        [uv, "venv", "-q", home / "v"],
        [uv, "pip", "install", "-q", "--python", home / "v/bin/python",
         "openlineage-python==1.54.0"],
    ):  # fmt: skip
        subprocess.run(command, check=True, timeout=120)
    return home / "v/bin/python"


def manifest(folder, adapter):
    folder.mkdir()
    node = {
        "schema": "analytics",
        "alias": "dim_people",
        "database": "ORCLPDB1" if adapter == "oracle" else "wh",
        "depends_on": {"nodes": ["source.demo.raw.people"]},
        "columns": {"id": {"name": "id", "data_type": "NUMBER"}, "x": {"name": "x"}},
    }
    source = {
        "schema": "raw_people",
        "identifier": "people",
        "database": node["database"],
    }
    (folder / "manifest.json").write_text(
        json.dumps(
            {
                "metadata": {"adapter_type": adapter, "env": {"FLEXCORE_RUN_ID": RUN}},
                "nodes": {"model.demo.dim_people": node},
                "sources": {"source.demo.raw.people": source},
            }
        )
    )


def fill(store, artifacts, warehouse, *, read_back=None):
    """What the hook writes, with settings as Meltano resolves them."""
    step = {"step": 0, "kind": "extract_load", "name": "tap target"}
    begun = {
        "environment": "dev",
        "trace_id": TRACE,
        "span_id": "00f067aa0ba902b7",
        "parent_span_id": "1111111111111111",
        "host": "h",
        "openlineage_parent": f"airflow/dag.task/{TASK}",
        "openlineage_root": f"airflow/dag/{DAG}",
    }
    numbers = {"extracted": 5, "loaded": 5, "rejected": 0, "seconds": 0.2}
    happened = [
        ("PipelineStarted", begun),
        (
            "DataExtracted",
            {
                **step,
                "plugin": "flext-tap-ldif--people--extract",
                "streams": {"people": numbers},
                "source": source_of({"path": ["in/2026/*.ldif"]}, ["people"]),
                "duration_seconds": 1.5,
            },
        ),
        (
            "TargetLoaded",
            {
                **step,
                "plugin": "flext-target-warehouse",
                **destination_of(warehouse),
                "streams": {"people": {"rows": 5}},
                "duration_seconds": 1.5,
            },
        ),
        *(delivered(read_back) if read_back else ()),
        (
            "PipelineFailed",
            {
                "reason": "transformation_failed",
                "error": "failed in dbt: bad",
                "rows": 5,
                "failed_step": {
                    "step": 1,
                    "kind": "transformation",
                    "name": "dbt:build",
                    "models": MODELS,
                    "artifacts": str(artifacts),
                    "duration_seconds": 2.0,
                },
            },
        ),
    ]
    for name, data in happened:
        store.append(
            RunEvent(
                name=name,
                source="/flexcore/demo/dev",
                subject="people",
                aggregate_id=RUN,
                correlation_id=RUN,
                causation_id=None,
                data=data,
            )
        )


def delivered(settings):
    """A model read back from the warehouse and written to a file."""
    step = {"step": 2, "kind": "extract_load", "name": "back", "duration_seconds": 1.0}
    (stream,) = settings.pop("streams")
    file = {"path": "out/people.ldif", "stream": stream, "records": 5, "changed": True}
    return [
        (
            "DataExtracted",
            {
                **step,
                "plugin": "flext-tap-warehouse--back",
                "streams": {stream: {"extracted": 5, "loaded": 5, "bytes": 700}},
                "source": source_of(settings, [stream]),
            },
        ),
        (
            "TargetLoaded",
            {
                **step,
                "plugin": "flext-target-ldif",
                **destination_of({"output_path": "out/people.ldif"}),
                "streams": {stream: {"rows": 5}},
                "files": [file],
            },
        ),
    ]


def export(tmp_path, *exporters):
    return delivery.deliver_all(
        read({"exporters": list(exporters)}),
        "sqlite:///events.db",
        tmp_path,
        tmp_path / "own",
        start=0,
    )


@pytest.mark.parametrize(
    ("adapter", "warehouse", "read_back", "table", "model"),
    [
        (
            "oracle",
            {"host": "db.example.org", "port": 1521, "service_name": "ORCLPDB1",
             "default_target_schema": "raw_people", "username": "loader"},
            {"streams": ["analytics-dim_people"], "host": "db.example.org",
             "port": 1521, "service_name": "orclpdb1"},
            ("oracle://db.example.org:1521", "ORCLPDB1.RAW_PEOPLE.PEOPLE"),
            ("oracle://db.example.org:1521", "ORCLPDB1.ANALYTICS.DIM_PEOPLE"),
        ),
        (
            "postgres",
            {"url": "postgresql://u:***@db:5433/wh", "schema": "raw_people"},
            {"streams": ["leute"], "url": "postgresql://u:***@db:5433/wh",
             "schema": "raw_people",
             "tables": [{"table": "dim_people", "schema": "analytics",
                         "stream": "leute"}]},
            ("postgres://db:5433", "wh.raw_people.people"),
            ("postgres://db:5433", "wh.analytics.dim_people"),
        ),
        (
            "duckdb",
            {"url": "duckdb:///data/wh.duckdb", "schema": "raw_people"},
            {"streams": ["dim_people"], "url": "duckdb:///data/wh.duckdb",
             "schema": "analytics", "tables": ["dim_people"]},
            ("duckdb://{root}/data/wh.duckdb", "raw_people.people"),
            ("duckdb://{root}/data/wh.duckdb", "analytics.dim_people"),
        ),
    ],
)  # fmt: skip
def test_lineage_is_one_graph_under_one_root_and_fits_the_schemas(
    tmp_path, openlineage_python, adapter, warehouse, read_back, table, model
):
    table, model = ((n.format(root=tmp_path), name) for n, name in (table, model))
    manifest(tmp_path / "target", adapter)
    store = SqliteStore(tmp_path / "events.db")
    fill(store, tmp_path / "target", warehouse, read_back=read_back)
    schemas = tmp_path / ".flexcore" / "schemas"
    schemas.mkdir(parents=True)
    (schemas / "flext-tap-ldif--people--extract.json").write_text(
        json.dumps({"people": {"dn": "string not null", "cn": "array", "(key)": "dn"}})
    )
    (report,) = export(tmp_path, "openlineage")
    assert report.problem is None
    path = tmp_path / ".flexcore/openlineage.jsonl"
    said = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(each["eventType"], each["job"]["name"]) for each in said] == [
        ("START", "people"),
        ("START", "people.tap target"),
        ("COMPLETE", "people.tap target"),
        ("START", "people.back"),
        ("COMPLETE", "people.back"),
        ("START", "people.dbt.dim_people"),
        ("COMPLETE", "people.dbt.dim_people"),
        ("START", "people.dbt.bad"),
        ("FAIL", "people.dbt.bad"),
        ("FAIL", "people"),
    ]
    parents = [each["run"]["facets"]["parent"] for each in said]
    assert {each["root"]["run"]["runId"] for each in parents} == {DAG}
    assert parents[0]["run"]["runId"] == TASK
    assert {each["run"]["runId"] for each in parents[1:9]} == {RUN}
    loaded, back, built = said[2], said[4], said[6]
    (read_stream,), (written,) = loaded["inputs"], loaded["outputs"]
    assert (read_stream["namespace"], read_stream["name"]) == (
        "file",
        f"{tmp_path}/in/2026",
    )
    assert read_stream["facets"]["schema"]["fields"] == [
        {"name": "dn", "type": "string"},
        {"name": "cn", "type": "array"},
    ]
    assert read_stream["inputFacets"]["inputStatistics"]["rowCount"] == 5
    assert (written["namespace"], written["name"]) == table
    assert written["outputFacets"]["outputStatistics"]["rowCount"] == 5
    (source,), (made,) = built["inputs"], built["outputs"]
    assert (source["namespace"], source["name"]) == table
    assert (made["namespace"], made["name"]) == model
    (read_again,), (file,) = back["inputs"], back["outputs"]
    assert (read_again["namespace"], read_again["name"]) == model
    assert read_again["inputFacets"]["inputStatistics"]["size"] == 700
    assert (file["namespace"], file["name"]) == ("file", f"{tmp_path}/out/people.ldif")
    assert file["outputFacets"]["outputStatistics"]["fileCount"] == 1
    assert made["facets"]["schema"]["fields"][0] == {"name": "id", "type": "NUMBER"}
    assert len({uuid.UUID(each["run"]["runId"]) for each in said}) == 5

    judged = subprocess.run(
        [openlineage_python, JUDGE, path],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert judged.stdout == "10 events are fine\n", judged.stderr
    store.close()


def test_a_login_in_a_place_is_left_out():
    settings = {"dsn": "scott/tiger@db.example.org:1521/ORCLPDB1"}
    place = "db.example.org:1521/ORCLPDB1"
    assert destination_of(settings)["destination"] == place
    assert source_of(settings, ["people"]) == {"address": place}
    mail = {"output_path": "out/a@example.org.ldif"}
    assert destination_of(mail)["destination"] == "out/a@example.org.ldif"


def test_a_run_is_one_trace_with_a_span_for_each_thing(tmp_path, http, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{http.port}/")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=s3cret%2D1")
    store = SqliteStore(tmp_path / "events.db")
    fill(store, tmp_path, {"url": "duckdb:///x"})
    (report,) = export(tmp_path, {"type": "otlp"})
    assert report.problem is None
    (got,) = http.received()
    assert got["path"] == "/v1/traces"
    assert got["headers"]["x-key"] == "s3cret-1"
    (resource,) = json.loads(got["body"])["resourceSpans"]
    spans = {each["name"]: each for each in resource["scopeSpans"][0]["spans"]}
    assert {each["traceId"] for each in spans.values()} == {TRACE}
    tree = {
        "run people": "1111111111111111",
        "step tap target": "run people",
        "stream people": "step tap target",
        "step dbt:build": "run people",
        "model dim_people": "step dbt:build",
        "model bad": "step dbt:build",
    }
    assert list(spans) == list(tree)
    for name, parent in tree.items():
        wanted = spans[parent]["spanId"] if parent in spans else parent
        assert spans[name]["parentSpanId"] == wanted
        times = [int(spans[name][f"{end}TimeUnixNano"]) for end in ("start", "end")]
        assert 0 < times[0] <= times[1]
    codes = {name: each["status"]["code"] for name, each in spans.items()}
    assert [name for name, code in codes.items() if code == 2] == [
        "run people",
        "step dbt:build",
        "model bad",
    ]
    details = json.dumps(store.deliveries(10))
    assert "s3cret" not in details
    store.close()

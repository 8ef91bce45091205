"""Judges OpenLineage events by the classes that its makers generate from the schemas.

Usage: openlineage_judge.py FILE. Unknown keys, missing ones, wrong kinds and other
schema versions are errors. Run in an environment with openlineage-python.
"""

import json
import sys
import typing

import attr
from openlineage.client import event_v2
from openlineage.client.generated import (
    error_message_run,
    input_statistics_input_dataset,
    job_type_job,
    output_statistics_output_dataset,
    parent_run,
    schema_dataset,
)
from openlineage.client.naming import dataset as naming

FACETS = {
    "parent": parent_run.ParentRunFacet,
    "errorMessage": error_message_run.ErrorMessageRunFacet,
    "jobType": job_type_job.JobTypeJobFacet,
    "schema": schema_dataset.SchemaDatasetFacet,
    "inputStatistics": (
        input_statistics_input_dataset.InputStatisticsInputDatasetFacet
    ),
    "outputStatistics": (
        output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet
    ),
}


def build(kind, values):
    if typing.get_origin(kind) in {typing.Union, __import__("types").UnionType}:
        kind = next(k for k in typing.get_args(kind) if k is not type(None))
    if typing.get_origin(kind) is list and typing.get_args(kind):
        return [build(typing.get_args(kind)[0], value) for value in values]
    if not attr.has(kind) if isinstance(kind, type) else True:
        return values
    hints = typing.get_type_hints(kind)
    return kind(**{key: build(hints[key], value) for key, value in values.items()})


def facets(found):
    made = {}
    for key, values in found.items():
        kind = FACETS[key]
        assert kind._get_schema() == values["_schemaURL"], (key, kind._get_schema())
        assert values["_producer"].startswith("https://")
        plain = {k: v for k, v in values.items() if not k.startswith("_")}
        made[key] = build(kind, plain)
    return made


def check_name(namespace, name):
    """By the makers' rules of naming, where they have one."""
    scheme, _, rest = namespace.partition("://")
    if scheme in {"postgres", "oracle"}:
        host, _, port = rest.partition(":")
        kind = naming.Postgres if scheme == "postgres" else naming.Oracle
        rule = kind(host, port, *name.split("."))
    elif scheme == "file":
        assert name.startswith("/"), name
        rule = naming.LocalFileSystem(name)
    else:
        assert scheme in {"duckdb", "flexcore"}, namespace
        return
    assert (namespace, name) == (rule.get_namespace(), rule.get_name())


def dataset(kind, values):
    check_name(values["namespace"], values["name"])
    rest = {k: facets(v) if k.endswith("acets") else v for k, v in values.items()}
    return kind(**rest)


count = 0
for line in open(sys.argv[1], encoding="utf-8"):  # noqa: PTH123, SIM115 - a script
    said = json.loads(line)
    schema = said.pop("schemaURL")
    assert schema == event_v2.RunEvent._get_schema(), event_v2.RunEvent._get_schema()
    said["eventType"] = event_v2.RunState[said["eventType"]]
    said["run"] = event_v2.Run(said["run"]["runId"], facets(said["run"]["facets"]))
    job = said["job"]
    said["job"] = event_v2.Job(job["namespace"], job["name"], facets(job["facets"]))
    said["inputs"] = [dataset(event_v2.InputDataset, each) for each in said["inputs"]]
    said["outputs"] = [dataset(event_v2.OutputDataset, e) for e in said["outputs"]]
    event_v2.RunEvent(**said)
    count += 1
sys.stdout.write(f"{count} events are fine\n")

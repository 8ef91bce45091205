"""Packages and projects as archives, and what goes into the file of rejects."""

from __future__ import annotations

import json
import zipfile

import pytest
from servers.oic_commands import write

CANARY = "canary-4711"
KEYS = {"packages": ("name", "par"), "projects": ("id", "car")}


@pytest.fixture
def record(tmp_path):
    def record(kind, name):
        key, ending = KEYS[kind]
        path = tmp_path / f"{name}.{ending}"
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("x", name)
        return {key: name, "archive_path": str(path)}

    return record


@pytest.mark.parametrize("kind", ["packages", "projects"])
def test_an_archive_makes_what_is_not_there(stand, tmp_path, record, kind):
    done = write(stand, tmp_path, kind, [record(kind, "NEW")])
    assert done.returncode == 0, done.stderr
    assert stand.contents.find(kind, "NEW")
    assert stand.applied == [f"import {kind} NEW"]


def test_a_package_that_is_there_is_replaced(stand, tmp_path, record):
    rows = [record("packages", "NEW")]
    for _ in range(2):
        done = write(stand, tmp_path, "packages", rows)
        assert done.returncode == 0, done.stderr
    assert stand.applied == ["import packages NEW"] * 2


def test_a_project_that_is_there_is_refused_with_the_way_out(stand, tmp_path, record):
    write(stand, tmp_path, "projects", [record("projects", "NEW")])
    done = write(stand, tmp_path, "projects", [record("projects", "NEW")])
    assert done.returncode == 1
    assert b"id=NEW: it exists already" in done.stderr
    assert b"delete it in the console first" in done.stderr
    assert stand.applied == ["import projects NEW"]


@pytest.mark.parametrize(
    ("mode", "name", "said"),
    [
        ("create", "OLD", b"it exists already, and import_mode is create"),
        ("update", "NEW", b"it does not exist, and import_mode is update"),
    ],
)
def test_the_import_mode_of_a_package_is_kept(
    stand, tmp_path, record, mode, name, said
):
    write(stand, tmp_path, "packages", [record("packages", "OLD")])
    done = write(
        stand, tmp_path, "packages", [record("packages", name)], import_mode=mode
    )
    assert done.returncode == 1
    assert said in done.stderr
    assert stand.applied == ["import packages OLD"]


@pytest.mark.parametrize("kind", ["packages", "projects"])
def test_a_file_that_is_not_there_is_named(stand, tmp_path, kind):
    key, _ = KEYS[kind]
    rows = [{key: "NEW", "archive_path": str(tmp_path / "nowhere.par")}]
    done = write(stand, tmp_path, kind, rows)
    assert done.returncode == 1
    assert b"nowhere.par cannot be read: No such file or directory" in done.stderr
    assert stand.applied == []


def test_a_rejected_connection_takes_no_password_into_the_file(stand, tmp_path):
    record = {
        "id": "NONE",
        "connectionProperties": {"connectionUrl": "https://new.example.com"},
        "securityProperties": [
            {"propertyName": "password", "propertyValue": CANARY},
        ],
    }
    rejects = tmp_path / "rejects.jsonl"
    done = write(
        *(stand, tmp_path, "connections", [record]),
        rejects_path=str(rejects),
        max_errors=5,
    )
    (line,) = rejects.read_text().splitlines()
    assert "NONE" in json.dumps(json.loads(line))
    assert CANARY not in line
    assert CANARY.encode() not in done.stderr


def test_upsert_leaves_rows_of_one_first_column_alone(stand, tmp_path):
    rows = [["A", "1"], ["A", "2"], ["B", "3"]]
    lookup = {"name": "Double", "columns": ["key", "value"], "rows": rows}
    write(stand, tmp_path, "lookups", [lookup])
    sent = [{"key": "B", "value": "new"}]
    done = write(
        *(stand, tmp_path, "changes", sent),
        object_types={"changes": "lookup_rows"},
        lookup_name="Double",
        load_method="upsert",
    )
    assert done.returncode == 0, done.stderr
    held = [row["rowData"] for row in stand.lookup("Double")["rows"]]
    assert held == [["A", "1"], ["A", "2"], ["B", "new"]]

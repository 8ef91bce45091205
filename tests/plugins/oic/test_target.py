"""The target: lookups, connections, integrations, resubmits, each told exactly."""

from __future__ import annotations

import json
import zipfile

import pytest
from fakes.oic.data import SECRET
from servers.oic_commands import feed, run, write

NAME = "flext-target-oracle-oic"
LOOKUP = {
    "name": "Countries",
    "description": "by code",
    "columns": ["code", "name"],
    "rows": [{"rowData": ["DE", 'Deutschland, "BRD"']}, {"rowData": ["PT", "ü"]}],
}


def accepted(done):
    assert (done.returncode, done.stdout.count(b"done")) == (0, 1), done.stderr.decode()


def refused(done, *texts):
    assert done.returncode == 1
    assert done.stdout == b""
    assert b"Traceback" not in done.stderr
    for text in texts:
        assert text.encode() in done.stderr, done.stderr.decode()


# -- lookups ---------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["json", "csv"])
def test_a_lookup_is_created_replaced_and_left_alone(stand, tmp_path, way):
    def send(**changes):
        rows = [{**LOOKUP, **changes}]
        return write(stand, tmp_path, "lookups", rows, lookup_import=way)

    accepted(send(description=None))
    there = stand.lookup("Countries")
    assert (there["columns"], there["rows"]) == (LOOKUP["columns"], LOOKUP["rows"])
    assert stand.applied == ["create lookup Countries"]

    accepted(send(description=None))
    assert len(stand.applied) == 1  # nothing to do

    accepted(send(description=None, rows=[["FR", "France"]]))
    assert stand.lookup("Countries")["rows"] == [{"rowData": ["FR", "France"]}]
    assert stand.applied[1:] == ["replace lookup Countries"]


def test_rows_become_a_lookup_when_all_have_come(stand, tmp_path):
    rows = [
        {"lookupName": f"L{n % 2}", "rowNumber": n, "values": {"a": f"k{n}", "b": n}}
        for n in range(6)
    ]
    accepted(write(stand, tmp_path, "lookup_rows", rows))
    assert stand.lookup("L0")["rows"] == [
        {"rowData": [f"k{n}", str(n)]} for n in (0, 2, 4)
    ]
    assert sorted(stand.applied) == ["create lookup L0", "create lookup L1"]


def test_flat_rows_of_any_stream_can_be_a_lookup(stand, tmp_path):
    rows = [{"code": "DE", "name": "Germany"}, {"code": "PT", "name": None}]
    accepted(write(stand, tmp_path, "countries", rows, object_types="lookup_rows"))
    there = stand.lookup("countries")
    assert there["columns"] == ["code", "name"]
    assert there["rows"] == [{"rowData": ["DE", "Germany"]}, {"rowData": ["PT", ""]}]


def test_upsert_keeps_rows_that_are_not_sent(stand, tmp_path):
    rows = [{"rightnow": "RN1", "soap": "new"}, {"rightnow": "X", "soap": "added"}]
    settings = {
        "object_types": {"changes": "lookup_rows"},
        "lookup_name": "Lookup3",
        "load_method": "upsert",
    }
    accepted(write(stand, tmp_path, "changes", rows, **settings))
    assert [row["rowData"] for row in stand.lookup("Lookup3")["rows"]] == [
        ["RN0", 'SO, "0"'],
        ["RN1", "new"],
        ["RN2", 'SO, "2"'],
        ["X", "added"],
    ]


def test_what_the_tap_reads_the_target_writes_elsewhere(stand, start, tmp_path):
    config = {**stand.config, "streams": ["lookup_rows"]}
    read = run("flext-tap-oracle-oic", config, tmp_path)
    other = start()
    other.contents.rows["lookups"].clear()
    done = run(NAME, other.config, tmp_path, data=read.stdout)
    assert done.returncode == 0, done.stderr
    wanted = {r["name"]: (r["columns"], r["rows"]) for r in stand.truth("lookups")}
    found = {r["name"]: (r["columns"], r["rows"]) for r in other.truth("lookups")}
    assert found == {name: both for name, both in wanted.items() if both[1]}


@pytest.mark.parametrize(
    ("mode", "name", "text"),
    [
        ("create", "Lookup3", "it exists already"),
        ("update", "Countries", "it does not exist"),
        ("create_only", "Lookup3", "it exists already"),
    ],
)
def test_the_import_mode_is_kept(stand, tmp_path, mode, name, text):
    rows = [{**LOOKUP, "name": name}]
    refused(
        write(stand, tmp_path, "lookups", rows, import_mode=mode), f"name={name}", text
    )
    assert stand.applied == []


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"name": None}, "it has no name"),
        ({"columns": ["one"], "rows": []}, "at least two columns"),
        ({"columns": ["a", "a"], "rows": []}, "two of its columns have one name"),
        ({"rows": [["only one"]]}, "row 0 has not as many values"),
        ({"rows": None}, "it needs columns and rows"),
        ({"rows": [["a", {"b": 1}]]}, "lookups hold texts"),
    ],
)
def test_a_record_that_is_no_lookup_is_refused_by_name(stand, tmp_path, change, text):
    refused(write(stand, tmp_path, "lookups", [{**LOOKUP, **change}]), text)
    assert stand.applied == []


def test_one_bad_lookup_is_set_aside_and_takes_no_other_along(stand, tmp_path):
    rejects = tmp_path / "rejects.jsonl"
    rows = [{**LOOKUP, "rows": [["x"]]}, {**LOOKUP, "name": "Other"}]
    done = write(
        stand, tmp_path, "lookups", rows, max_errors=1, rejects_path=str(rejects)
    )
    accepted(done)
    assert stand.applied == ["create lookup Other"]
    (reject,) = map(json.loads, rejects.read_text().splitlines())
    assert "Countries" in json.dumps(reject)


@pytest.mark.parametrize("status", [412, 423])
def test_a_locked_lookup_is_explained(start, tmp_path, status):
    stand = start(locked="Lookup3", locked_status=status)
    rows = [{**LOOKUP, "name": "Lookup3"}]
    refused(write(stand, tmp_path, "lookups", rows), "locked", "console")


@pytest.mark.parametrize("kind", ["reset_after", "truncated", "503"])
def test_a_lost_answer_makes_no_second_lookup_and_no_failure(stand, tmp_path, kind):
    stand.fault(kind, path="/lookups?", times=1)
    accepted(write(stand, tmp_path, "lookups", [LOOKUP]))
    assert stand.applied == ["create lookup Countries"]


# -- connections -----------------------------------------------------------------------


def test_properties_of_a_connection_are_updated(stand, tmp_path):
    record = {
        "id": "CONN1",
        "connectionProperties": {"connectionUrl": "https://new.example.com"},
        "securityProperties": [
            {"propertyName": "password", "propertyValue": "new-Canary-secret"}
        ],
    }
    done = write(stand, tmp_path, "connections", [record], test_connections=True)
    accepted(done)
    assert stand.applied == ["patch connection CONN1", "test connection CONN1"]
    row = stand.contents.find("connections", "CONN1")
    assert row["connectionProperties"][0]["propertyValue"] == "https://new.example.com"
    assert row["securityProperties"][0]["propertyValue"] == "new-Canary-secret"
    assert b"new-Canary" not in done.stderr


def test_the_stars_of_the_tap_are_never_written_as_a_password(stand, tmp_path):
    config = {**stand.config, "streams": ["connections"]}
    read = run("flext-tap-oracle-oic", config, tmp_path)
    done = run(NAME, stand.config, tmp_path, data=read.stdout)
    assert done.returncode == 0, done.stderr
    for row in stand.contents.rows["connections"]:
        assert row["securityProperties"][0]["propertyValue"] == SECRET


@pytest.mark.parametrize(
    ("record", "switches", "texts"),
    [
        ({"id": "CONN1"}, {}, ["no properties to change"]),
        ({"id": "NONE", "connectionProperties": {"a": "b"}}, {}, ["404"]),
        (
            {"id": "CONN1", "connectionProperties": {"nope": "b"}},
            {},
            ["Unknown property nope"],
        ),
        (
            {"id": "CONN1", "connectionProperties": {"connectionUrl": "x"}},
            {"connection_test": "FAILED"},
            ["its test says FAILED"],
        ),
    ],
)
def test_a_connection_that_is_not_updated_is_told(
    start, tmp_path, record, switches, texts
):
    stand = start(**switches)
    done = write(stand, tmp_path, "connections", [record], test_connections=True)
    refused(done, *texts)


# -- integrations ----------------------------------------------------------------------


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "NEW_01.00.0000.iar"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x", "y")
    return path


@pytest.mark.parametrize("answer", ["204", "200"])
def test_an_archive_is_imported_and_activated(start, tmp_path, archive, answer):
    stand = start(archive_post=answer)
    record = {
        "id": "NEW|01.00.0000",
        "archive_path": str(archive),
        "status": "ACTIVATED",
    }
    accepted(write(stand, tmp_path, "integrations", [record]))
    assert stand.contents.find("integrations", record["id"])["status"] == "ACTIVATED"
    assert stand.applied == ["import NEW|01.00.0000", "activate NEW|01.00.0000"]


def test_an_active_integration_is_replaced_only_when_that_is_asked_for(
    stand, tmp_path, archive
):
    record = {"id": "NEW|01.00.0000", "archive_path": str(archive)}
    both = {**record, "status": "ACTIVATED"}
    accepted(write(stand, tmp_path, "integrations", [both]))
    stand.applied.clear()
    accepted(write(stand, tmp_path, "integrations", [both]))
    assert stand.applied == []  # it is what is there already
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("more", "z")
    refused(write(stand, tmp_path, "integrations", [record]), "set replace_active")
    assert stand.applied == []
    accepted(write(stand, tmp_path, "integrations", [record], replace_active=True))
    assert [line.split()[0] for line in stand.applied] == [
        "deactivate",
        "import",
        "activate",
    ]
    assert stand.contents.find("integrations", record["id"])["status"] == "ACTIVATED"


def test_a_status_that_holds_already_is_left_alone(stand, tmp_path):
    record = {"id": "INT0001|01.00.0000", "status": "ACTIVATED"}
    accepted(write(stand, tmp_path, "integrations", [record]))
    assert stand.applied == []


def test_an_activation_that_fails_is_told(start, tmp_path):
    stand = start(activation_fails=True)
    record = {"id": "INT0000|01.00.0000", "status": "ACTIVATED"}
    refused(
        write(stand, tmp_path, "integrations", [record]), "ended as FAILEDACTIVATION"
    )


def test_an_activation_that_takes_too_long_is_told(start, tmp_path):
    stand = start(activation_seconds=60)
    record = {"id": "INT0000|01.00.0000", "status": "ACTIVATED"}
    done = write(
        stand, tmp_path, "integrations", [record], activation_timeout_seconds=1
    )
    refused(done, "still ACTIVATION_INPROGRESS")


@pytest.mark.parametrize("kind", ["reset_after", "503"])
def test_an_import_whose_answer_is_lost_is_completed(stand, tmp_path, archive, kind):
    stand.fault(kind, path="/archive", method="POST")
    record = {"id": "NEW|01.00.0000", "archive_path": str(archive)}
    accepted(write(stand, tmp_path, "integrations", [record]))
    assert stand.contents.archives[record["id"]].startswith(b"PK")


def test_an_activation_whose_answer_is_lost_is_waited_for(start, tmp_path):
    """The service goes on when the client's patience has ended."""
    stand = start(activation_seconds=2)
    stand.fault("reset_after", path="/integrations/INT0000", method="POST")
    record = {"id": "INT0000|01.00.0000", "status": "ACTIVATED"}
    accepted(write(stand, tmp_path, "integrations", [record]))
    assert stand.applied == ["activate INT0000|01.00.0000"]
    assert stand.contents.find("integrations", record["id"])["status"] == "ACTIVATED"


def test_a_draft_cannot_be_activated_and_that_is_told(stand, tmp_path):
    row = stand.contents.find("integrations", "INT0003|01.00.0000")
    row["status"] = "INPROGRESS"
    record = {"id": row["id"], "status": "ACTIVATED"}
    refused(write(stand, tmp_path, "integrations", [record]), "412", "INPROGRESS")


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ({"id": "NONE|01.00.0000", "status": "ACTIVATED"}, "no such integration"),
        ({"id": "INT0001|01.00.0000"}, "nothing to do"),
        ({"id": "INT0001|01.00.0000", "status": "DELETED"}, "cannot be asked for"),
        ({"id": "N|1", "archive_path": "/nowhere.iar"}, "cannot be read"),
        ({"id": "N|1", "archive": "bm90IGEgemlw"}, "Not an archive"),
    ],
)
def test_an_integration_that_is_not_written_is_told(stand, tmp_path, record, text):
    refused(write(stand, tmp_path, "integrations", [record]), text)


# -- errors ----------------------------------------------------------------------------


def test_errors_are_resubmitted_and_each_that_is_not_is_named(stand, tmp_path):
    errors = stand.truth("errors")
    good = [row["id"] for row in errors if row["recoverable"]]
    stuck = [row["id"] for row in errors if not row["recoverable"]]
    accepted(write(stand, tmp_path, "errors", [{"id": key} for key in good[1:]]))
    assert stand.contents.resubmits == dict.fromkeys(good[1:], 1)

    mixed = [{"id": good[0]}, {"id": stuck[0]}, {"id": "unknown"}]
    done = write(stand, tmp_path, "errors", mixed)
    refused(done, stuck[0], "not recoverable", "unknown", "no such error")


def test_a_resubmit_whose_answer_is_lost_is_not_sent_again(stand, tmp_path):
    errors = [row["id"] for row in stand.truth("errors") if row["recoverable"]]
    stand.fault("reset_after", path="/resubmit")
    done = write(stand, tmp_path, "errors", [{"id": errors[0]}])
    refused(done, "whether it was carried out is not known")
    assert stand.contents.resubmits == {errors[0]: 1}


def test_killed_while_it_resubmits_a_rerun_resubmits_none_twice(stand, tmp_path):
    errors = [row["id"] for row in stand.truth("errors") if row["recoverable"]]
    data = feed("errors", [{"id": key} for key in errors])
    point = "target.after_load:KILL"
    done = run(NAME, stand.config, tmp_path, data=data, FLEXCORE_FAILPOINT=point)
    assert (done.returncode, done.stdout) == (-9, b"")
    accepted(run(NAME, stand.config, tmp_path, data=data))
    assert stand.contents.resubmits == dict.fromkeys(errors, 1)


# -- all -------------------------------------------------------------------------------


def test_a_dry_run_sends_nothing_and_shows_no_secret(stand, tmp_path):
    plan = tmp_path / "plan" / "requests.jsonl"
    record = {"id": "CONN1", "securityProperties": {"password": "Canary-9"}}
    data = feed("lookups", [LOOKUP]) + feed("connections", [record])
    done = run(NAME, {**stand.config, "dry_run_path": str(plan)}, tmp_path, data=data)
    assert (done.returncode, done.stdout) == (0, b"")
    assert stand.applied == []
    assert plan.stat().st_mode & 0o777 == 0o600
    first, second = map(json.loads, plan.read_text().splitlines())
    assert (first["method"], first["path"]) == ("POST", "lookups")
    assert second["path"] == "connections/CONN1"
    assert "Canary-9" not in plan.read_text()


def test_a_stream_that_is_no_kind_of_object_is_told(stand, tmp_path):
    done = write(stand, tmp_path, "customers", [{"id": "1"}])
    refused(done, "no kind of object", "object_types")


@pytest.mark.parametrize(
    "failpoint",
    ["target.after_load:KILL", "target.before_commit:KILL", "target.after_commit:KILL"],
)
def test_killed_at_any_point_a_rerun_completes_it(stand, tmp_path, failpoint):
    rows = [{"lookupName": f"L{n % 5}", "values": {"a": n, "b": n}} for n in range(50)]
    data = feed("lookup_rows", rows)
    done = run(NAME, stand.config, tmp_path, data=data, FLEXCORE_FAILPOINT=failpoint)
    assert (done.returncode, done.stdout) == (-9, b"")
    done = run(NAME, stand.config, tmp_path, data=data)
    accepted(done)
    assert sorted(stand.applied) == [f"create lookup L{n}" for n in range(5)]
    assert all(stand.lookup(f"L{n}")["rowCount"] == 10 for n in range(5))

"""Answers that are too large, of another form, or in the way of a write."""

from __future__ import annotations

import resource
import zipfile

import pytest
from fakes.oic.tokens import CLIENT
from flext_oracle_oic.errors import OicError, RequestRefusedError, TransientError
from servers.oic_commands import feed, read, run, write

NAME = "flext-target-oracle-oic"


@pytest.mark.parametrize("path", ["/projects", "/oauth2"])
def test_a_body_that_unpacks_to_gigabytes_is_refused_in_little_memory(stand, path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    stand.fault("gzip_bomb", path=path)
    with pytest.raises(OicError, match="the answer exceeds"):
        stand.client().get("projects")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 400 * 1024  # of 8 GiB


@pytest.mark.parametrize("body", ["json", "text", "html", "empty"])
@pytest.mark.parametrize("details", ["list", "object", "null"])
@pytest.mark.parametrize("status", ["string", "int", "absent"])
def test_every_form_of_an_error_body_is_told(start, body, details, status):
    stand = start(error_body=body, error_details=details, error_status=status)
    with pytest.raises(RequestRefusedError, match="HTTP 400") as caught:
        stand.client().get("lookups", limit="0")
    assert caught.value.status == 400
    assert ("Invalid limit" in caught.value.what) == (body in {"json", "text"})


def test_an_archive_of_fifty_megabytes_is_saved_whole(start, tmp_path):
    stand = start(archive_mebibytes=50)
    path = tmp_path / "saved"
    stand.client().download("integrations", "INT0001|01.00.0000", "archive", into=path)
    with zipfile.ZipFile(path) as file:
        assert file.testzip() is None
    assert path.stat().st_size > 50 * 2**20


@pytest.mark.parametrize("switches", [{"archive_cut": True}, {}])
def test_an_archive_that_stays_cut_fails_and_leaves_no_file(start, tmp_path, switches):
    stand = start(**switches)
    if not switches:
        stand.fault("truncated", path="/archive", times=99)
    path = tmp_path / "saved"
    with pytest.raises(TransientError, match="6 times in a row"):
        stand.client().download(
            "integrations", "INT0001|01.00.0000", "archive", into=path
        )
    assert not path.exists()


@pytest.mark.parametrize("edits", [1, 3])
def test_an_edit_between_reading_and_writing_is_merged(start, tmp_path, edits):
    stand = start(lookup_edits=edits)
    rows = [{"rightnow": "X", "soap": "added"}]
    settings = {
        "object_types": {"changes": "lookup_rows"},
        "lookup_name": "Lookup3",
        "load_method": "upsert",
    }
    done = write(stand, tmp_path, "changes", rows, **settings)
    assert done.returncode == 0, done.stderr.decode()
    keys = {row["rowData"][0] for row in stand.lookup("Lookup3")["rows"]}
    wanted = {f"edit{n + 1}" for n in range(edits)}
    assert keys == {"RN0", "RN1", "RN2", "X"} | wanted


def test_a_lookup_that_never_stands_still_is_rejected_by_name(start, tmp_path):
    stand = start(lookup_edits=-1)
    rows = [{"name": "Lookup3", "columns": ["a", "b"], "rows": [["1", "2"]]}]
    done = write(stand, tmp_path, "lookups", rows)
    assert (done.returncode, stand.applied) == (1, [])
    assert b"name=Lookup3" in done.stderr
    assert b"someone changed it" in done.stderr


def test_activating_a_version_switches_off_its_sibling(stand, tmp_path):
    row = stand.contents.integration(1) | {"version": "01.00.0001"}
    row |= {"id": "INT0001|01.00.0001", "status": "CONFIGURED"}
    stand.contents.rows["integrations"].append(row)
    record = {"id": row["id"], "status": "ACTIVATED"}
    assert write(stand, tmp_path, "integrations", [record]).returncode == 0
    found = {r["id"]: r for r in read(stand, "integrations").records("integrations")}
    assert found["INT0001|01.00.0000"]["status"] == "CONFIGURED"
    both = [{"id": "INT0001|01.00.0000", "status": "ACTIVATED"}, record]
    done = write(stand, tmp_path, "integrations", both)
    assert done.returncode == 1
    assert b"would switch off INT0001|01.00.0000" in done.stderr


def test_an_activation_that_outlasts_the_client_is_waited_for(start, tmp_path):
    stand = start(activation_mode="sync", activation_seconds=2)
    record = {"id": "INT0000|01.00.0000", "status": "ACTIVATED"}
    done = write(stand, tmp_path, "integrations", [record], request_timeout_seconds=1)
    assert done.returncode == 0, done.stderr.decode()
    assert stand.applied == ["activate INT0000|01.00.0000"]


def test_a_schedule_is_started_once_and_none_is_told(start, tmp_path):
    stand = start(schedule_state="STOPPED")
    stand.fault("reset_after", path="/schedule/start")
    record = {"id": "INT0010|01.00.0000", "action": "start"}
    for _ in range(2):
        done = write(stand, tmp_path, "integration_schedules", [record])
        assert done.returncode == 0, done.stderr.decode()
    assert stand.applied == ["start schedule INT0010|01.00.0000"]
    none = {"id": "INT0001|01.00.0000", "action": "start"}
    done = write(stand, tmp_path, "integration_schedules", [none])
    assert done.returncode == 1
    assert b"it has no schedule" in done.stderr


@pytest.mark.parametrize("is_ours", [True, False])
def test_a_created_archive_whose_answer_is_lost_is_settled_by_content(
    stand, tmp_path, is_ours
):
    path = tmp_path / "NEW_01.00.0000.iar"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x", "y")
    stand.fault("reset_after", path="/archive", method="POST")
    if not is_ours:
        stand.switch(archive_cut=True)  # what is exported cannot be compared
    record = {"id": "NEW|01.00.0000", "archive_path": str(path)}
    settings = {"import_mode": "create", "max_retries": 1}
    done = write(stand, tmp_path, "integrations", [record], **settings)
    assert done.returncode == (0 if is_ours else 1), done.stderr.decode()
    assert is_ours or b"compare it in the" in done.stderr


def test_how_many_were_accepted_is_told_before_a_fatal_stop(stand, tmp_path):
    stand.fault("500", path="CONN2", times=99)
    rows = [{"id": f"CONN{n}", "connectionProperties": {"connectionUrl": "https://x"}}
            for n in range(4)]  # fmt: skip
    config = {**stand.config, "max_retries": 0}
    done = run(NAME, config, tmp_path, data=feed("connections", rows))
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"2 records accepted, then stopped at id=CONN2" in done.stderr
    assert CLIENT[1].encode() not in done.stderr

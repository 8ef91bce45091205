"""What rows and requests may look like beyond the ordinary."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest
from flext_oracle_oic.errors import OicError
from flext_oracle_oic.windows import WindowReader
from servers.oic_commands import read, run, write

HERE = Path(__file__).parent


@pytest.mark.parametrize("text", ["\U0001d54f \u00fc", "half \ud83d of a pair"])
def test_every_text_that_json_can_carry_arrives(stand, tmp_path, text):
    stand.contents.rows["projects"][0]["name"] = text
    config = {**stand.config, "streams": ["projects"]}
    done = run("flext-tap-oracle-oic", config, tmp_path)
    assert b"Traceback" not in done.stderr
    if text.isprintable():
        assert done.returncode == 0
        assert text in done.stdout.decode()
    else:  # moved or named, never dropped in silence
        assert done.returncode in {0, 1}
        assert done.returncode or done.stdout.count(b'"RECORD"') == 2


def test_a_row_that_comes_twice_in_one_page_is_one_record(start):
    stand = start(duplicates=True)
    found = read(stand, "connections").ids("connections")
    assert sorted(found) == sorted(row["id"] for row in stand.truth("connections"))


def test_numbers_and_old_links_take_the_columns_kind(start):
    stand = start(links="object")
    stand.contents.rows["projects"][0]["name"] = 42
    records = read(stand, "projects", "integrations").records
    assert "42" in {row["name"] for row in records("projects")}
    assert records("integrations")[0]["links"] == [
        {"@rel": "self", "@href": "https://oic.example.com"}
    ]


def test_no_request_asks_for_what_the_service_refuses_or_shortens(stand):
    read(stand, "integrations", "lookups", "monitoring_instances", "errors")
    for path in stand.requests("/ic/api/"):
        assert "integrationInstance=" in path
        assert not re.search(r"[?&](page|fields|groupBy|return)=|\||%257C", path)
        if "limit=" in path:
            assert re.search(r"[?&]limit=[1-9]\d*(&|$)", path)


@pytest.mark.parametrize("shape", ["groupBy=integration", "fields=runId"])
def test_a_grouped_answer_is_an_error_and_makes_no_records(stand, shape):
    name, _, value = shape.partition("=")
    ask = stand.sim.reading.monitoring
    stand.sim.reading.monitoring = lambda rows, query, by: ask(
        rows, query | {name: value}, by
    )
    with pytest.raises((OicError, Exception), match=r"it has no (id|lastTrackedTime)"):
        read(stand, "monitoring_instances")


@pytest.mark.parametrize("given", ["1", "Thu, 01 Jan 1970 00:00:00 GMT", None])
def test_every_form_of_retry_after_is_understood(stand, given):
    stand.fault("429", path="/projects", retry_after=given)
    assert stand.client().get("projects")["items"]
    (wait,) = stand.waits
    assert {"1": wait == 1, None: 0 < wait <= 1}.get(given, wait == 0)


def test_a_resubmit_without_an_answer_names_what_cannot_be(start, tmp_path):
    stand = start(resubmit_answer="202")
    rows = {row["recoverable"]: row["id"] for row in stand.truth("errors")}
    records = [{"id": key} for key in (*rows.values(), "unknown")]
    done = write(stand, tmp_path, "errors", records)
    assert done.returncode == 1
    assert f"id={rows[False]}: it is not recoverable".encode() in done.stderr
    assert b"there is no such error" in done.stderr


@pytest.mark.parametrize("gone", [0, 40, 99, 150, 240])
def test_an_instance_that_leaves_the_window_pulls_no_other_out_of_sight(gone):
    rows = [{"id": n} for n in range(250)]
    asked = 0

    def ask(_, offset):
        nonlocal asked
        asked += 1
        if asked == 2:
            rows.pop(gone)
        part = rows[offset : offset + 100]
        more = offset + len(part) < len(rows)
        return {"items": part, "hasMore": more, "totalRecordsCount": len(rows)}

    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    (found,) = WindowReader(ask, "GET x").read(start, start + dt.timedelta(hours=1))
    assert {row["id"] for row in found} >= {row["id"] for row in rows}


def test_the_table_of_scenarios_names_tests_that_exist():
    named = set(re.findall(r"`(test_\w+)`", (HERE / "README.md").read_text()))
    there = {
        name
        for path in HERE.glob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    assert named
    assert named <= there, named - there

"""Design-time lists, whole, whatever the service does to paging and to rows."""

from __future__ import annotations

import json

import pytest
from fakes.oic.data import SECRET
from flext_oracle_oic.catalogue import SPECS
from flext_oracle_oic.errors import OicError
from flext_oracle_oic.paging import ListReader
from hypothesis import given
from hypothesis import strategies as st
from servers.oic_commands import read, tap_of
from singer_sdk.exceptions import ConfigValidationError

KEYS = {name: spec.keys[0] for name, spec in SPECS.items()}
TRUTH = {"agent_groups": "agentgroups"}


@pytest.mark.parametrize(
    "stream",
    [
        "integrations",
        "connections",
        "lookups",
        "libraries",
        "packages",
        "projects",
        "certificates",
        "adapters",
        "agent_groups",
        "monitoring_integrations",
    ],
)
def test_a_list_comes_whole(stand, stream):
    found = read(stand, stream).ids(stream, KEYS[stream])
    kind = TRUTH.get(stream, stream)
    kind = "integrations" if stream == "monitoring_integrations" else kind
    key = KEYS[stream]
    assert sorted(found) == sorted(row[key] for row in stand.truth(kind))


@pytest.mark.parametrize(
    "switches",
    [
        {"max_limit": 7},
        {"total_results": "missing", "max_limit": 20},
        {"total_results": "wrong", "max_limit": 20},
        {"wrapper": True},
        {"reorder_after_lists": 1, "max_limit": 20},
        {"reorder_after_lists": 4, "max_limit": 20},
    ],
)
def test_paging_survives_what_the_service_does(start, switches):
    stand = start(**switches)
    found = set(read(stand, "integrations", details=False).ids("integrations"))
    assert found == {row["id"] for row in stand.truth("integrations")}


def test_a_list_without_order_by_name_is_read_again_after_a_repeat(start):
    stand = start(max_limit=1, reorder_after_lists=2)
    found = set(read(stand, "adapters").ids("adapters", "name"))
    assert found == {row["name"] for row in stand.truth("adapters")}


def test_an_ignored_offset_is_an_error_and_not_a_short_list(start):
    stand = start(offset="ignored", max_limit=50)
    with pytest.raises(OicError, match="repeats its page"):
        read(stand, "integrations", details=False)


@given(
    st.lists(st.integers(0, 30), unique=True, max_size=30),
    st.integers(1, 9),
    st.integers(0, 20),
    st.integers(0, 29),
)
def test_a_row_that_moves_to_the_front_costs_no_other(keys, size, turn, moved):
    rows = [{"id": key, "n": 0} for key in keys]
    asked = 0

    def ask(offset):
        nonlocal asked
        asked += 1
        if asked == turn and moved < len(rows):
            row = rows.pop(moved)
            rows.insert(0, {**row, "n": 1})
        part = rows[offset : offset + size]
        return {"items": part, "hasMore": offset + len(part) < len(rows)}

    found = list(ListReader(ask, lambda row: row["id"], "GET x").read())
    assert {row["id"] for row in found} == set(keys)


@pytest.mark.parametrize(
    ("keys", "stamps", "scalars"),
    [
        ("kebab", "Z", "native"),
        ("mixed", "epoch_ms", "native"),
        ("camel", "+0000", "string"),
        ("kebab", "epoch_ms", "string"),
    ],
)
def test_every_spelling_gives_the_same_records(start, keys, stamps, scalars):
    plain = start(instances=20)
    other = start(instances=20, keys=keys, timestamps=stamps, scalars=scalars)
    other.contents.start = plain.contents.start
    other.contents.rows = plain.contents.rows
    other.contents.instances = plain.contents.instances
    streams = ("integrations", "connections", "monitoring_instances")
    a, b = read(plain, *streams), read(other, *streams)
    for stream in streams:
        assert a.records(stream) == b.records(stream)


def test_details_add_what_the_list_lacks_and_can_be_left_out(stand):
    full = read(stand, "integrations").records("integrations")
    assert full[0]["endPoints"][0]["connection"]["id"] == "CONN1"
    slim = read(stand, "integrations", details=False).records("integrations")
    assert slim[0]["endPoints"] is None
    assert len(slim) == len(full)


def test_values_of_security_properties_are_never_shown(stand):
    run = read(stand, "connections")
    assert SECRET not in run.text
    (first, *_) = run.records("connections")
    assert first["securityProperties"][0] == {
        "propertyGroup": "CREDENTIALS",
        "propertyName": "password",
        "propertyType": "PASSWORD",
        "propertyValue": "***",
    }
    assert first["connectionProperties"][0]["propertyValue"].startswith("https")


def test_an_integration_deleted_between_list_and_detail_is_left_out(stand):
    # The stand-in's own way of a 404: the row is gone when it is asked for.
    rows = stand.contents.rows["integrations"]
    gone = next(row for row in rows if row["code"] == "INT0007")
    ask = stand.sim.reading.detail

    def detail(kind, key):
        if key == gone["id"] and gone in rows:
            rows.remove(gone)
        return ask(kind, key)

    stand.sim.reading.detail = detail
    found = read(stand, "integrations").ids("integrations")
    assert gone["id"] not in found
    assert len(found) == 129


@given(st.integers(3, 30), st.integers(1, 9), st.integers(0, 20), st.integers(0, 29))
def test_a_row_that_is_deleted_hides_no_other(count, size, turn, gone):
    rows = [{"id": key} for key in range(count)]
    kept = {key for key in range(count) if key != gone}
    asked = 0

    def ask(offset):
        nonlocal asked
        asked += 1
        if asked == turn and gone < len(rows):
            rows.pop(gone)
        part = rows[offset : offset + size]
        return {"items": part, "hasMore": offset + len(part) < len(rows)}

    found = {row["id"] for row in ListReader(ask, lambda r: r["id"], "GET x").read()}
    assert kept <= found


def test_only_scheduled_integrations_are_asked_for_a_schedule(stand):
    run = read(stand, "integration_schedules")
    scheduled = [r for r in stand.truth("integrations") if r["scheduleDefinedFlag"]]
    assert sorted(run.ids("integration_schedules")) == sorted(
        row["id"] for row in scheduled
    )
    assert len(stand.requests("/schedule")) == len(scheduled)


def test_an_id_is_encoded_in_the_path(start):
    stand = start(quoted_id="400")
    assert len(read(stand, "integrations").ids("integrations")) == 130
    assert stand.requests("INT0001%7C01.00.0000")


def test_lookup_rows_are_columns_and_values(stand):
    rows = read(stand, "lookup_rows").records("lookup_rows")
    assert len(rows) == sum(row["rowCount"] for row in stand.truth("lookups"))
    assert {
        "lookupName": "Lookup3",
        "rowNumber": 1,
        "values": {"rightnow": "RN1", "soap": 'SO, "1"'},
        "additionalFields": None,
    } in rows


def test_agents_come_by_group(stand):
    agents = read(stand, "agents").records("agents")
    assert [(a["agentGroupId"], a["id"]) for a in agents] == [
        ("AGE0", "AGE0-A"),
        ("AGE1", "AGE1-A"),
    ]


@pytest.mark.parametrize(
    "kind",
    [
        "429", "500", "500_html", "502", "503", "504", "reset_before", "reset_after",
        "truncated", "gzip_truncated", "null", "empty",
    ],
)  # fmt: skip
def test_a_fault_that_passes_costs_no_row(stand, kind):
    stand.fault(kind, path="/integrations", times=2, after=1)
    assert len(read(stand, "integrations", details=False).ids("integrations")) == 130
    assert len(stand.waits) == 2


def test_a_page_for_people_is_an_error(stand):
    stand.fault("login_page", path="/connections")
    with pytest.raises(OicError, match="a page instead of data"):
        read(stand, "connections", details=False)


@pytest.mark.parametrize("body", ["{}", '"text"', "7", '{"items": {"a": 1}}'])
def test_an_answer_that_is_no_list_is_an_error(body):
    with pytest.raises(OicError, match="holds no list"):
        list(ListReader(lambda _: json.loads(body), id, "GET x").read())


def test_one_row_that_always_fails_is_rejected_and_takes_no_other_along(
    stand, tmp_path
):
    stand.fault("500", path="INT0005", times=99)
    rejects = tmp_path / "rejects.jsonl"
    run = read(
        stand, "integrations", max_errors=1, rejects_path=str(rejects), max_retries=1
    )
    assert len(run.ids("integrations")) == 129
    assert "INT0005" in rejects.read_text()


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"id": None}, "it has no id"),
        ({"name": "no id"}, "it has no id"),
        ("text", "where a row should"),
        ({"id": "A|1", "lastUpdated": "yesterday"}, "lastUpdated"),
        ({"id": "A|1", "percentageComplete": "many"}, "percentageComplete"),
        ({"id": "A|1", "lockedFlag": "perhaps"}, "lockedFlag"),
        ({"id": "A|1", "name": {"an": "object"}}, "name"),
    ],
)
def test_a_row_that_makes_no_record_is_rejected_with_its_reason(
    stand, tmp_path, row, reason
):
    rejects = tmp_path / "rejects.jsonl"
    ask = stand.sim.reading.design_list

    def with_bad(kind, query):
        answer = ask(kind, query)
        if query["offset"] == "0":
            answer["items"][5] = row
        return answer

    stand.sim.reading.design_list = with_bad
    run = read(
        stand, "integrations", details=False, max_errors=5, rejects_path=str(rejects)
    )
    assert len(set(run.ids("integrations"))) == 129
    assert reason in rejects.read_text()


def test_fields_without_a_column_are_kept(stand):
    stand.contents.rows["projects"][0]["brandNew"] = {"a": [1, "ü", "\U0001d54f"]}
    first = next(
        r
        for r in read(stand, "projects").records("projects")
        if r["additionalFields"] and "brandNew" in r["additionalFields"]
    )
    assert first["additionalFields"]["brandNew"] == {"a": [1, "ü", "\U0001d54f"]}


@pytest.mark.parametrize(
    ("alias", "stream"),
    [
        ("executions", "monitoring_instances"),
        ("instances", "monitoring_instances"),
        ("schedules", "integration_schedules"),
        ("metrics", "monitoring_integrations"),
        ("audit_events", "audit_records"),
    ],
)
def test_names_that_movers_hold_are_understood(stand, alias, stream):
    assert list(tap_of(stand, alias).streams) == [stream]


def test_an_unknown_stream_is_an_error(stand, monkeypatch):
    with pytest.raises(ConfigValidationError) as refused:
        tap_of(stand, "integration")
    assert 'did you mean "integrations"' in str(refused.value.errors)
    monkeypatch.setenv("MELTANO_EXTRACT__SELECT", '["executions.*"]')
    with pytest.raises(OicError, match="no stream 'executions'") as caught:
        tap_of(stand, "projects").discover_streams()
    assert "monitoring_instances" in caught.value.fix


def test_no_request_is_wasted(stand):
    read(stand, "integrations", "lookups", details=False)
    lists = [path for path in stand.requests("/ic/api/") if "limit=" in path]
    assert len(lists) == 3  # 130 integrations in two pages, 12 lookups in one
    assert len(stand.requests("/ic/api/", "design")) == 3


def test_gen2_is_read_whole_although_it_has_no_projects(start, caplog):
    stand = start("gen2", instances=20)
    given = {**stand.basic, "integration_instance": None}
    run = read(stand, "projects", "packages", **given)
    assert run.ids("packages", "name")
    assert not run.records("projects")
    assert "projects: this instance is of Gen 2, which has none" in caplog.text


def test_a_list_that_is_not_there_is_an_error_where_it_should_be(stand):
    with pytest.raises(OicError):
        read(stand, "projects", integration_instance="other")

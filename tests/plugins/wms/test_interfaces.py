"""Writing through init_stage_interface, and what became of it (sheet §6)."""

from __future__ import annotations

import datetime as dt
import json
import time
import xml.etree.ElementTree as ET
from urllib.parse import parse_qs

import pytest
from fakes.wms import staging as fake_staging
from flext_oracle_wms import staging
from flext_oracle_wms.documents import (
    MAX_DOCUMENT_BYTES,
    Header,
    document,
    prepare,
    split,
)
from flext_oracle_wms.errors import (
    AuthenticationError,
    PermissionDeniedError,
    RecordError,
    WmsError,
)
from flext_oracle_wms.interface_answers import read_answer
from flext_oracle_wms.interfaces import INTERFACES
from flext_oracle_wms.staging import waves
from flext_singer.errors import SettingsError, TooManyErrorsError
from servers.wms_commands import write

ITEM = INTERFACES["item"]
KEY = ["item_alternate_code"]


@pytest.fixture(autouse=True)
def short_trace(monkeypatch):
    monkeypatch.setattr(staging.Options, "trace_seconds", 1.0, raising=False)
    original = staging.Options.__init__

    def init(self, *args, **kwargs):
        kwargs.setdefault("trace_seconds", 1.0)
        original(self, *args, **kwargs)

    monkeypatch.setattr(staging.Options, "__init__", init)


def item(code, **more):
    return {"item_alternate_code": code, "company_code": "C1", "part_a": code, **more}


def sent(stand):
    """Every record that reached the interface, as documents."""
    return [
        ET.fromstring(parse_qs(entry["body"])["xml_data"][0])
        for entry in stand.sim.log
        if "init_stage_interface" in entry["path"]
    ]


def actions(stand):
    return [e.text for d in sent(stand) for e in d.iter("action_code")]


def by_code(stand, entity="item", field="item_alternate_code"):
    return {row[field]: row for row in stand.truth(entity)}


def test_new_and_changed_items_are_there_when_state_is_written(start):
    stand = start(rows=3)
    rows = [item("NEW", description="Ü <&> \"'"), item("ITM00001", description="other")]
    assert write(stand, "item", rows, KEY) == [{"done": "item"}]
    found = by_code(stand)
    assert found["NEW"]["description"] == "Ü <&> \"'"
    assert found["ITM00001"]["description"] == "other"
    assert actions(stand) == ["CREATE", "UPDATE"]


@pytest.mark.parametrize("existing", ["update", "reject"])
@pytest.mark.parametrize("mode", ["21D", "pre21D"])
@pytest.mark.parametrize("stays", [False, True])
def test_upserts_work_whatever_create_means(start, existing, mode, stays):
    stand = start(
        rows=3,
        stage_create_existing=existing,
        stage_status_mode=mode,
        stage_stays_listed=stays,
    )
    write(stand, "item", [item("NEW"), item("ITM00001", description="x")], KEY)
    assert by_code(stand)["ITM00001"]["description"] == "x"


def test_the_action_of_upserts_can_be_set(start):
    stand = start(rows=3)
    write(stand, "item", [item("ITM00001")], KEY, upsert_action_code="CREATE")
    assert actions(stand) == ["CREATE"]


@pytest.mark.parametrize(
    ("mode", "code", "action"),
    [
        ("create", "NEW", "CREATE"),
        ("update", "ITM00001", "UPDATE"),
        ("delete", "ITM00001", "DELETE"),
    ],
)
def test_operation_mode_becomes_the_action_code(start, mode, code, action):
    stand = start(rows=3)
    write(stand, "item", [item(code)], KEY, operation_mode=mode)
    assert actions(stand) == [action]
    assert (code in by_code(stand)) == (mode != "delete")


def test_a_record_may_name_its_own_operation(start):
    stand = start(rows=3)
    rows = [
        {**item("ITM00001"), "_operation": "delete"},
        {**item("ITM00002"), "_sdc_deleted_at": "2026-01-01T00:00:00Z"},
        {**item("NEW"), "_operation": None},
    ]
    write(stand, "item", rows, KEY)
    assert set(by_code(stand)) == {"ITM00003", "NEW"}


def test_a_word_that_is_no_operation_is_rejected(start):
    with pytest.raises(TooManyErrorsError, match="_operation is 'erase'"):
        write(start(rows=1), "item", [{**item("A"), "_operation": "erase"}], KEY)


@pytest.mark.parametrize("status", [99, 101])
def test_rejected_keys_are_named_with_the_reason_and_the_run_fails(
    start, status, tmp_path, caplog
):
    stand = start(rows=3, stage_rejected_status=status)
    path = tmp_path / "rejects.jsonl"
    rows = [
        item("A"),
        item("B", company_code="C9"),
        item("C", unit_cost="x"),
        item("D"),
    ]
    with pytest.raises(TooManyErrorsError, match="Invalid company_code 'C9'"):
        write(stand, "item", rows, KEY, rejects_path=str(path))
    rejects = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(r["where"], r["reason"]) for r in rejects] == [
        ("item_alternate_code=B, company_code=C9", "Invalid company_code 'C9'"),
        ("item_alternate_code=C, company_code=C1", "Invalid value for unit_cost: 'x'"),
    ]
    assert {"A", "D"} <= set(by_code(stand))
    assert "item: 2 of 4 records accepted" in caplog.text


def test_as_many_rejects_as_allowed_let_the_run_succeed(start, caplog):
    caplog.set_level("INFO")
    stand = start(rows=3)
    rows = [item("A"), item("B", company_code="C9")]
    assert write(stand, "item", rows, KEY, max_errors=1) == [{"done": "item"}]
    assert '"metric":"record_count","value":1' in caplog.text
    assert '"metric":"rejected","value":1' in caplog.text


def test_no_state_is_written_when_a_key_is_rejected(start, capsys):
    with pytest.raises(TooManyErrorsError):
        write(start(rows=1), "item", [item("B", company_code="C9")], KEY)
    assert "done" not in capsys.readouterr().out


def test_a_record_that_is_never_processed_is_no_success(start):
    stand = start(rows=1, stage_delay_seconds=3600)
    with pytest.raises(TooManyErrorsError, match="neither processed nor rejected"):
        write(stand, "item", [item("A")], KEY, stage_timeout_seconds=0.5)


def test_rows_that_failed_in_earlier_runs_do_not_count(start):
    stand = start(rows=1)
    with pytest.raises(TooManyErrorsError):
        write(stand, "item", [item("A", company_code="C9")], KEY)
    assert stand.rows.find("stage_item", item_alternate_code="A")
    write(stand, "item", [item("A")], KEY)
    assert "A" in by_code(stand)


def test_an_upsert_of_what_is_there_sends_nothing(start):
    """Only what is surely the same: 7 is not the code 007."""
    stand = start(rows=3)
    rows = [item("A", unit_cost=1.5, barcode="007"), item("B", barcode="x")]
    write(stand, "item", rows, KEY)
    before = by_code(stand)
    log = [*stand.sim.staging.processed]
    write(stand, "item", rows, KEY)
    assert by_code(stand) == before
    assert stand.sim.staging.processed == log

    rows[0] |= {"barcode": 7}
    rows[1] |= {"unknown_to_the_row": "y"}
    write(stand, "item", rows, KEY)
    assert by_code(stand)["A"]["barcode"] == "7"
    assert len(stand.sim.staging.processed) == 4


def test_statuses_are_those_that_stage_status_names(start):
    """120 is in no setting; the environment calls it rejected."""
    stand = start(rows=1, stage_rejected_status=120)
    with pytest.raises(TooManyErrorsError, match="Invalid company_code"):
        write(stand, "item", [item("A", company_code="C9")], KEY)
    assert len(stand.requests("/entity/stage_status")) == 1


def test_what_a_dead_run_staged_is_waited_for_and_not_sent_beside(start, caplog):
    """Sent at once, NEW's CREATE would meet what the earlier CREATE makes."""
    stand = start(rows=1, stage_delay_seconds=1.5, stage_create_existing="reject")
    rows = [item("NEW"), item("BAD", unit_cost="no number")]
    with pytest.raises(TooManyErrorsError, match="neither processed nor rejected"):
        write(stand, "item", rows, KEY, stage_timeout_seconds=0.3)
    assert not stand.sim.staging.processed

    mended = [item("NEW", description="newer"), item("BAD")]
    assert write(stand, "item", mended, KEY) == [{"done": "item"}]
    assert "BAD of an earlier run was rejected: Invalid value" in caplog.text
    assert [e["error"][:7] for e in stand.sim.staging.processed] == [
        "",
        "Invalid",
        "",
        "",
    ]
    assert by_code(stand)["NEW"]["description"] == "newer"
    assert actions(stand) == ["CREATE", "CREATE", "UPDATE", "CREATE"]


def test_a_row_that_stays_on_its_way_holds_its_key_alone(start):
    stand = start(rows=1)
    stuck = {"item_alternate_code": "A", "status_id": 10, "error_message": ""}
    row = stand.rows.insert("stage_item", stuck)
    reason = rf"row {row['id']} of stage_item, status 10"
    with pytest.raises(TooManyErrorsError, match=reason):
        write(stand, "item", [item("A"), item("B")], KEY, stage_timeout_seconds=1)
    assert "A" not in by_code(stand)
    assert "B" in by_code(stand)


def test_a_row_that_nobody_has_processed_for_a_day_holds_nothing(start):
    stand = start(rows=1)
    long_ago = stand.rows.clock.now() - dt.timedelta(days=2)
    stuck = {"item_alternate_code": "A", "status_id": 10, "error_message": ""}
    stand.rows.insert("stage_item", stuck, long_ago)
    write(stand, "item", [item("A")], KEY)
    assert "A" in by_code(stand)


def test_an_update_that_changes_nothing_is_accepted_by_what_is_there(
    start, monkeypatch
):
    stand = start(rows=1, stage_delay_seconds=0)
    monkeypatch.setattr(
        stand.sim.staging,
        "process",
        lambda *_: stand.rows.delete("stage_item", stand.ids("stage_item")[-1]),
    )
    settings = {"stage_timeout_seconds": 2, "operation_mode": "update"}
    write(stand, "item", [item("ITM00001")], KEY, **settings)


def test_an_update_that_left_the_stage_and_changed_nothing_is_no_success(
    start, monkeypatch
):
    stand = start(rows=1, stage_delay_seconds=0)
    monkeypatch.setattr(
        stand.sim.staging,
        "process",
        lambda *_: stand.rows.delete("stage_item", stand.ids("stage_item")[-1]),
    )
    rows = [item("ITM00001", description="never written")]
    with pytest.raises(TooManyErrorsError, match="neither processed nor rejected"):
        write(stand, "item", rows, KEY, stage_timeout_seconds=1)


def test_what_left_the_stage_without_a_trace_is_no_success(start, monkeypatch):
    stand = start(rows=1, stage_delay_seconds=0)
    monkeypatch.setattr(
        stand.sim.staging,
        "process",
        lambda *_: stand.rows.delete("stage_item", stand.ids("stage_item")[-1]),
    )
    with pytest.raises(TooManyErrorsError, match="neither processed nor rejected"):
        write(stand, "item", [item("NEW")], KEY, stage_timeout_seconds=1)


@pytest.mark.parametrize("is_async", [True, False])
def test_the_interface_may_answer_before_or_after_it_processes(start, is_async):
    stand = start(rows=1)
    write(stand, "item", [item("A")], KEY, stage_async=is_async)
    assert "A" in by_code(stand)


def test_a_closed_line_after_the_work_was_done_creates_nothing_twice(start):
    stand = start(rows=1)
    stand.fault("slow_headers", path="init_stage_interface", seconds=0.8)
    settings = {"stage_async": False, "request_timeout_seconds": 0.4}
    write(stand, "item", [item("A")], KEY, **settings)
    assert len(stand.sim.staging.processed) == 1


@pytest.mark.parametrize(
    "kind", ["reset_after", "truncated", "504", "500", "login_page"]
)
def test_a_lost_answer_is_settled_by_looking(start, kind):
    """Received or not: the record is there once, and not sent again if it was."""
    stand = start(rows=1)
    stand.fault(kind, path="init_stage_interface")
    write(stand, "item", [item("A")], KEY)
    was_received = kind in {"reset_after", "truncated"}
    assert len(stand.sim.staging.processed) == 1
    assert len(stand.requests("init_stage")) == (1 if was_received else 2)


def test_a_submit_is_sent_again_when_the_service_asked_for_it(start):
    stand = start(rows=1)
    stand.fault("503", path="init_stage_interface", retry_after="3")
    begin = time.monotonic()
    write(stand, "item", [item("A")], KEY)
    assert time.monotonic() - begin >= 3
    assert len(stand.requests("init_stage")) == 2


def test_a_late_first_sending_is_not_taken_for_a_reject(start, monkeypatch):
    """The repeat is rejected because the first one came through after all."""
    stand = start(rows=1, stage_create_existing="reject", stage_delay_seconds=0)
    held = []
    original = stand.sim.staging.submit

    def submit(kind, body):
        if not held:
            held.append((kind, body))
            return 504, "gateway"
        original(*held[0])
        return original(kind, body)

    monkeypatch.setattr(stand.sim.staging, "submit", submit)
    write(stand, "item", [item("A", description="d")], KEY)
    errors = [entry["error"] for entry in stand.sim.staging.processed]
    assert errors == ["", "Record already exists"]


@pytest.mark.parametrize("kind", ["429", "409"])
def test_a_submit_that_was_refused_unread_is_sent_again(start, kind):
    stand = start(rows=1)
    stand.fault(kind, path="init_stage_interface", retry_after="0")
    write(stand, "item", [item("A")], KEY)
    assert len(stand.sim.staging.processed) == 1


def test_documents_hold_as_many_records_as_batch_size_says(start):
    stand = start(rows=1)
    write(stand, "item", [item(f"A{n}") for n in range(25)], KEY, batch_size=10)
    assert sorted(len(d.findall(".//item")) for d in sent(stand)) == [5, 10, 10]
    assert len(by_code(stand)) == 26


@pytest.mark.parametrize("over", ["503", "accept"])
def test_fewer_than_ten_documents_are_under_way_at_once(start, over):
    stand = start(rows=1, stage_over_parallel=over)
    rows = [item(f"A{n}") for n in range(30)]
    write(stand, "item", rows, KEY, batch_size=1, max_parallel_requests=9)
    assert stand.sim.staging.most_in_flight < 10
    assert len(by_code(stand)) == 31


def test_more_than_nine_parallel_requests_are_refused(stand):
    with pytest.raises(SettingsError):
        write(stand, "item", [item("A")], KEY, max_parallel_requests=10)


@pytest.mark.parametrize("over", ["413", "accept"])
def test_documents_stay_below_the_documented_size(start, over):
    stand = start(rows=0, stage_body_over_10mb=over)
    stand.rows.find("company", code="C1")
    rows = [item(f"A{n}", description="ü<" * 150_000) for n in range(12)]
    write(stand, "item", rows, KEY, batch_size=1000)
    sizes = [len(e["body"]) for e in stand.sim.log if "init_stage" in e["path"]]
    assert len(sizes) >= 2
    assert max(sizes) < 10 * 2**20
    assert len(by_code(stand)) == 12


def test_a_large_set_is_split_by_size():
    records = [
        prepare(ITEM, item(f"A{n}", d="x" * 400_000), "CREATE") for n in range(20)
    ]
    groups = list(split(records, 1000))
    assert all(sum(len(r.xml) for r in g) <= MAX_DOCUMENT_BYTES for g in groups)
    assert [r for g in groups for r in g] == records


@pytest.mark.parametrize("mode", ["21D", "pre21D"])
def test_a_refused_document_is_halved_until_the_bad_record_is_found(
    start, mode, monkeypatch, tmp_path
):
    stand = start(rows=1, stage_status_mode=mode)
    original = stand.sim.staging.parse

    def parse(text):
        if "BAD" in text:
            raise ValueError("Invalid data in BAD")
        return original(text)

    monkeypatch.setattr(stand.sim.staging, "parse", parse)
    path = tmp_path / "rejects"
    rows = [item(f"A{n}") for n in range(7)] + [item("BAD")]
    with pytest.raises(TooManyErrorsError, match="refused it: Invalid data in BAD"):
        write(stand, "item", rows, KEY, rejects_path=str(path))
    assert len(path.read_text().splitlines()) == 1
    assert len(by_code(stand)) == 8


@pytest.mark.parametrize("valid", [True, False])
def test_documents_are_sound_whether_or_not_they_are_validated(start, valid):
    stand = start(rows=1)
    write(stand, "item", [item("A")], KEY, validate_xml=valid)
    form = parse_qs(stand.sim.log[-1]["body"] or "")
    del form
    bodies = [e["body"] for e in stand.sim.log if "init_stage" in e["path"]]
    assert f"validate_xml={valid}" in bodies[0]
    assert "A" in by_code(stand)


def test_of_one_key_the_last_record_counts_however_the_service_orders(start):
    stand = start(rows=1, stage_reorder=True)
    rows = [item("A", description=f"v{n}") for n in range(50)]
    write(stand, "item", rows, KEY, batch_size=1)
    assert by_code(stand)["A"]["description"] == "v49"


def test_a_delete_after_a_create_comes_after_it(start):
    stand = start(rows=1, stage_reorder=True)
    rows = [{**item("A"), "_operation": o} for o in ("create", "delete", "create")]
    write(stand, "item", rows, KEY)
    assert [p["record"]["action_code"] for p in stand.sim.staging.processed] == [
        "CREATE",
        "DELETE",
        "CREATE",
    ]


def test_waves_hold_a_key_once():
    def one(key, action="CREATE", company="C1"):
        return prepare(ITEM, item(key, company_code=company), action)

    records = [one("A"), one("B"), one("A"), one("A", "DELETE"), one("A", company="C2")]
    assert [[(r.key, r.company, r.action) for r in w] for w in waves(records)] == [
        [("A", "C1", "CREATE"), ("B", "C1", "CREATE")],
        [("A", "C1", "DELETE")],
        [("A", "C2", "CREATE")],
    ]


def test_the_same_code_in_two_companies_is_two_things(start):
    stand = start(rows=0)
    rows = [
        item("A", description="one"),
        item("A", company_code="C2", description="two"),
    ]
    write(stand, "item", rows, [*KEY, "company_code"])
    assert [r["description"] for r in stand.truth("item")] == ["one", "two"]


@pytest.mark.parametrize("entity", ["order", "purchase_order", "ib_shipment"])
def test_one_number_in_two_facilities_is_two_documents(start, entity):
    stand = start(rows=1)
    key, final = INTERFACES[entity].key, INTERFACES[entity].final_entity
    rows = [
        {key: "SAME", "company_code": "C1", "facility_code": code, "cust_name": code}
        for code in ("F1", "F2")
    ]
    for _ in range(2):
        write(stand, entity, rows, [key, "facility_code"])
        found = [r["facility_id"] for r in stand.truth(final) if r[key] == "SAME"]
        assert sorted(found) == [1, 2]
    rows[1]["facility_code"] = "F9"
    with pytest.raises(TooManyErrorsError, match="Invalid facility_code") as caught:
        write(stand, entity, rows, [key, "facility_code"])
    assert "facility_code=F9" in caught.value.where


def test_of_two_parts_of_one_record_none_is_left_out(start):
    stand = start(rows=3)
    parts = [item("ITM00001", description="d"), item("ITM00001", barcode="b")]
    write(stand, "item", parts, KEY)
    row = by_code(stand)["ITM00001"]
    assert (row["description"], row["barcode"]) == ("d", "b")


@pytest.mark.parametrize("mode", ["21D", "pre21D"])
@pytest.mark.parametrize("form", ["xml", "loose", "json"])
def test_the_answer_of_the_interface_is_read_in_any_form(start, form, mode, caplog):
    stand = start(rows=1, stage_answer_as=form, stage_status_mode=mode)
    write(stand, "item", [item("A")], KEY)
    assert len(stand.requests("init_stage")) == 1
    assert "is not known" not in caplog.text
    monkey = stand.sim.staging
    monkey.parse = lambda _: (_ for _ in ()).throw(ValueError("bad data"))
    with pytest.raises(TooManyErrorsError, match="refused it: bad data"):
        write(stand, "item", [item("B")], KEY)


@pytest.mark.parametrize("mode", ["21D", "pre21D"])
@pytest.mark.parametrize("how", ["listed", "answered"])
def test_a_failure_after_the_work_rejects_only_what_failed(start, how, mode, tmp_path):
    """With async=False one bad row may make the answer a failure; the others are in."""
    stand = start(
        rows=1,
        stage_sync_failure=how,
        stage_status_mode=mode,
        stage_create_existing="reject",
    )
    path = tmp_path / "rejects"
    rows = [item("A"), item("B", company_code="C9"), item("C")]
    with pytest.raises(TooManyErrorsError, match="Invalid company_code 'C9'"):
        write(stand, "item", rows, KEY, stage_async=False, rejects_path=str(path))
    assert len(path.read_text().splitlines()) == 1
    assert len(stand.sim.staging.processed) == 3
    assert {"A", "C"} <= set(by_code(stand))


def test_a_company_in_the_settings_serves_records_that_name_none(start):
    stand = start(rows=0)
    rows = [
        {"item_alternate_code": "A"},
        {"item_alternate_code": "B", "company_key": "C2"},
    ]
    write(stand, "item", rows, KEY, company_code="C1")
    companies = {r["item_alternate_code"]: r["company_id"] for r in stand.truth("item")}
    assert companies == {"A": 1, "B": 2}
    assert sent(stand)[0].findtext("Header/ParentCompanyCode") == "C1"


@pytest.mark.parametrize(
    ("stream", "row", "key", "entity", "field"),
    [
        ("vendor", {"vendor_code": "V9", "name": "n"}, "vendor_code", "vendor", "code"),
        (
            "stores",
            {"facility_code": "S9", "name": "n"},
            "facility_code",
            "facility",
            "code",
        ),
        (
            "site",
            {"facility_code": "S8", "name": "n"},
            "facility_code",
            "facility",
            "code",
        ),
        (
            "purchase_order",
            {
                "po_nbr": "PO9",
                "facility_code": "F1",
                "purchase_order_dtl": [
                    {"seq_nbr": 1, "item_alternate_code": "ITM00001"}
                ],
            },
            "po_nbr",
            "purchase_order_hdr",
            "po_nbr",
        ),
        (
            "ib_shipment",
            {"shipment_nbr": "SH9", "facility_code": "F1"},
            "shipment_nbr",
            "ib_shipment",
            "shipment_nbr",
        ),
        (
            "orders",
            {
                "order_nbr": "O9",
                "facility_code": "F1",
                "order_dtl": '[{"seq_nbr": 1, "ord_qty": 2.50}]',
            },
            "order_nbr",
            "order_hdr",
            "order_nbr",
        ),
    ],
)
def test_every_interface_takes_its_entity(start, stream, row, key, entity, field):
    stand = start(rows=1)
    write(stand, stream, [{"company_code": "C1", **row}], [key])
    assert row[key] in {r[field] for r in stand.truth(entity)}
    (document_,) = sent(stand)
    if "order_dtl" in row:
        assert document_.findtext(".//order/order_dtl/ord_qty") == "2.50"
        assert document_.findtext(".//order/order_hdr/order_nbr") == "O9"
    if "purchase_order_dtl" in row:
        assert document_.findtext(".//purchase_order_dtl/seq_nbr") == "1"


def test_a_stream_of_any_name_is_written_to_its_entity(start):
    stand = start(rows=0)
    rows = [{"sku": "A", "text": "t", "drop": 1}]
    names = {
        "stock": {"sku": "item_alternate_code", "text": "description", "drop": None}
    }
    write(
        stand,
        "stock",
        rows,
        ["sku"],
        entity={"stock": "item"},
        field_mapping=names,
        company_code="C1",
    )
    assert by_code(stand)["A"]["description"] == "t"
    assert sent(stand)[0].find(".//drop") is None


def test_nothing_that_is_only_read_is_sent(start):
    stand = start(rows=1)
    row = {
        **item("A"),
        "id": 7,
        "url": "u",
        "create_ts": "x",
        "mod_ts": "y",
        "order_dtl_set_count": 1,
        "company_id": 5,
        "_sdc_batched_at": "z",
    }
    write(stand, "item", [row], KEY)
    tags = {e.tag for e in sent(stand)[0].iter()}
    assert not tags & {
        "id",
        "url",
        "create_ts",
        "mod_ts",
        "order_dtl_set_count",
        "company_id",
        "_sdc_batched_at",
    }


def test_decimals_are_written_digit_by_digit(start):
    stand = start(rows=0)
    lines = item("A")
    lines["unit_weight"] = "12345678901234567890.123456789"
    write(stand, "item", [lines], KEY)
    assert by_code(stand)["A"]["unit_weight"] == "12345678901234567890.123456789"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"item_alternate_code": None, "company_code": "C1"}, "is null"),
        ({"item_alternate_code": "A", "description": "a\x00b"}, r"U\+0000"),
        ({"item_alternate_code": "A", "bad name": "x"}, "name of an XML element"),
        ({"item_alternate_code": "A", "deep": {"a": 1}}, "dict"),
    ],
)
def test_a_record_that_xml_cannot_hold_is_rejected(stand, row, message):
    with pytest.raises(TooManyErrorsError, match=message):
        write(stand, "item", [row], KEY)
    assert not stand.requests("init_stage")


def test_hostile_text_stays_text():
    text = "]]></description><x/>&amp;<!-- \r\n\t ü \U0001f600"
    record = prepare(ITEM, item("A", description=text), "CREATE")
    parsed = ET.fromstring(document(ITEM, [record], Header("Host", "", ""), "1"))
    assert parsed.findtext(".//description") == text


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", b"null", b"<root/>", b"<!DOCTYPE x [<!ENTITY a 'b'>]><root/>"],
)
def test_what_is_no_answer_of_the_interface_is_no_success(content):
    assert read_answer(content) is None


@pytest.mark.parametrize(
    ("word", "success"),
    [("True", True), ("true", True), ("False", False), ("", False), ("yes", False)],
)
def test_success_is_what_the_body_says(word, success):
    body = f"<root><success>{word}</success><response><message>m</message></response></root>"
    assert read_answer(body.encode()) == (success, "m")


def test_a_user_without_update_access_cannot_stage(start):
    stand = start(rows=1)
    stand.sim.auth.denied = {"update"}
    with pytest.raises(PermissionDeniedError, match="HTTP 403"):
        write(stand, "item", [item("A")], KEY)


def test_a_wrong_password_is_sent_once_even_by_many_documents(stand):
    rows = [item(f"A{n}") for n in range(20)]
    with pytest.raises(AuthenticationError):
        write(stand, "item", rows, KEY, password="wrong", batch_size=1)
    assert len(stand.sim.log) == 1


def test_an_interface_that_is_not_there_names_the_base_url(stand, monkeypatch):
    monkeypatch.setattr(
        "flext_oracle_wms.staging.Stager.path", "/acme_test/wms/api/nope/"
    )
    with pytest.raises(WmsError, match="HTTP 404: the interface is not there"):
        write(stand, "item", [item("A")], KEY)


@pytest.mark.parametrize("answer", ["404", "301"])
def test_the_interface_is_asked_with_its_slash(start, answer):
    stand = start(rows=1, legacy_without_slash=answer)
    write(stand, "item", [item("A")], KEY)
    assert all(p.endswith("/") for p in stand.requests("init_stage"))


def test_a_key_is_missing():
    with pytest.raises(RecordError, match="item_alternate_code is missing"):
        prepare(ITEM, {"part_a": "x"}, "CREATE")


def test_what_is_sent_can_be_read_before_it_is(start, tmp_path):
    stand = start(rows=1)
    path = tmp_path / "planned" / "dry.jsonl"
    rows = [item(f"A{n}") for n in range(3)]
    assert write(stand, "item", rows, KEY, dry_run_path=str(path), batch_size=2) == []
    assert stand.sim.log == []
    assert path.stat().st_mode & 0o777 == 0o600
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["path"] for line in lines] == [
        "/acme_test/wms/api/init_stage_interface/"
    ] * 2
    assert "<action_code>CREATE" in lines[0]["form"]["xml_data"]
    assert stand.basic["password"] not in path.read_text()


@pytest.mark.parametrize(
    ("stage", "column"), [("stage_vendor", "vendor_code"), ("stage_vendor_hdr", "code")]
)
def test_the_stage_is_found_by_whatever_name_the_environment_has(start, stage, column):
    stand = start(rows=0)
    rows = stand.rows
    entity = rows.entities.pop("stage_vendor")
    entity.fields[column] = entity.fields.pop("code")
    entity.name, entity.key_field = stage, column
    rows.entities[stage] = entity
    rows._rows[stage], rows._next[stage] = {}, 1
    names = staging_names()
    names["vendor"] = (stage, *names["vendor"][1:])
    row = {"vendor_code": "V9", "company_code": "C7"}
    with pytest.raises(TooManyErrorsError, match="Invalid company_code 'C7'"):
        write(stand, "vendor", [row], ["vendor_code"])


@pytest.fixture(autouse=True)
def restored():
    before = dict(staging_names())
    yield
    staging_names().update(before)


def staging_names():
    return fake_staging.INTERFACES

"""Writing through the REST API: POST, PATCH, and stock that must not double (§6)."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from flext_oracle_wms.errors import (
    AuthenticationError,
    PermissionDeniedError,
    RequestRefusedError,
    UnknownOutcomeError,
    WmsError,
)
from flext_oracle_wms.journal import Journal
from flext_singer.errors import TooManyErrorsError
from servers.wms_commands import feed, listen, run, write


def bodies(stand, method):
    return [json.loads(e["body"]) for e in stand.sim.log if e["method"] == method]


def test_a_row_is_created_with_a_post_and_changed_with_a_patch(start):
    stand = start(rows=1)
    write(stand, "trailer", [{"trailer_nbr": "T1"}], ["trailer_nbr"])
    assert [r["trailer_nbr"] for r in stand.truth("trailer")] == ["T1"]
    stand.rows.insert("load", {"load_nbr": "L1"})
    write(stand, "load", [{"load_nbr": "L1", "cust_field_1": "x"}], ["load_nbr"])
    assert stand.truth("load")[0]["cust_field_1"] == "x"
    assert bodies(stand, "POST") == [{"fields": {"trailer_nbr": "T1"}}]
    assert bodies(stand, "PATCH") == [{"fields": {"cust_field_1": "x"}}]


def test_a_row_is_found_by_its_id_when_the_record_has_one(start):
    stand = start(rows=2)
    rows = [{"id": 2, "cust_field_1": "x", "mod_ts": "2024-01-01T00:00:00Z"}]
    write(stand, "order_hdr", rows, ["id"])
    assert stand.truth("order_hdr")[1]["cust_field_1"] == "x"
    assert not stand.requests("order_hdr", "GET")


def test_relations_are_found_by_key_and_remembered(start):
    stand = start(rows=3)
    rows = [
        {
            "batch_nbr": f"B{n}",
            "item_key": "ITM00002",
            "facility_key": "F1",
            "company_code": "C1",
            "expiry_date": "2030-01-01",
        }
        for n in range(5)
    ]
    keys = ["batch_nbr", "item_key", "facility_key", "company_code"]
    write(stand, "batch_number", rows, keys)
    found = stand.truth("batch_number")
    assert {(r["item_id"], r["facility_id"], r["company_id"]) for r in found} == {
        (2, 1, 1)
    }
    for entity in ("item", "facility", "company"):
        assert len(stand.requests(f"/{entity}/?")) == 1
    assert "company_id__code=C1" in stand.requests("/item/?")[0]


def test_get_or_create_says_200_and_creates_nothing_twice(start):
    stand = start(rows=1)
    row = {"batch_nbr": "B", "item_id": 1, "facility_id": 1, "company_id": 1}
    for _ in range(2):
        write(stand, "batch_number", [row], ["batch_nbr"], operation_mode="create")
    assert len(stand.truth("batch_number")) == 1


def test_a_batch_that_exists_with_another_date_is_rejected_when_created(start):
    stand = start(rows=1)
    row = {"batch_nbr": "B", "item_id": 1, "facility_id": 1, "company_id": 1}
    write(stand, "batch_number", [row], ["batch_nbr"])
    other = {**row, "expiry_date": "2030-01-01"}
    with pytest.raises(TooManyErrorsError, match="another expiry date"):
        write(stand, "batch_number", [other], ["batch_nbr"], operation_mode="create")


def test_a_key_that_finds_nothing_is_named(start):
    row = {"batch_nbr": "B", "item_key": "NOPE", "company_key": "C1"}
    with pytest.raises(
        TooManyErrorsError, match="no row has item_alternate_code 'NOPE'"
    ) as c:
        write(start(rows=1), "batch_number", [row], ["batch_nbr"])
    assert "batch_nbr=B" in c.value.where


def test_a_key_that_finds_several_is_named(start):
    stand = start(rows=1)
    for _ in range(2):
        stand.rows.insert("vendor", {"code": "V7", "company_id": 1})
    row = {"po_nbr": "P", "vendor_key": "V7", "cust_field_1": "x"}
    with pytest.raises(TooManyErrorsError, match="2 rows have code 'V7'"):
        write(stand, "purchase_order_hdr", [row], ["po_nbr"], operation_mode="update")


def test_a_relation_that_is_not_visible_to_the_user_is_refused_by_the_service(start):
    row = {"batch_nbr": "B", "item_id": 99, "facility_id": 1, "company_id": 1}
    with pytest.raises(TooManyErrorsError, match="item_id: Invalid item"):
        write(start(rows=1), "batch_number", [row], ["batch_nbr"])


def test_decimals_are_sent_as_text(start):
    stand = start(rows=1)
    lines = feed("order_dtl", [{"id": 1, "ord_qty": 0.5}], ["id"])
    lines = lines.replace("0.5", "0.30000000000000000004")
    listen(stand, lines)
    assert bodies(stand, "PATCH")[0]["fields"]["ord_qty"] == "0.30000000000000000004"
    assert stand.rows.get("order_dtl", 1)["ord_qty"] == Decimal(
        "0.30000000000000000004"
    )


def test_an_entity_without_post_or_patch_is_explained(start):
    with pytest.raises(
        RequestRefusedError, match="cannot be created through"
    ) as caught:
        write(start(rows=1), "wave", [{"run_nbr": "W"}], ["run_nbr"])
    assert "interfaces" in caught.value.fix
    with pytest.raises(RequestRefusedError, match="cannot be updated through"):
        write(start(rows=1), "allocation", [{"id": 1, "alloc_qty": 1}], ["id"])


@pytest.mark.parametrize("row", [{"code": "x"}, {"id": 1, "code": "x"}])
def test_an_entity_that_does_not_exist_ends_the_run(start, row):
    """Also with an id: "no such row" would blame the record."""
    with pytest.raises(WmsError, match="no entity 'order_hdrs'") as caught:
        write(start(rows=1), "order_hdrs", [row], list(row)[:1])
    assert "did you mean 'order_hdr'?" in caught.value.fix


def test_an_upsert_of_what_only_takes_a_post_may_be_run_again(start):
    """A trailer takes no PATCH; a rerun of what is there has nothing to send."""
    stand = start(rows=1)
    row = {"trailer_nbr": "T1", "facility_key": "F1"}
    for _ in range(2):
        write(stand, "trailer", [row, row], ["trailer_nbr"])
    assert len(bodies(stand, "POST")) == 1
    with pytest.raises(RequestRefusedError, match="cannot be updated through"):
        write(stand, "trailer", [{**row, "facility_key": "F2"}], ["trailer_nbr"])


def test_a_reject_names_its_key_even_if_the_key_is_no_field(start):
    names = {"*": {"movement": None}}
    row = {"movement": "M1", "item_key": "no such", "curr_qty": 1}
    with pytest.raises(TooManyErrorsError) as caught:
        write(start(rows=1), "inventory", [row], ["movement"], field_mapping=names)
    assert "movement=M1" in caught.value.where


def test_a_delete_is_refused_because_none_is_documented(start):
    stand = start(rows=1)
    with pytest.raises(TooManyErrorsError, match="has no delete of trailer"):
        write(
            stand,
            "trailer",
            [{"trailer_nbr": "T", "_operation": "delete"}],
            ["trailer_nbr"],
        )
    assert not stand.requests("", "DELETE")


def test_an_update_of_nothing_is_rejected(start):
    row = {"load_nbr": "L9", "cust_field_1": "x"}
    with pytest.raises(TooManyErrorsError, match="no load has load_nbr=L9"):
        write(start(rows=1), "load", [row], ["load_nbr"], operation_mode="update")
    with pytest.raises(TooManyErrorsError, match="no load has id 77"):
        write(start(rows=1), "load", [{"id": 77, "cust_field_1": "x"}], ["id"])


def test_a_shipped_order_stays_as_it_is_and_is_named(start, tmp_path):
    stand = start(rows=3)
    path = tmp_path / "rejects"
    rows = [{"id": n, "cust_field_1": "x"} for n in (1, 2, 3)]
    with pytest.raises(TooManyErrorsError, match="Order is shipped"):
        write(stand, "order_hdr", rows, ["id"], rejects_path=str(path))
    assert json.loads(path.read_text())["where"] == "id=3"
    assert [r["cust_field_1"] for r in stand.truth("order_hdr")] == ["x", "x", ""]


def test_a_field_that_takes_no_patch_is_named(start):
    with pytest.raises(TooManyErrorsError, match="cust_name: Invalid field"):
        write(start(rows=1), "order_hdr", [{"id": 1, "cust_name": "x"}], ["id"])


@pytest.mark.parametrize("kind", ["409", "503", "reset_after", "truncated", "500"])
def test_a_patch_is_repeated_because_twice_is_once(start, kind):
    stand = start(rows=1)
    stand.fault(kind, path="/order_hdr/", method="PATCH")
    write(stand, "order_hdr", [{"id": 1, "cust_field_1": "x"}], ["id"])
    assert stand.truth("order_hdr")[0]["cust_field_1"] == "x"
    assert len(bodies(stand, "PATCH")) == 2


def test_a_post_without_an_answer_is_looked_for(start):
    stand = start(rows=1)
    stand.fault("reset_after", path="/trailer/", method="POST")
    write(stand, "trailer", [{"trailer_nbr": "T"}], ["trailer_nbr"])
    assert len(stand.truth("trailer")) == 1


def test_a_post_that_left_no_trace_ends_the_run_and_a_rerun_repairs_it(start):
    stand = start(rows=1)
    stand.fault("503", path="/trailer/", method="POST")
    with pytest.raises(UnknownOutcomeError):
        write(stand, "trailer", [{"trailer_nbr": "T"}], ["trailer_nbr"])
    write(stand, "trailer", [{"trailer_nbr": "T"}], ["trailer_nbr"])
    assert len(stand.truth("trailer")) == 1


@pytest.mark.parametrize("denied", ["create", "update"])
def test_a_missing_permission_ends_the_run(start, denied):
    stand = start(rows=1)
    stand.rows.insert("trailer", {"trailer_nbr": "T0"})
    stand.sim.auth.denied = {denied}
    stream, row, key = {
        "create": ("trailer", {"trailer_nbr": "T"}, "trailer_nbr"),
        "update": ("order_hdr", {"id": 1, "cust_field_1": "x"}, "id"),
    }[denied]
    with pytest.raises(PermissionDeniedError) as caught:
        write(stand, stream, [row, row], [key])
    assert "lgfapi" in caught.value.fix


def test_a_wrong_password_ends_the_run_at_once(start):
    stand = start(rows=1)
    rows = [{"id": 1, "cust_field_1": str(n)} for n in range(9)]
    with pytest.raises(AuthenticationError):
        write(stand, "order_hdr", rows, ["id"], password="wrong", max_errors=99)
    assert len(stand.sim.log) == 1


# -- inventory -----------------------------------------------------------------------
STOCK = {"facility_id": 1, "item_id": 1, "location_id": 1, "curr_qty": 5}


def stock(number, **more):
    return {"movement": number, **STOCK, **more}


def write_stock(stand, tmp_path, rows, **settings):
    defaults = {
        "journal_path": str(tmp_path / "journal"),
        "field_mapping": {"inventory": {"movement": None}},
        "inventory_reason_code": "ADJ",
    }
    return write(stand, "inventory", rows, ["movement"], **{**defaults, **settings})


def test_inventory_needs_a_reason_code(start, tmp_path):
    stand = start(rows=1)
    with pytest.raises(TooManyErrorsError, match="Invalid Reason code"):
        write_stock(stand, tmp_path, [stock(1)], inventory_reason_code=None)
    write_stock(
        stand, tmp_path, [stock(2, reason_code="X")], inventory_reason_code=None
    )
    assert bodies(stand, "POST")[-1]["options"] == {"reason_code": "X"}
    assert stand.sim.counters()["inventory_posts"] == 1


def test_stock_that_was_sent_is_not_sent_again_by_a_rerun(start, tmp_path):
    stand = start(rows=1)
    rows = [stock(1), stock(2)]
    write_stock(stand, tmp_path, rows)
    write_stock(stand, tmp_path, [*rows, stock(3)])
    assert stand.sim.counters()["inventory_posts"] == 3


@pytest.mark.parametrize("kind", ["reset_after", "truncated"])
def test_a_rerun_after_a_lost_answer_creates_no_stock_twice(start, tmp_path, kind):
    stand = start(rows=1)
    stand.fault(kind, path="/inventory/", method="POST", after=1)
    rows = [stock(n, item_id=n % 2 + 1) for n in (1, 2, 3)]
    with pytest.raises(UnknownOutcomeError):
        write_stock(start_two_items(stand), tmp_path, rows)
    assert stand.sim.counters()["inventory_posts"] == 2
    write_stock(stand, tmp_path, rows)
    assert stand.sim.counters()["inventory_posts"] == 3


def start_two_items(stand):
    stand.rows.insert("item", {"item_alternate_code": "TWO", "company_id": 1})
    return stand


@pytest.mark.parametrize("kind", ["503", "reset_before"])
def test_a_rerun_sends_stock_that_never_arrived(start, tmp_path, kind):
    stand = start(rows=1)
    stand.fault(kind, path="/inventory/", method="POST")
    with pytest.raises(UnknownOutcomeError):
        write_stock(stand, tmp_path, [stock(1)])
    assert stand.sim.counters()["inventory_posts"] == 0
    write_stock(stand, tmp_path, [stock(1)])
    assert stand.sim.counters()["inventory_posts"] == 1


def test_a_slow_answer_is_not_waited_for_twice(start, tmp_path):
    stand = start(rows=1)
    stand.fault("slow_headers", path="/inventory/", method="POST", seconds=0.8)
    with pytest.raises(UnknownOutcomeError):
        write_stock(stand, tmp_path, [stock(1)], request_timeout_seconds=0.3)
    assert len(stand.requests("/inventory/", "POST")) == 1


def test_two_runs_at_once_add_stock_once(start, tmp_path):
    stand = start(rows=1)
    stand.fault("slow_headers", path="/inventory/", method="POST", seconds=1)
    config = {
        **stand.basic,
        "journal_path": str(tmp_path / "journal"),
        "field_mapping": {"inventory": {"movement": None}},
        "inventory_reason_code": "ADJ",
    }
    lines = feed("inventory", [stock(1), stock(2)], ["movement"]).encode()
    folders = [tmp_path / name for name in ("one", "other")]
    for folder in folders:
        folder.mkdir()
    with ThreadPoolExecutor(2) as pool:
        done = pool.map(
            lambda folder: run("flext-target-oracle-wms", config, folder, data=lines),
            folders,
        )
    assert [one.returncode for one in done] == [0, 0]
    assert stand.sim.counters()["inventory_posts"] == 2


def test_stock_that_moved_otherwise_meanwhile_needs_a_person(start, tmp_path):
    stand = start(rows=1)
    stand.fault("503", path="/inventory/", method="POST")
    with pytest.raises(UnknownOutcomeError):
        write_stock(stand, tmp_path, [stock(1)])
    for _ in range(2):
        stand.rows.insert("inventory", {**STOCK, "curr_qty": Decimal(7)})
    with pytest.raises(UnknownOutcomeError, match="2 rows of inventory") as caught:
        write_stock(stand, tmp_path, [stock(1)])
    assert "journal" in caught.value.fix
    assert stand.sim.counters()["inventory_posts"] == 0


def test_a_movement_that_changed_after_it_was_sent_is_rejected(start, tmp_path):
    stand = start(rows=1)
    write_stock(stand, tmp_path, [stock(1)])
    with pytest.raises(TooManyErrorsError, match="sent before, with other values"):
        write_stock(stand, tmp_path, [stock(1, curr_qty=6)])


def test_stock_that_was_refused_may_be_sent_again(start, tmp_path):
    stand = start(rows=1)
    with pytest.raises(TooManyErrorsError, match="Invalid item"):
        write_stock(stand, tmp_path, [stock(1, item_id=55)])
    write_stock(stand, tmp_path, [stock(1)])
    assert stand.sim.counters()["inventory_posts"] == 1


def test_stock_without_a_key_is_refused_before_anything_is_sent(start):
    stand = start(rows=1)
    with pytest.raises(WmsError, match="must know which"):
        write(stand, "inventory", [STOCK], [])
    assert stand.sim.log == []


def test_the_journal_is_private_and_survives_a_cut_line(tmp_path):
    path = tmp_path / "folder" / "journal"
    journal = Journal(path)
    journal.begin("a", "2026-01-01T00:00:00+00:00")
    journal.finish("a", "c")
    with path.open("ab") as file:
        file.write(b'{"what": "done", "wri')
    again = Journal(path)
    again.begin("b", "2026-01-01T00:00:00+00:00")
    last = Journal(path)
    assert (last.done, set(last.begun)) == ({"a": "c"}, {"a", "b"})
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_would_be_sent_is_written_and_nothing_is_looked_up(
    start, tmp_path, caplog
):
    caplog.set_level("INFO")
    stand = start(rows=1)
    path = tmp_path / "dry.jsonl"
    rows = [{"id": 5, "cust_field_1": "x"}, {"id": 6, "cust_field_1": "y"}]
    assert write(stand, "order_hdr", rows, ["id"], dry_run_path=str(path)) == []
    assert stand.sim.log == []
    assert "order_hdr: 2 records planned, none sent" in caplog.text
    gone = [{"id": 5, "_operation": "delete"}]
    with pytest.raises(TooManyErrorsError, match="has no delete of order_hdr"):
        write(stand, "order_hdr", gone, ["id"], dry_run_path=str(tmp_path / "no"))
    first = json.loads(path.read_text().splitlines()[0])
    assert first["method"] == "PATCH"
    assert first["path"] == "/acme_test/wms/lgfapi/v10/entity/order_hdr/5/"
    assert first["body"] == {"fields": {"cust_field_1": "x"}}


def test_an_entity_with_both_ways_takes_the_one_that_is_named(start):
    stand = start(rows=10)
    row = {"id": 1, "cust_field_1": "x"}
    write(stand, "shipments", [row], ["id"], entity={"shipments": "lgfapi/ib_shipment"})
    assert stand.truth("ib_shipment")[0]["cust_field_1"] == "x"


def test_answers_without_a_document_are_read_as_such(start):
    stand = start(rows=2)
    client = stand.client()
    path = client.entity_path("order_hdr", 1, "cancel")
    assert client.send_json("POST", path, {}, is_repeatable=False) is None
    path = client.entity_path("wave_template", "run_template")
    wave = client.send_json("POST", path, {}, is_repeatable=False)
    assert wave == {"run_nbr": "WAVE001"}
    where = {"run_nbr": "WAVE001"}
    before = client.get_json(client.entity_path("wave"), where)["results"][0]
    stand.sim.clock.advance(61)
    after = client.get_json(client.entity_path("wave"), where)["results"][0]
    assert (before["status_id"], after["status_id"]) == (10, 90)

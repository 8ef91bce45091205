"""Reading lists: pages, links, filters and how rows look (sheet §3)."""

from __future__ import annotations

import base64
import datetime as dt
import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest
from fakes.wms.auth import USER
from flext_oracle_wms.entities import Entity
from flext_oracle_wms.errors import RequestRefusedError, WmsError
from flext_oracle_wms.listing import read_pages
from flext_oracle_wms.queries import filters
from flext_singer.errors import FlextError, SettingsError, TooManyErrorsError
from servers.wms_commands import read, tap_of

MODES = ["sequenced", "paged"]


def ids_of(stand, entity="order_hdr", *, page_mode="sequenced", page_size=10, **query):
    pages = read_pages(
        stand.client(), entity, query, page_size=page_size, page_mode=page_mode
    )
    return [row["id"] for page in pages for row in page]


@pytest.mark.parametrize("mode", MODES)
def test_every_row_is_read_once(start, mode):
    stand = start(rows=95)
    assert ids_of(stand, page_mode=mode) == stand.ids("order_hdr")
    assert len(stand.requests()) == 10


@pytest.mark.parametrize("mode", MODES)
def test_no_rows_are_a_404_and_mean_no_rows(stand, mode):
    assert ids_of(stand, "trailer", page_mode=mode) == []


def test_an_entity_that_does_not_exist_is_not_empty(stand):
    """The list's answer is the same 404; discovery tells them apart."""
    assert ids_of(stand, "no_such_thing") == []
    with pytest.raises(FlextError, match="no entity 'no_such_thing'"):
        tap_of(stand, "no_such_thing")


def test_an_error_in_xml_is_read_as_one(stand):
    start = b"<error><code>NOT_FOUND</code><message>None.</message>"
    with page_server(404, start + b"</error>") as url:
        client = stand.client(base_url=url)
        assert list(read_pages(client, "item", {}, page_size=10)) == []
    with page_server(400, start + b"<details><id>bad</id></details></error>") as url:
        client = stand.client(base_url=url)
        with pytest.raises(RequestRefusedError, match=r"400: None\. \(id: bad\)"):
            list(read_pages(client, "item", {}, page_size=10))


@pytest.mark.parametrize(
    "body",
    [
        b"<html>not here</html>",
        b'{"message": "no Route matched with those values"}',
        b'{"code": 404, "message": "Not Found"}',
        b'{"detail": "Not found."}',
        b"",
    ],
)
def test_a_404_from_a_gateway_is_no_empty_list(stand, body):
    with page_server(404, body) as url:
        client = stand.client(base_url=url)
        with pytest.raises(RequestRefusedError, match="HTTP 404"):
            list(read_pages(client, "item", {}, page_size=10))


@pytest.mark.parametrize("full", ["next_is_null", "next_is_404"])
def test_a_full_last_page_ends_the_list_either_way(start, full):
    stand = start(rows=20, empty_last_page=full)
    assert ids_of(stand, page_size=10) == list(range(1, 21))


@pytest.mark.parametrize("size", [1, 7, 1250])
def test_page_sizes_the_service_takes(start, size):
    stand = start(rows=30)
    assert ids_of(stand, page_size=size) == stand.ids("order_hdr")


def test_a_clamped_page_size_is_not_taken_for_the_end(start):
    stand = start(rows=30, max_page_size=4, page_size_above="clamp")
    assert ids_of(stand, page_size=1000) == stand.ids("order_hdr")


def test_a_refused_page_size_is_an_error(start):
    stand = start(max_page_size=4, page_size_above="400")
    with pytest.raises(RequestRefusedError, match="page_size: Must be at most 4"):
        ids_of(stand, page_size=1000)


@pytest.mark.parametrize("size", [0, 1251])
def test_page_sizes_beyond_the_documented_are_refused_before_anything_is_sent(
    stand, size
):
    with pytest.raises(SettingsError):
        read(stand, "item", page_size=size)
    assert not stand.requests()


def test_paged_lists_without_order_would_lose_rows(start):
    """The stand-in shows the trap that `page_mode: paged` avoids by its order."""
    stand = start(rows=60)
    found, url = [], f"{stand.base_url}/wms/lgfapi/v10/entity/order_hdr/?page_size=10"
    while url:
        page = httpx.get(url, auth=USER).json()
        found += [row["id"] for row in page["results"]]
        url = page["next_page"]
    assert sorted(found) != stand.ids("order_hdr")


@pytest.mark.parametrize("port", ["explicit", "none", "https", "other_name"])
def test_links_are_followed_however_they_name_our_host(start, port):
    stand = start(rows=25, links_port=port)
    if port == "other_name":
        stand.base_url = stand.base_url.replace("127.0.0.1", "localhost")
    assert ids_of(stand) == stand.ids("order_hdr")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("form", ["absolute", "path", "query", "reordered"])
def test_links_are_followed_in_every_form(start, form, mode):
    stand = start(rows=25, links_form=form)
    assert ids_of(stand, page_mode=mode, id__gt="0") == stand.ids("order_hdr")


def test_a_counted_page_that_is_not_the_last_needs_no_link(start, monkeypatch):
    stand = start(rows=25)
    monkeypatch.setattr(stand.sim.listing, "link", lambda *_: None)
    assert ids_of(stand, page_mode="paged") == stand.ids("order_hdr")


def test_an_empty_page_with_a_next_one_is_not_the_end(start):
    stand = start(rows=35, empty_pages=True)
    assert ids_of(stand) == stand.ids("order_hdr")
    assert len(stand.requests()) > 4


def test_a_service_that_knows_no_cursor_is_read_by_id(start, caplog):
    """It answers with counted pages in no order at all, and says nothing."""
    stand = start(rows=35, page_modes="paged")
    assert ids_of(stand) == stand.ids("order_hdr")
    assert "knows no page_mode sequenced; reading by id" in caplog.text


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("map", "Invalid input. (id__gt: Invalid value: 'abc')"),
        ("list", "Invalid input. (id__gt: Invalid value: 'abc')"),
        ("none", "Invalid input."),
    ],
)
def test_the_service_s_reason_is_told_in_every_form(start, form, text):
    stand = start(rows=1, error_details_as=form)
    with pytest.raises(RequestRefusedError) as caught:
        ids_of(stand, id__gt="abc")
    assert caught.value.what.endswith(text)


def test_next_page_is_followed_as_it_is(start):
    stand = start(rows=25)
    ids_of(stand, status_id__in="0,90")
    first, second = stand.requests("order_hdr")[:2]
    cursor = base64.b64encode(b"p=10").decode().replace("=", "%3D")
    assert f"cursor={cursor}" in second
    assert "status_id__in=0%2C90" in first
    assert "status_id__in=0%2C90" in second


class Recorder(BaseHTTPRequestHandler):
    status, body, seen = 200, b"{}", None

    def do_GET(self):
        self.seen.append(dict(self.headers))
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_):
        pass


class page_server:  # noqa: N801 - used like a function
    def __init__(self, status=200, body=b"{}"):
        self.seen = []
        handler = type(
            "R", (Recorder,), {"status": status, "body": body, "seen": self.seen}
        )
        self.server = HTTPServer(("127.0.0.1", 0), handler)

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()
        return f"http://127.0.0.1:{self.server.server_port}/env"

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def test_credentials_never_reach_another_host(start):
    foreign = page_server()
    with foreign as url:
        host = url.split("/")[2].replace("127.0.0.1", "localhost")
        stand = start(rows=25, links_host=host)
        with pytest.raises(WmsError, match="link to another host: http://localhost"):
            ids_of(stand)
    assert foreign.seen == []


def test_another_port_of_our_host_is_another_service(start):
    foreign = page_server()
    with foreign as url:
        stand = start(rows=25, links_host=url.split("/")[2])
        with pytest.raises(WmsError, match="another host"):
            ids_of(stand)
    assert foreign.seen == []


def test_a_redirect_is_refused(stand):
    class Away(Recorder):
        def do_GET(self):
            self.send_response(302)
            self.send_header("Location", "https://evil.example.com/login")
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = page_server()
    server.server.RequestHandlerClass = Away
    with server as url:
        client = stand.client(base_url=url)
        with pytest.raises(WmsError, match=r"redirects to evil\.example\.com"):
            client.get_json(client.entity_path())


@pytest.mark.parametrize("mode", MODES)
def test_a_next_page_that_leads_to_itself_ends_the_run(start, mode):
    stand = start(rows=25, next_page_loop=True)
    if mode == "sequenced":
        with pytest.raises(WmsError, match="same page twice"):
            ids_of(stand)
        assert len(stand.requests()) == 2
    else:  # asks for what comes after the last id, whatever next_page says
        assert ids_of(stand, page_mode=mode) == stand.ids("order_hdr")


@pytest.mark.parametrize("ordering", ["ignored", "followed"])
def test_a_cursor_may_follow_ordering_or_ignore_it(start, ordering):
    stand = start(rows=25, sequenced_ordering=ordering)
    assert sorted(ids_of(stand, ordering="-mod_ts")) == stand.ids("order_hdr")


@pytest.mark.parametrize("ordering", ["ignored", "followed"])
def test_reading_does_not_depend_on_ordering(start, ordering):
    stand = start(rows=25, sequenced_ordering=ordering)
    read(stand, "order_hdr", page_size=10)
    assert "ordering" not in "".join(stand.requests("order_hdr"))


def test_a_cursor_that_went_stale_is_replaced_by_the_last_id(start):
    stand = start(rows=25, cursor_ttl_seconds=60)
    pages = read_pages(stand.client(), "order_hdr", {}, page_size=10)
    ids = [row["id"] for row in next(pages)]
    stand.sim.clock.advance(61)
    ids += [row["id"] for row in next(pages)]
    assert "id__gt=10" in stand.requests("order_hdr")[-1]
    stand.switch(cursor_ttl_seconds=0)
    ids += [row["id"] for page in pages for row in page]
    assert ids == stand.ids("order_hdr")


def test_a_broken_cursor_does_not_end_the_list_early(start, monkeypatch):
    stand = start(rows=25)
    monkeypatch.setattr(stand.sim.listing, "write_cursor", lambda *_, **__: "tampered!")
    pages = read_pages(stand.client(), "order_hdr", {}, page_size=10)
    ids = [row["id"] for row in next(pages)]
    monkeypatch.undo()
    ids += [row["id"] for page in pages for row in page]
    assert ids == stand.ids("order_hdr")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"status_id": "90"}, {3, 6, 9}),
        ({"status_id!": "90"}, {1, 2, 4, 5, 7, 8, 10}),
        ({"order_nbr__in": "ORD00000001,ORD00000004"}, {1, 4}),
        ({"id__range": "3,5"}, {3, 4, 5}),
        ({"order_shipped_ts__isnull": "false"}, {3, 6, 9}),
        ({"company_id__code": "C1", "id__lte": "2"}, {1, 2}),
        ({"facility_id__parent_company_id__code__icontains": "c1", "id": "7"}, {7}),
        ({"orderdtl__isnull": "false", "id__lt": "3"}, {1, 2}),
    ],
)
def test_filters_are_passed_on_as_they_are_written(start, query, expected):
    stand = start(rows=10)
    run = read(stand, "order_hdr", entity_filters={"order_hdr": query})
    assert set(run.ids("order_hdr")) == expected


def test_global_filters_and_codes_limit_what_is_read(start):
    stand = start(rows=10)
    run = read(
        stand,
        "order_hdr",
        "inventory",
        "company",
        company_code="C2",
        facility_code="*",
        global_filters={"id__lte": 5},
    )
    assert run.ids("order_hdr") == []  # all belong to C1
    assert run.ids("inventory") == [1, 2, 3, 4, 5]  # has no company
    assert run.ids("company") == [1, 2]
    assert "facility_id__code" not in "".join(stand.requests())


def test_codes_limit_an_entity_whose_company_is_a_bare_number():
    """Whatever kind discovery took company_id for: the filter is not left out."""
    entity = Entity("x", {"id": "integer", "company_id": "integer"})
    config = {"company_code": "C2", "facility_code": "F1"}
    assert filters(entity, config) == [{"company_id__code": "C2"}]


@pytest.mark.parametrize(
    "query",
    [
        {"no_such_field": "1"},
        {"mod_ts__gte": "yesterday"},
        {"ord_date": "null"},
        {"id__gt": "abc"},
    ],
)
def test_a_filter_that_the_service_refuses_fails_the_run(stand, query):
    with pytest.raises(FlextError, match="HTTP 400: Invalid input"):
        read(stand, "order_hdr", entity_filters={"order_hdr": query})


def test_an_offset_arrives_with_its_plus_sign(start):
    stand = start(rows=5)
    run = read(
        stand,
        "order_hdr",
        entity_filters={"order_hdr": {"mod_ts__gte": "2020-01-01T00:00:00+05:30"}},
    )
    assert len(run.ids("order_hdr")) == 5
    assert "%2B05%3A30" in stand.requests("order_hdr")[-1]


def test_an_entity_that_is_only_listed_with_filters_is_read_filter_by_filter(start):
    stand = start(rows=5)
    for number in range(4):
        stand.rows.insert(
            "inventory_history",
            {
                "facility_id": 1,
                "company_id": 1,
                "history_activity_id": number % 2,
                "status_id": 10,
            },
        )
    where = {"company_id__code": "C1", "facility_id__code": "F1", "status_id": 10}
    groups = [{**where, "history_activity_id": activity} for activity in (0, 1)]
    run = read(stand, "inventory_history", entity_filters={"inventory_history": groups})
    assert sorted(run.ids("inventory_history")) == [1, 2, 3, 4]


def test_chosen_fields_are_the_only_columns(start):
    stand = start(rows=5)
    run = read(
        stand, "order_hdr", field_selection={"order_hdr": ["order_nbr", "facility_id"]}
    )
    names = ["id", "mod_ts", "order_nbr", "facility_id", "facility_key"]
    assert list(run.schema("order_hdr")) == names
    assert list(run.records("order_hdr")[0]) == names
    assert "fields=id%2Cmod_ts%2Corder_nbr%2Cfacility_id" in stand.requests()[-1]


def test_joined_fields_come_as_columns(start):
    stand = start(rows=25)
    chosen = [
        "order_nbr",
        "facility_id",
        "company_id__code:company",
        "total_orig_ord_qty",
    ]
    run = read(stand, "order_hdr", field_selection={"order_hdr": chosen}, page_size=10)
    record = run.records("order_hdr")[0]
    assert record["company"] == "C1"
    assert record["facility_id"] == 1
    assert "facility_key" not in record
    assert run.ids("order_hdr") == stand.ids("order_hdr")
    assert "page_mode=paged" in stand.requests()[-1]
    assert run.bookmark("order_hdr")


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (["company_id__code:a", "facility_id__code:a"], "two columns have one name"),
        (["company_id__code", "order_dtl_set"], "is a set, which cannot be joined"),
    ],
)
def test_joins_that_the_service_would_refuse_are_settings_errors(
    stand, chosen, message
):
    with pytest.raises(SettingsError) as caught:
        read(stand, "order_hdr", field_selection={"order_hdr": chosen})
    assert any(message in error for error in caught.value.errors)


@pytest.mark.parametrize("form", ["string", "number", "mixed"])
def test_decimals_are_exact_whether_they_are_text_or_numbers(start, form):
    stand = start(rows=5, decimals_as=form)
    lines = read(stand, "item")
    for record, row in zip(
        lines.records("item"), stand.rows.visible("item"), strict=True
    ):
        assert str(row["unit_weight"]) == "12345678901234567890.123456789"
        assert record["lpn_qty"] == row["lpn_qty"]
        assert record["lpn_qty"] > 2**53


def test_decimals_and_big_integers_keep_every_digit_on_the_wire(start, capsys):
    stand = start(rows=2)
    tap_of(stand, "item").sync_all()
    text = capsys.readouterr().out
    assert '"unit_weight":12345678901234567890.123456789' in text
    assert '"unit_cost":0.1000000001' in text
    assert f'"lpn_qty":{2**53 + 1}' in text


def test_sets_become_count_url_and_data(start):
    stand = start(rows=8)
    run = read(stand, "order_hdr", "iblpn")
    order = run.records("order_hdr")[0]
    assert order["order_dtl_set_count"] == 1
    assert order["order_dtl_set_url"].endswith("/order_dtl/?order_id=1")
    assert order["order_dtl_set_data"] is None
    assert order["order_lock_set_count"] is None
    boxes = {record["id"]: record for record in run.records("iblpn")}
    assert boxes[7]["inventory_lock_set_count"] == 1
    assert boxes[7]["inventory_lock_set_data"] == [{"id": 1, "code": "QC"}]
    assert boxes[1]["inventory_lock_set_data"] is None


@pytest.mark.parametrize("value", ["[1, 2]", {"other": 1}])
def test_a_set_of_another_form_is_kept_as_it_is(start, value):
    stand = start(rows=3)
    stand.rows.raw["order_hdr", 2] = ({"order_lock_set": value}, [])
    record = read(stand, "order_hdr").records("order_hdr")[1]
    assert record["order_lock_set_data"] == [value]


def test_a_relation_without_an_address_is_read(start):
    stand = start(rows=2)
    stand.rows.update("company", 1, {"company_type_id": 10})
    record = read(stand, "company").records("company")[0]
    assert (record["company_type_id"], record["company_type_key"]) == (10, "Created")


def test_empty_text_stays_empty_and_nothing_stays_nothing(start):
    stand = start(rows=2)
    record = read(stand, "order_hdr").records("order_hdr")[0]
    assert record["cust_nbr"] == ""
    assert record["order_shipped_ts"] is None


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin"])
def test_instants_are_utc_whatever_the_user_s_zone(start, zone):
    stand = start(rows=40, user_zone=zone)
    truth = {row["id"]: row["mod_ts"] for row in stand.truth("order_hdr")}
    run = read(stand, "order_hdr")
    found = {record["id"]: record["mod_ts"] for record in run.records("order_hdr")}
    assert found == truth


def test_instants_without_an_offset_are_refused_or_read_in_the_zone_that_is_set(start):
    """Oracle documents an offset in all of them."""
    stand = start(has_offsets=False)
    with pytest.raises(TooManyErrorsError, match="set time_zone"):
        read(stand, "order_hdr")
    zone = stand.sim.switches.user_zone
    found = read(stand, "order_hdr", time_zone=zone).records("order_hdr")
    truth = {row["id"]: row["mod_ts"] for row in stand.truth("order_hdr")}
    assert {
        row["id"]: dt.datetime.fromisoformat(row["mod_ts"]).isoformat() for row in found
    } == truth


def test_the_end_of_summer_time_does_not_turn_the_bookmark_around(start):
    """As text 01:40-04:00 is later than 01:20-05:00, which is 40 minutes after."""
    stand = start(rows=0)
    for at in ("2024-11-03T05:40:00+00:00", "2024-11-03T06:20:00+00:00"):
        stand.sim.change({"entity": "order_hdr", "op": "insert"})
        number = stand.ids("order_hdr")[-1]
        moment = dt.datetime.fromisoformat(at)
        stand.rows.update("order_hdr", number, {}, moment)
    run = read(stand, "order_hdr")
    assert run.bookmark("order_hdr") == "2024-11-03T06:20:00.000000+00:00"


def test_a_column_that_appears_late_is_left_out_with_a_warning(start, caplog):
    stand = start(rows=70)
    for number in range(60, 70):
        stand.rows.raw["order_hdr", number] = ({"brand_new": 1}, [])
    with caplog.at_level(logging.WARNING):
        run = read(stand, "order_hdr", page_size=20)
    assert run.ids("order_hdr") == stand.ids("order_hdr")
    assert "fields that discovery did not see" in caplog.text
    assert "brand_new" in caplog.text


def test_a_field_that_a_row_lacks_is_null(start):
    stand = start(rows=5)
    stand.rows.raw["order_hdr", 3] = ({}, ["cust_name", "company_id"])
    record = read(stand, "order_hdr").records("order_hdr")[2]
    assert (record["cust_name"], record["company_id"]) == (None, None)


def test_a_row_of_the_wrong_type_is_rejected_with_its_key(start, tmp_path):
    stand = start(rows=5)
    stand.rows.raw["item", 3] = ({"lpn_qty": "many"}, [])
    with pytest.raises(TooManyErrorsError, match="lpn_qty is 'many', not integer"):
        read(stand, "item")
    path = tmp_path / "rejects.jsonl"
    run = read(stand, "item", max_errors=1, rejects_path=str(path))
    assert run.ids("item") == [1, 2, 4, 5]
    reject = json.loads(path.read_text())
    assert reject["where"] == "item id 3"
    assert reject["record"]["lpn_qty"] == "many"


def test_a_row_without_an_id_is_rejected(start):
    stand = start(rows=5)
    stand.rows.raw["item", 3] = ({}, ["id"])
    with pytest.raises(TooManyErrorsError, match="a row has no id"):
        read(stand, "item")


def test_numbers_written_as_text_are_numbers(start):
    stand = start(rows=2)
    stand.rows.raw["item", 1] = ({"lpn_qty": "9007199254740993"}, [])
    stand.rows.raw["order_hdr", 1] = ({"stop_ship_flg": "true"}, [])
    run = read(stand, "item", "order_hdr")
    assert run.records("item")[0]["lpn_qty"] == 9007199254740993
    assert run.records("order_hdr")[0]["stop_ship_flg"] is True

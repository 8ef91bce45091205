"""The stand-in itself: what the documents say of the service, without our client."""

from __future__ import annotations

import httpx
import pytest
from fakes.wms.auth import CLIENT, USER


@pytest.fixture
def call(start):
    """A stand-in, and a function that asks it below its base URL."""
    stand = start(rows=12)
    with httpx.Client(auth=USER) as client:

        def call(path, method="GET", **more):
            url = stand.base_url + path
            return client.request(method, url, **more)

        call.stand = stand
        yield call


ENTITY = "/wms/lgfapi/v10/entity"


def test_the_stand_in_answers_head_and_xml_as_documented(start):
    stand = start(rows=3)
    url = f"{stand.base_url}/wms/lgfapi/v10/entity/order_hdr"
    with httpx.Client(auth=USER) as client:
        modified = client.head(f"{url}/1").headers["Last-Modified"]
        since = {"If-Modified-Since": modified}
        assert client.head(f"{url}/1", headers=since).status_code == 304
        earlier = {"If-Modified-Since": "2020-01-01T00:00:00Z"}
        assert client.head(f"{url}/1", headers=earlier).status_code == 200
        assert client.head(f"{url}/99").status_code == 404
        bad = {"If-Modified-Since": "Tue, 01 Jan 2030 00:00:00 GMT"}
        assert client.head(f"{url}/1", headers=bad).status_code == 400
        assert client.get(f"{url}/1", params={"page_size": 5}).status_code == 400
        for path in (f"{url}.xml", f"{url}/?format=xml"):
            assert b"<list-item>" in client.get(path).content
        error = client.get(f"{url}/?format=xml&bad=1")
        assert error.status_code == 400
        assert b"<error>" in error.content
        double = client.get(f"{url}/?id=1&id=2").json()
        assert [row["id"] for row in double["results"]] == [2]
        assert client.get(f"{url}s/").status_code == 404
        assert client.get(url.replace("v10", "v8")).status_code == 404


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{ENTITY}/item", 200),
        (f"{ENTITY}/item/", 200),
        (f"{ENTITY}/item/1", 200),
        (f"{ENTITY}/item.json", 200),
        (f"{ENTITY}/item/999/", 404),
        (f"{ENTITY}/user/", 403),
        (f"{ENTITY}/putaway_type/describe/", 404),
        ("/wms/lgfapi/v10/no_module/x/", 404),
        ("/wms/api/init_stage_interface", 404),
    ],
)
def test_addresses_are_answered_as_documented(call, path, status):
    answer = call(path)
    assert answer.status_code == status
    if status != 200:
        body = answer.json()
        assert {"reference", "code", "message"} <= body.keys()


@pytest.mark.parametrize(
    "query",
    [
        "page_size=0",
        "page_size=abc",
        "page_size=-1",
        "page=x",
        "mod_ts__gte=2024-01-01T00:00:00+05:30",  # the plus arrives as a blank
        "ord_date=null",
        "no_such=1",
        "values_list=order_nbr:a,status_id:a",
        "values_list=order_dtl_set",
    ],
)
def test_bad_queries_are_400_with_a_message(call, query):
    answer = call(f"{ENTITY}/order_hdr/?{query}")
    assert answer.status_code == 400
    assert answer.json()["code"] == "VALIDATION_ERROR"


def test_a_page_past_the_end_is_404(call):
    assert call(f"{ENTITY}/item/?page=99").status_code == 404
    sequenced = call(f"{ENTITY}/item/?page=99&page_mode=sequenced&page_size=5")
    assert [row["id"] for row in sequenced.json()["results"]] == [1, 2, 3, 4, 5]
    assert sequenced.json().keys() == {"next_page", "previous_page", "results"}
    assert call(f"{ENTITY}/item/?page_mode=sequenced&cursor=zzz").status_code == 404


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("id__gt=10", [11, 12]),
        ("id__gte=11", [11, 12]),
        ("id__lt=3", [1, 2]),
        ("id__lte=2", [1, 2]),
        ("id__range=2,4", [2, 3, 4]),
        ("id__in=2,9", [2, 9]),
        ("id__in!=1,2,3,4,5,6,7,8,9", [10, 11, 12]),
        ("order_nbr__contains=0012", [12]),
        ("order_nbr__contains!=ORD0000000", [10, 11, 12]),
        ("order_nbr__icontains=ord00000012", [12]),
        ("order_nbr__exact=ORD00000001", [1]),
        ("order_nbr__iexact=ord00000001", [1]),
        ("order_nbr__startswith=ORD0000001", [10, 11, 12]),
        ("order_nbr__istartswith=ord0000001", [10, 11, 12]),
        ("order_nbr__endswith=11", [11]),
        ("order_nbr__iendswith=D00000011", [11]),
        ("order_shipped_ts__isnull=false&id__lt=7", [3, 6]),
        ("facility_id__code=F1&id__lt=3", [1, 2]),
        ("company_id__code__startswith=C&id=5", [5]),
        ("id=1&id=2", [2]),
    ],
)
def test_every_lookup_finds_what_it_says(call, query, ids):
    answer = call(f"{ENTITY}/order_hdr/?{query}&page_mode=sequenced&page_size=50")
    assert [row["id"] for row in answer.json()["results"]] == ids


def test_parts_of_a_date_are_those_of_the_user_s_zone(call):
    (row,) = (r for r in call.stand.rows.visible("order_hdr") if r["id"] == 1)
    call.stand.rows.update(
        "order_hdr", 1, {}, row["mod_ts"].replace(2024, 11, 3, 3, 30)
    )
    found = call(
        f"{ENTITY}/order_hdr/?mod_ts__year=2024&mod_ts__month=11&mod_ts__day=2"
        "&mod_ts__hour=23&mod_ts__minute=30&mod_ts__week_day=7&id=1"
    )
    assert found.status_code == 200  # 03:30 UTC is Saturday evening in New York
    naive = f"{ENTITY}/order_hdr/?id=1&mod_ts__lt=2024-11-02T23:31:00"
    assert call(naive).status_code == 200
    assert call(naive.replace("lt", "gt")).status_code == 404


def test_projections_are_those_that_were_asked_for(call):
    fields = call(f"{ENTITY}/item/1?fields=id,part_a").json()
    assert list(fields) == ["id", "part_a"]
    path = f"{ENTITY}/order_hdr/?values_list=company_id__code:c&page_size=50"
    assert len(call(path).json()["results"]) == 12
    assert call(f"{path}&distinct=true").json()["results"] == [{"c": "C1"}]
    ordered = call(f"{ENTITY}/item/?ordering=-id&page_size=2").json()["results"]
    assert [row["id"] for row in ordered] == [12, 11]


def test_what_the_user_may_not_see_is_not_there(call):
    call.stand.rows.hidden.add(("item", 2))
    assert call(f"{ENTITY}/item/2").status_code == 404
    listed = call(f"{ENTITY}/item/?page_size=50").json()["results"]
    assert 2 not in {row["id"] for row in listed}


@pytest.mark.parametrize("mode", ["21D", "pre21D"])
def test_the_interface_takes_one_form_with_one_document(call, mode):
    call.stand.switch(stage_status_mode=mode)
    path, failed = "/wms/api/init_stage_interface/", 400 if mode == "21D" else 200
    assert call(path, "POST", json={"xml_data": "<x/>"}).status_code == 415
    for form in ({"entity": "item"}, {"xml_data": "<x/>", "flat_data": "x"}):
        answer = call(path, "POST", data=form)
        assert answer.status_code == failed
        assert "<success>False</success>" in answer.text
    bad = {"xml_data": "<LgfData>", "validate_xml": "True"}
    assert "<success>False</success>" in call(path, "POST", data=bad).text
    answer = call(path, "POST", data={**bad, "validate_xml": "False"})
    assert "<success>True</success>" in answer.text
    (row,) = call.stand.truth("stage_item")
    assert (row["status_id"], "not well formed" in row["error_message"]) == (101, True)


def test_the_token_endpoint_says_what_was_wrong(call):
    url = f"{call.stand.base_url}/api/oauth2/token/"
    form = {"grant_type": "client_credentials"}
    answer = httpx.post(url, data=form, auth=(CLIENT[0], "wrong"))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    call.stand.switch(token_scope="wanted")
    answer = httpx.post(url, data=form, auth=CLIENT)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


def test_the_stand_in_answers_bulk_operations_as_documented(start):
    stand = start(rows=3)
    url = f"{stand.base_url}/wms/lgfapi/v10/entity/order_hdr/bulk_cancel/"
    with httpx.Client(auth=USER) as client:
        body = {"parameters": {"id__in": "1,3"}, "options": {"commit_frequency": 1}}
        answer = client.post(url, json=body)
        assert answer.status_code == 200
        assert answer.json()["details"] == {"3": "Invalid status."}
        body["options"] = {}
        assert client.post(url, json=body).status_code == 400


@pytest.mark.parametrize("over", ["400", "truncated"])
def test_the_stand_in_limits_bulk_operations_to_a_page(start, over):
    stand = start(rows=3, default_page_size=2, bulk_over_limit=over)
    url = f"{stand.base_url}/wms/lgfapi/v10/entity/order_hdr/bulk_cancel/"
    body = {"parameters": {"id__in": "1,2,3"}, "options": {"commit_frequency": 1}}
    answer = httpx.post(url, json=body, auth=USER)
    if over == "400":
        assert answer.status_code == 400
    else:
        assert answer.json()["record_count"] == 2

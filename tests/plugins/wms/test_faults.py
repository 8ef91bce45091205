"""Faults of networks and gateways: waited for, named, never taken for an end (§5)."""

from __future__ import annotations

import datetime as dt
import email.utils

import pytest
from flext_oracle_wms.errors import TransientError, UnknownOutcomeError, WmsError
from flext_oracle_wms.listing import read_pages
from servers.wms_commands import read, run

PASSING = [
    "500",
    "500_html",
    "502",
    "503",
    "504",
    "429",
    "409",
    "reset_before",
    "reset_after",
    "truncated",
    "gzip_truncated",
    "empty",
    "null",
]


@pytest.mark.parametrize("kind", PASSING)
def test_what_passes_is_waited_for(start, kind):
    stand = start(rows=25)
    stand.fault(kind, path="/order_hdr/", after=1)
    pages = read_pages(stand.client(), "order_hdr", {}, page_size=10)
    assert [row["id"] for page in pages for row in page] == stand.ids("order_hdr")
    assert len(stand.waits) == 1
    assert len(stand.requests()) == 4


@pytest.mark.parametrize("kind", PASSING)
def test_what_does_not_pass_fails_the_run(start, kind):
    stand = start(rows=25)
    stand.fault(kind, path="/order_hdr/", after=1, times=-1)
    pages = read_pages(stand.client(max_retries=2), "order_hdr", {}, page_size=10)
    assert len(next(pages)) == 10
    with pytest.raises(TransientError, match="3 times in a row"):
        list(pages)
    assert len(stand.requests()) == 4


@pytest.mark.parametrize("kind", ["slow_headers", "drip"])
def test_a_service_that_does_not_answer_in_time_is_asked_again(start, kind):
    stand = start(rows=25)
    stand.fault(kind, path="/order_hdr/", seconds=1.2 if kind == "slow_headers" else 12)
    client = stand.client(request_timeout_seconds=0.4)
    pages = read_pages(client, "order_hdr", {}, page_size=10)
    assert [row["id"] for page in pages for row in page] == stand.ids("order_hdr")
    assert len(stand.waits) == 1


def test_an_answer_that_drips_without_end_is_asked_for_again(start):
    """Each drop comes in time, the whole would not."""
    stand = start(rows=25)
    stand.fault("drip", path="/order_hdr/", seconds=20)
    pages = read_pages(
        stand.client(request_timeout_seconds=1.2), "order_hdr", {}, page_size=10
    )
    assert [row["id"] for page in pages for row in page] == stand.ids("order_hdr")
    assert len(stand.waits) == 1


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("3", 3, 3),
        ("0", 0, 0),
        ("date", 20, 31),
        ("soon", 0.5, 1),
        ("", 0.5, 1),
        ("-5", 0.5, 1),
        ("99999", 300, 300),
    ],
)
@pytest.mark.parametrize("kind", ["503", "429"])
def test_the_service_says_how_long_to_wait(stand, kind, text, least, most):
    if text == "date":
        moment = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=30)
        text = email.utils.format_datetime(moment, usegmt=True)
    stand.fault(kind, retry_after=text)
    client = stand.client()
    client.get_json(client.entity_path())
    (wait,) = stand.waits
    assert least <= wait <= most


def test_waits_grow_and_differ(stand):
    stand.fault("503", times=5)
    client = stand.client()
    client.get_json(client.entity_path())
    assert all(
        0.25 * 2**n <= wait <= 0.5 * 2**n for n, wait in enumerate(stand.waits, 1)
    )


def test_a_login_page_instead_of_data_fails_the_run(start, tmp_path):
    stand = start(rows=25)
    stand.fault("login_page", path="/order_hdr/", after=2)
    config = {**stand.basic, "entities": ["order_hdr"], "page_size": 10}
    done = run("flext-tap-oracle-wms", config, tmp_path)
    assert done.returncode == 1
    assert b"page instead of data" in done.stderr
    assert b"Traceback" not in done.stderr
    assert b'"replication_key_value"' not in done.stdout


def test_an_error_document_with_200_is_no_page(stand, monkeypatch):
    monkeypatch.setattr(
        stand.sim.listing, "list", lambda *_: {"message": "no", "next_page": None}
    )
    with pytest.raises(WmsError, match="no page of rows"):
        list(read_pages(stand.client(), "item", {}, page_size=10))


def test_a_service_that_is_not_there_is_named(stand):
    client = stand.client(base_url="http://127.0.0.1:9/env", max_retries=1)
    with pytest.raises(TransientError, match="ConnectError"):
        client.get_json(client.entity_path())


@pytest.mark.parametrize("kind", ["500", "503", "504", "reset_after", "truncated"])
def test_a_write_that_must_not_happen_twice_is_not_repeated(stand, kind):
    stand.fault(kind, path="/trailer/")
    client = stand.client()
    body = {"fields": {"trailer_nbr": "T1"}}
    with pytest.raises(UnknownOutcomeError, match=r"carried out|not JSON"):
        client.send_json(
            "POST", client.entity_path("trailer"), body, is_repeatable=False
        )
    assert len(stand.requests("/trailer/")) == 1


@pytest.mark.parametrize("kind", ["409", "429"])
def test_a_write_that_was_refused_unread_is_repeated(stand, kind):
    stand.fault(kind, path="/trailer/")
    client = stand.client()
    body = {"fields": {"trailer_nbr": "T1"}}
    client.send_json("POST", client.entity_path("trailer"), body, is_repeatable=False)
    assert len(stand.ids("trailer")) == 1


def test_requests_keep_their_distance_when_a_limit_is_set(start):
    stand = start(rows=30)
    client = stand.client(max_requests_per_minute=60)
    list(read_pages(client, "order_hdr", {}, page_size=10))
    assert len(stand.waits) == 2
    assert sum(stand.waits) == pytest.approx(3, abs=0.5)


def test_faults_during_discovery_are_waited_for_too(stand):
    stand.fault("503", path="describe")
    assert read(stand, "company").ids("company") == [1, 2]


def test_a_service_that_fails_every_third_time_is_read_whole(start):
    """Ten kinds of fault, by chance, in discovery and in every page."""
    stand = start(rows=300)
    for kind in PASSING[:10]:
        stand.fault(kind, times=-1, probability=0.04)
    done = read(stand, "order_hdr", "item", page_size=10, max_retries=20)
    assert done.ids("order_hdr") == stand.ids("order_hdr")
    assert done.ids("item") == stand.ids("item")
    assert len(stand.waits) > 15

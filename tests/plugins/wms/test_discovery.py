"""Discovery: GET /entity/, describe, and rows where neither says enough."""

from __future__ import annotations

import logging

import pytest
from flext_oracle_wms.entities import describe_entity, list_entities
from flext_oracle_wms.errors import WmsError
from flext_singer.errors import FlextError
from servers.wms_commands import capture, read, tap_of


@pytest.mark.parametrize(
    "form", ["dict", "list", "named", "addresses", "wrapped", "nested"]
)
def test_the_list_of_entities_may_be_an_object_or_a_list(start, form):
    stand = start(discovery_as=form)
    names = list_entities(stand.client())
    assert names == sorted(stand.rows.entities)
    assert len(names) >= 40


def test_an_error_with_200_is_no_list_of_entities(stand, monkeypatch):
    body = {"reference": "r", "code": "ERROR", "message": "Try later."}
    client = stand.client()
    monkeypatch.setattr(client, "get_json", lambda *_: body)
    with pytest.raises(WmsError, match="no list of entities"):
        list_entities(client)


def test_nothing_is_read_about_entities_that_are_not_wanted(stand):
    assert list(tap_of(stand, "item").streams) == ["item"]
    assert [path.split("?")[0].split("/entity/")[1] for path in stand.requests()] == [
        "",
        "item/describe/",
        "item/",
    ]


def test_every_entity_becomes_a_stream_except_those_that_cannot_be_read(stand, caplog):
    with caplog.at_level(logging.WARNING):
        streams = {stream.name for stream in tap_of(stand).streams.values()}
    left_out = set(stand.rows.entities) - streams
    assert left_out == {"user", "inventory_history"}
    assert "user is left out: HTTP 403: You do not have permission" in caplog.text
    assert "inventory_history is left out: HTTP 400" in caplog.text
    assert "putaway_type has neither a description nor rows yet" in caplog.text


def test_an_entity_that_was_asked_for_and_is_forbidden_is_an_error(stand):
    with pytest.raises(FlextError, match="'user' cannot be read: HTTP 403") as caught:
        tap_of(stand, "user")
    assert "permission" in caught.value.fix


def test_an_unknown_entity_is_an_error_and_not_an_empty_stream(stand):
    with pytest.raises(FlextError, match="no entity 'order_hdrs'") as caught:
        tap_of(stand, "order_hdrs")
    assert "did you mean 'order_hdr'?" in caught.value.fix


def test_an_older_version_is_read_and_an_unknown_one_named(stand):
    """Older versions stay supported for a year; a wrong one is a 404 for everything."""
    assert len(read(stand, "item", api_version="v9").records("item")) == 30
    with pytest.raises(WmsError, match="HTTP 404") as caught:
        tap_of(stand, "item", api_version="v8").discover_streams()
    assert "v8" in caught.value.where
    assert "api_version" in caught.value.fix


def test_entities_take_wildcards_and_exclusions(stand):
    tap = tap_of(stand, "order_*", exclude_entities="order_lock, *_status")
    names = [stream.name for stream in tap.streams.values()]
    assert names == ["order_dtl", "order_hdr", "order_type"]


def test_an_entity_without_describe_gets_its_columns_from_rows(stand):
    stand.rows.insert("putaway_type", {"code": "P1"})
    schema = read(stand, "putaway_type").schema("putaway_type")
    assert schema["code"] == {"type": ["string", "null"]}
    assert schema["id"] == {"type": ["integer"]}
    assert schema["mod_ts"]["format"] == "date-time"


def test_an_entity_without_describe_and_rows_is_an_empty_stream(stand):
    run = read(stand, "putaway_type")
    assert run.schema("putaway_type") == {"id": {"type": ["integer"]}}
    assert run.records("putaway_type") == []


@pytest.mark.parametrize("form", ["list", "403"])
def test_describe_may_be_a_list_or_not_allowed(start, form):
    run = read(start(describe_as=form, rows=5), "order_hdr")
    assert len(run.records("order_hdr")) == 5
    assert run.schema("order_hdr")["mod_ts"]["format"] == "date-time"


def test_a_column_that_describe_leaves_out_is_found_in_rows(stand):
    run = read(stand, "item")
    assert "hazmat_note" in run.schema("item")
    assert run.records("item")[2]["hazmat_note"] == "note 3"


def test_an_unknown_type_is_read_as_text_with_a_warning(start, caplog):
    stand = start(describe_more="item.part_a=hologram")
    with caplog.at_level(logging.WARNING):
        run = read(stand, "item")
    assert run.schema("item")["part_a"] == {"type": ["string", "null"]}
    assert "item.part_a has the unknown type 'hologram'" in caplog.text


@pytest.mark.parametrize("word", ["field", "relation", "integer"])
def test_foreign_keys_become_id_and_key_whatever_describe_calls_them(start, word):
    stand = start(describe_keys_as=word)
    run = read(stand, "order_hdr", "allocation")
    schema = run.schema("order_hdr")
    for stem in ("facility", "company", "order_type"):
        assert schema[f"{stem}_id"] == {"type": ["integer", "null"]}
        assert schema[f"{stem}_key"] == {"type": ["string", "null"]}
    record = run.records("order_hdr")[0]
    assert (record["facility_id"], record["facility_key"]) == (1, "F1")
    assert (record["order_type_id"], record["order_type_key"]) == (None, None)
    # The documented exception is a bare number.
    assert "status_key" not in schema
    assert record["status_id"] == 0
    assert "wave_key" in run.schema("allocation")


def test_an_entity_may_have_no_rows_yet(stand):
    entity, reason = describe_entity(stand.client(), "trailer")
    assert (reason, entity.kinds["trailer_nbr"]) == ("", "text")


def test_a_page_that_is_no_list_of_entities_names_the_base_url(stand):
    stand.fault("login_page")
    with pytest.raises(WmsError, match="page instead of data") as caught:
        list_entities(stand.client())
    assert "base_url" in caught.value.fix


def test_a_field_that_describe_only_calls_a_field_is_what_rows_show(start):
    """`field` is what the service calls whatever is only read, relations and others."""
    stand = start(rows=3, describe_more="item.url=field")
    run = read(stand, "item")
    assert run.records("item")[0]["url"].endswith("/entity/item/1")
    assert "url_id" not in run.schema("item")


def test_a_foreign_key_that_nothing_shows_yet_has_its_columns(start):
    """No describe, no value in any row so far: `_id` is a relation all the same."""
    stand = start(rows=2)
    raw = {"id": 1, "vendor_id": None, "mhe_system_id": None, "old_status_id": None}
    stand.rows.raw["putaway_type", 1] = (raw, [])
    stand.rows.insert("putaway_type", {})
    tap = tap_of(stand, "putaway_type")
    later = {"vendor_id": {"id": 7, "key": "V", "url": ""}, "mhe_system_id": "M-1"}
    stand.rows.raw["putaway_type", 1] = ({**raw, **later, "old_status_id": 5}, [])
    (record,) = capture(tap).records("putaway_type")
    assert (record["vendor_id"], record["vendor_key"]) == (7, "V")
    assert (record["mhe_system_id"], record["mhe_system_key"]) == (None, "M-1")
    assert record["old_status_id"] == 5


@pytest.mark.parametrize("lost", ["forbidden", "unlisted"])
def test_a_selected_entity_whose_permission_was_lost_fails_the_run(start, lost):
    stand = start(rows=3)
    catalog = tap_of(stand, "wave_template", "vendor").catalog_dict
    for entry in catalog["streams"]:
        root = next(m for m in entry["metadata"] if not m["breadcrumb"])
        root["metadata"]["selected"] = True
    if lost == "forbidden":
        stand.switch(forbidden_entity="wave_template")
    else:
        del stand.rows.entities["wave_template"]
    tap = tap_of(stand, "[vw]*", catalog=catalog)
    with pytest.raises(FlextError, match="'wave_template' cannot be read"):
        capture(tap)


def test_an_entity_with_filters_of_its_own_is_not_left_out_in_silence(stand):
    bad = {"item": {"no_such_field": 1}}
    with pytest.raises(FlextError, match="'item' cannot be read: HTTP 400"):
        tap_of(stand, "item*", entity_filters=bad).discover_streams()


@pytest.mark.parametrize("setting", ["entity_filters", "field_selection"])
def test_settings_of_an_entity_that_does_not_exist_are_refused(stand, setting):
    value = {"itme": {"id": 1} if setting == "entity_filters" else ["id"]}
    with pytest.raises(FlextError, match="no entity 'itme'") as caught:
        tap_of(stand, "item", **{setting: value}).discover_streams()
    assert setting in caught.value.where

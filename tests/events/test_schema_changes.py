import json

import pytest

from flexcore_gen.events.schema_changes import changes_since_last_time, read_catalog


def catalog(path, selected=True, **columns):
    stream = {
        "tap_stream_id": "people",
        "schema": {"properties": columns},
        "key_properties": ["id"],
        "metadata": [{"breadcrumb": [], "metadata": {"selected": selected}}],
    }
    path.write_text(json.dumps({"streams": [stream]}))
    return read_catalog(path)


TEXT = {"type": ["string", "null"]}
NUMBER = {"type": "integer"}
TIME = {"type": ["null", "string"], "format": "date-time"}


def test_the_first_look_and_the_same_again_are_no_change(tmp_path):
    now = catalog(tmp_path / "c.json", id=NUMBER, name=TEXT)

    assert changes_since_last_time(tmp_path, "tap", now) == []
    assert changes_since_last_time(tmp_path, "tap", now) == []


def test_added_removed_and_retyped_columns_are_named(tmp_path):
    path = tmp_path / "c.json"
    changes_since_last_time(tmp_path, "tap", catalog(path, id=NUMBER, a=TEXT, b=TEXT))
    now = catalog(path, id=NUMBER, b=TIME, c=TEXT)

    assert changes_since_last_time(tmp_path, "tap", now) == [
        {
            "stream": "people",
            "added": ["c"],
            "removed": ["a"],
            "changed": {"b": {"from": "string", "to": "string (date-time)"}},
        }
    ]
    assert changes_since_last_time(tmp_path, "tap", now) == []


def test_a_stream_that_is_not_selected_is_not_looked_at(tmp_path):
    assert catalog(tmp_path / "c.json", selected=False, id=NUMBER) == {}


@pytest.mark.parametrize("text", ["", "[]", '{"streams": 3}', '{"streams": [{}]}'])
def test_a_catalog_that_cannot_be_read_says_nothing(tmp_path, text):
    (tmp_path / "c.json").write_text(text)

    assert read_catalog(tmp_path / "c.json") == {}


@pytest.mark.end_to_end
@pytest.mark.parametrize(
    "command",
    [("run", "load-people"), ("el", "fake-tap", "fake-target", "--state-id", "s")],
)
def test_a_changed_schema_becomes_an_event(project, command):
    project.run(*command)
    project.run(*command, FAKE_TAP_COLUMNS="id,name,age")

    (change,) = [e for e in project.envelopes() if e["name"] == "SchemaChanged"]
    assert change["data"]["stream"] == "people"
    assert change["data"]["added"] == ["age"]

"""Failpoints, secrets, rejects, settings, key checks and batch folders."""

from __future__ import annotations

import json
import logging
import os
import time

import pytest
from flext_singer import batch_files, secrets, settings
from flext_singer.errors import FailpointError, FlextError, TooManyErrorsError
from flext_singer.failpoints import Failpoints
from flext_singer.rejects import Rejects
from flext_singer.sink import _key_check


@pytest.fixture
def forms(monkeypatch):
    monkeypatch.setattr(secrets, "_forms", [])


@pytest.mark.parametrize(
    "wish", ["tap.nowhere", "tap.mid_records:BOOM", "tap.mid_records@0", "x y"]
)
def test_a_misspelt_failpoint_is_an_error_at_once(wish):
    with pytest.raises(FailpointError):
        Failpoints(wish)


def test_a_failpoint_acts_at_the_nth_passing_of_its_name():
    points = Failpoints("target.after_load:ERROR@2")
    points.reach("target.after_load")
    points.reach("target.after_commit")
    with pytest.raises(FailpointError):
        points.reach("target.after_load")


def test_failpoints_are_off_without_the_variable():
    assert not Failpoints(None).is_active
    assert not Failpoints("").is_active


@pytest.mark.usefixtures("forms")
def test_secrets_are_masked_in_every_form():
    secrets.register(['p"w/å+1', "p"])
    for shown in (
        'pw=p"w/å+1',
        json.dumps({"p": 'p"w/å+1'}),
        "https://u:p%22w%2F%C3%A5%2B1@h",
        "basic cCJ3L8OlKzE=",
    ):
        assert secrets.MASK in secrets.mask(shown)
    assert secrets.mask("plain p text") == "plain p text"


def test_secret_settings_are_found_at_any_depth():
    schema = {
        "properties": {
            "password": {"secret": True},
            "list": {"items": {"properties": {"token": {"secret": True}}}},
            "all": {"type": "object", "secret": True},
            "host": {},
        }
    }
    config = {
        "password": "one",
        "list": [{"token": "two", "name": "x"}],
        "all": {"a": {"b": "three"}},
        "host": "h",
        "unknown": {"x": 1},
    }
    assert secrets.secret_values(schema, config) == {"one", "two", "three"}


@pytest.mark.usefixtures("forms")
def test_a_masking_formatter_hides_secrets_in_tracebacks():
    secrets.register(["topsecret"])
    formatter = secrets.MaskingFormatter(logging.Formatter())
    error = ValueError("login topsecret failed")
    record = logging.LogRecord(
        "x", logging.ERROR, "f", 1, "no: %s", ("topsecret",), (ValueError, error, None)
    )
    text = formatter.format(record)
    assert "topsecret" not in text
    assert text.count(secrets.MASK) >= 2


def test_rejects_are_written_privately_and_limited(tmp_path):
    path = tmp_path / "deep" / "rejects.jsonl"
    rejects = Rejects("tap-x", 2, str(path))
    rejects.add("s", "f:1", "bad", {"a": "\ud800"})
    rejects.add("s", "f:2", "bad", b'{"a":"\xff"}')
    with pytest.raises(TooManyErrorsError) as caught:
        rejects.add("s", "f:3", "worse", None)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["where"] for line in lines] == ["f:1", "f:2", "f:3"]
    assert lines[0]["record"] == {"a": "\ud800"}
    assert path.stat().st_mode & 0o777 == 0o600
    assert "f:3" in caught.value.where
    assert "worse" in caught.value.what


def test_the_first_reject_ends_the_run_by_default():
    with pytest.raises(TooManyErrorsError):
        Rejects("tap-x", 0, None).add("s", "f:1", "bad")


@pytest.mark.usefixtures("forms")
def test_all_wrong_settings_are_told_at_once_without_secrets():
    schema = {
        "type": "object",
        "required": ["host", "user"],
        "properties": {
            "host": {"type": "string"},
            "user": {"type": "string"},
            "port": {"type": "integer"},
            "password": {"type": "string", "secret": True, "maxLength": 3},
            "nested": {"properties": {"mode": {"enum": ["a", "b"]}}},
        },
    }
    config = {"port": "many", "password": "hunter22", "nested": {"mode": "c"}}
    secrets.register(secrets.secret_values(schema, config))
    found = "\n".join(settings.problems(schema, config, prefix="TAP_X_"))
    for part in ('"host"', "TAP_X_HOST", '"port"', "'many'", '"password"', "maxLength"):
        assert part in found
    assert '"nested.mode"' in found
    assert "hunter22" not in found


def test_an_unknown_setting_is_told_with_its_nearest_name(caplog):
    schema = {"properties": {"base_dn": {}}}
    settings.warn_unknown(schema, {"base_dm": 1}, logging.getLogger("t"))
    assert 'did you mean "base_dn"' in caplog.text


@pytest.mark.parametrize(
    ("properties", "raw", "is_whole"),
    [
        ({"id": {"type": "integer"}}, b'{"id":1}', True),
        ({"id": {"type": "integer"}}, b'{ "id" : 1}', True),
        ({"id": {"type": "integer"}}, b'{"\\u0069d":1}', True),
        ({"id": {"type": "integer"}}, b'{"ID":1}', False),
        ({"id": {"type": "integer"}}, b'{"a":"\\"id\\":1"}', False),
        ({"id": {}, "o": {"type": "object"}}, b'{"o":{"id":1}}', False),
        (
            {"id": {"type": "integer"}, "o": {"type": "array", "items": {}}},
            b'{"o":[{"id":1}]}',
            False,
        ),
    ],
)
def test_a_missing_key_column_is_seen_wherever_its_name_hides(
    properties, raw, is_whole
):
    check = _key_check({"properties": properties}, ["id"])
    assert check(raw) is is_whole


def test_only_files_of_our_run_folders_are_deleted(tmp_path):
    foreign = tmp_path / "precious.parquet"
    foreign.write_bytes(b"x")
    batch_files.delete(foreign)
    assert foreign.exists()
    folder = batch_files.run_folder(tmp_path, "tap-x")
    assert folder.stat().st_mode & 0o777 == 0o700
    ours = folder / "s-1.parquet"
    ours.write_bytes(b"x")
    batch_files.delete(ours)
    batch_files.delete_folder(ours)
    assert not folder.exists()


def test_what_dead_runs_left_is_swept_after_a_day(tmp_path):
    old = batch_files.run_folder(tmp_path, "tap-x")
    (old / "left.parquet").write_bytes(b"x")
    fresh = batch_files.run_folder(tmp_path, "tap-x")
    assert old.exists()
    two_days_ago = time.time() - 2 * 24 * 3600
    os.utime(old, (two_days_ago, two_days_ago))
    batch_files.sweep(tmp_path)
    assert not old.exists()
    assert fresh.exists()


@pytest.mark.parametrize("url", ["s3://bucket/f.parquet", "/nowhere/f.parquet"])
def test_a_batch_file_that_is_not_here_is_an_error(url):
    with pytest.raises(FlextError):
        batch_files.local_path(url)

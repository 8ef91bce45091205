"""Records through both lanes: same rows, exact values, right counts."""

from __future__ import annotations

import io
import json
import os
import sys
import threading

import pytest
from flext_singer import FlextError
from flext_singer import target as target_module
from plugins_as_processes import (
    command,
    messages,
    rows,
    run,
    run_tap,
    run_target,
)
from reference_tap import Numbers, ReferenceTap
from reference_target import ReferenceTarget
from singer_sdk.exceptions import InvalidStreamSortException

ENCODINGS = [
    {"format": "parquet"},
    {"format": "parquet", "compression": "zstd"},
    {"format": "arrow"},
    {"format": "arrow", "compression": "lz4"},
    {"format": "jsonl"},
    {"format": "jsonl", "compression": "gzip"},
]


def counted(ended, metric):
    found = [
        json.loads(line.split("METRIC: ", 1)[1])
        for line in ended.stderr.decode().splitlines()
        if "METRIC: " in line
    ]
    return sum(point["value"] for point in found if point["metric"] == metric)


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_files_carry_the_same_rows_as_lines(tmp_path, encoding):
    by_lines, by_files = tmp_path / "lines", tmp_path / "files"
    for folder in (by_lines, by_files):
        folder.mkdir()
    run_target(by_lines, run_tap(by_lines, records=2000).stdout)
    root = tmp_path / "batches"
    batches = {"encoding": encoding, "storage": {"root": root.as_uri()}}
    tapped = run_tap(
        by_files, records=2000, batch_config={**batches, "batch_size": 700}
    )
    assert tapped.returncode == 0, tapped.stderr.decode()
    assert not messages(tapped.stdout, "RECORD")
    assert len(messages(tapped.stdout, "BATCH")) == 3
    assert counted(tapped, "record_count") == 2000
    files = [path for path in root.rglob("*") if path.is_file()]
    assert len(files) == 3
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in files)

    loaded = run_target(by_files, tapped.stdout)
    assert loaded.returncode == 0, loaded.stderr.decode()
    assert rows(by_files) == rows(by_lines)
    assert counted(loaded, "record_count") == 2000
    assert not list(root.iterdir()), "files are deleted after the commit"


def test_files_are_kept_until_the_commit_and_loaded_once(tmp_path):
    root = tmp_path / "batches"
    batches = {"encoding": {"format": "arrow"}, "storage": {"root": str(root)}}
    config = {"records": 100, "incremental": False, "batch_config": batches}
    tapped = run_tap(tmp_path, **config)
    crashed = run_target(tmp_path, tapped.stdout, failpoint="target.before_commit")
    assert crashed.returncode == -9
    assert len(list(root.rglob("*.arrow"))) == 1
    tapped = run_tap(tmp_path, **config)
    assert run_target(tmp_path, tapped.stdout).returncode == 0
    assert len(rows(tmp_path)) == 100


def test_a_tap_on_the_bare_sdk_may_send_its_own_files(tmp_path):
    root = tmp_path / "batches"
    batches = {
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "storage": {"root": root.as_uri(), "prefix": "x"},
        "batch_size": 40,
    }
    arguments = command("sdk_tap", {"records": 100, "batch_config": batches}, tmp_path)
    tapped = run(arguments)
    assert len(messages(tapped.stdout, "BATCH")) == 3
    assert run_target(tmp_path, tapped.stdout).returncode == 0
    assert [row["id"] for row in rows(tmp_path)] == list(range(1, 101))
    assert list(root.iterdir()), "files of others are not ours to delete"


def test_stream_maps_turn_the_batch_lane_off_and_apply(tmp_path):
    batches = {"encoding": {"format": "parquet"}, "storage": {"root": str(tmp_path)}}
    maps = {"numbers": {"id": "id", "double": "id * 2", "__else__": None}}
    tapped = run_tap(tmp_path, records=5, batch_config=batches, stream_maps=maps)
    found = [line["record"] for line in messages(tapped.stdout, "RECORD")]
    assert found[4] == {"id": 5, "double": 10}


def test_stream_maps_work_in_the_target(tmp_path):
    maps = {
        "numbers": {"__alias__": "others", "id": "id", "double": "id * 2"},
    }
    data = run_tap(tmp_path, records=5).stdout
    ended = run_target(tmp_path, data, stream_maps=maps)
    assert ended.returncode == 0, ended.stderr.decode()
    assert [row["double"] for row in rows(tmp_path, "others")] == [2, 4, 6, 8, 10]


def test_stream_maps_of_the_target_apply_to_files_too(tmp_path):
    batches = {"encoding": {"format": "arrow"}, "storage": {"root": str(tmp_path)}}
    data = run_tap(tmp_path, records=5, batch_config=batches).stdout
    maps = {"numbers": {"id": "id", "double": "id * 2", "__else__": None}}
    ended = run_target(tmp_path, data, stream_maps=maps)
    assert ended.returncode == 0, ended.stderr.decode()
    assert rows(tmp_path)[4] == {"id": 5, "double": 10}
    assert counted(ended, "record_count") == 5


@pytest.mark.parametrize("more", [{}, {"flattening_enabled": True}])
def test_a_value_that_json_cannot_hold_is_rejected_by_name_on_every_path(more):
    class Odd(Numbers):
        def get_records(self, context):  # noqa: ARG002 - the SDK's signature
            yield {"id": 1, "amount": 1.5}
            yield {"id": 2, "amount": float("nan")}

    class Tap(ReferenceTap):
        def discover_streams(self):
            return [Odd(self)]

    more = {**more, "flattening_max_depth": 1} if more else {}
    with pytest.raises(FlextError) as caught:
        Tap(config=more).sync_all()
    assert "'amount'" in caught.value.what
    assert "numbers" in caught.value.where


def test_deselected_properties_stay_out_of_both_lanes(tmp_path):
    catalog = json.loads(
        run(command("reference_tap", {}, tmp_path, "--discover")).stdout
    )
    for entry in catalog["streams"][0]["metadata"]:
        if entry["breadcrumb"][-1:] in (["name"], ["tags"]):
            entry["metadata"]["selected"] = False
    path = tmp_path / "catalog.json"
    path.write_text(json.dumps(catalog))
    batches = {"encoding": {"format": "jsonl"}, "storage": {"root": str(tmp_path)}}
    for more in ({}, {"batch_config": batches}):
        arguments = command(
            "reference_tap", {"records": 5, **more}, tmp_path, "--catalog", str(path)
        )
        tapped = run(arguments)
        assert tapped.returncode == 0, tapped.stderr.decode()
        target = tmp_path / f"out{len(more)}"
        target.mkdir()
        assert run_target(target, tapped.stdout).returncode == 0
        assert len(rows(target)) == 5
        assert not {"name", "tags"} & set(rows(target)[0])
        assert "amount" in rows(target)[0]


def test_deselection_inside_an_object_goes_through_the_sdk(tmp_path):
    catalog = json.loads(
        run(command("reference_tap", {}, tmp_path, "--discover")).stdout
    )
    for entry in catalog["streams"][0]["metadata"]:
        if entry["breadcrumb"][-1:] == ["zip"]:
            entry["metadata"]["selected"] = False
    path = tmp_path / "catalog.json"
    path.write_text(json.dumps(catalog))
    arguments = command(
        "reference_tap", {"records": 3}, tmp_path, "--catalog", str(path)
    )
    found = messages(run(arguments).stdout, "RECORD")
    assert found[0]["record"]["address"] == {"city": "São Paulo"}


def test_state_comes_every_ten_thousand_records_and_resumes(tmp_path):
    tapped = run_tap(tmp_path, records=25_000)
    reached = [
        state["value"]["bookmarks"]["numbers"]["replication_key_value"]
        for state in messages(tapped.stdout, "STATE")
    ]
    assert reached == [10_000, 20_000, 25_000]
    state = messages(tapped.stdout, "STATE")[1]["value"]
    again = run_tap(tmp_path, state=state, records=25_000)
    first = messages(again.stdout, "RECORD")[0]
    assert first["record"]["id"] == 20_001


def test_a_full_table_ends_with_its_version_and_drops_the_older_one(tmp_path):
    config = {"incremental": False, "emit_activate_version_messages": True}
    for count in (20, 12):
        tapped = run_tap(tmp_path, records=count, **config)
        kinds = [json.loads(line)["type"] for line in tapped.stdout.splitlines()]
        last = len(kinds) - 1 - kinds[::-1].index("RECORD")
        assert kinds.index("ACTIVATE_VERSION") > last
        assert run_target(tmp_path, tapped.stdout).returncode == 0
        assert len(rows(tmp_path)) == count


def test_a_full_table_with_rejects_drops_nothing(tmp_path):
    config = {"incremental": False, "emit_activate_version_messages": True}
    tapped = run_tap(
        tmp_path,
        records=20,
        reject_every=7,
        max_errors=5,
        rejects_path=str(tmp_path / "rejects"),
        **config,
    )
    assert tapped.returncode == 0
    assert len(messages(tapped.stdout, "RECORD")) == 18
    assert not messages(tapped.stdout, "ACTIVATE_VERSION")
    assert counted(tapped, "rejected") == 2
    assert len((tmp_path / "rejects").read_text().splitlines()) == 2


def test_rejects_past_the_limit_end_the_tap_with_an_error(tmp_path):
    tapped = run_tap(tmp_path, records=20, reject_every=7, max_errors=1)
    assert tapped.returncode == 1
    assert "bad by request; 2 rejected, 1 allowed" in tapped.stderr.decode()
    assert "stream 'numbers', record 14" in tapped.stderr.decode()


def test_records_that_a_target_rejects_are_not_counted_as_loaded(tmp_path):
    data = run_tap(tmp_path, records=20).stdout
    path = tmp_path / "rejects"
    ended = run_target(
        tmp_path, data, reject_id=5, max_errors=1, rejects_path=str(path)
    )
    assert ended.returncode == 0, ended.stderr.decode()
    assert counted(ended, "record_count") == 19
    assert counted(ended, "rejected") == 1
    assert json.loads(json.loads(path.read_text())["record"])["id"] == 5
    ended = run_target(tmp_path, data, reject_id=6)
    assert ended.returncode == 1


def test_rows_before_and_after_a_schema_change_are_all_counted(tmp_path):
    data = run_tap(tmp_path, records=20).stdout
    lines = data.splitlines(keepends=True)
    schema = json.loads(lines[0])
    schema["schema"]["properties"]["more"] = {"type": "string"}
    changed = json.dumps(schema).encode() + b"\n"
    ended = run_target(tmp_path, b"".join([*lines[:11], changed, *lines[11:]]))
    assert ended.returncode == 0, ended.stderr.decode()
    assert len(rows(tmp_path)) == 20
    assert counted(ended, "record_count") == 20


def test_memory_is_bounded_by_bytes(tmp_path):
    """Loads happen by size: one per `max_buffer_bytes`, not one at the end."""
    data = run_tap(tmp_path, records=2000, incremental=False).stdout
    ended = run_target(tmp_path, data, max_buffer_bytes=100_000)
    timers = ended.stderr.decode().count('"metric":"batch_processing_time"')
    assert timers >= len(data) // 100_000
    assert len(rows(tmp_path)) == 2000


def test_the_target_reads_a_file_by_option(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_bytes(run_tap(tmp_path, records=20).stdout)
    config = {"path": str(tmp_path / "out.db")}
    ended = run(command("reference_target", config, tmp_path, "--input", str(path)))
    assert ended.returncode == 0, ended.stderr.decode()
    assert len(rows(tmp_path)) == 20


def test_a_dry_run_goes_through_the_sdk_and_stops(tmp_path):
    ended = run(command("reference_tap", {"records": 99}, tmp_path, "--test"))
    assert ended.returncode == 0, ended.stderr.decode()
    assert len(messages(ended.stdout, "RECORD")) == 1


def test_a_waiting_state_is_committed_while_the_tap_is_silent(tmp_path, monkeypatch):
    monkeypatch.setattr(target_module, "MAX_UNCOMMITTED_SECONDS", 0.1)
    output = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", output)
    read, written = os.pipe()
    data = run_tap(tmp_path, records=20).stdout
    os.write(written, data)

    def close_once_committed():
        while b"bookmarks" not in output.buffer.getvalue():
            pass
        seen.append(len(rows(tmp_path)))
        os.close(written)

    seen = []
    watcher = threading.Thread(target=close_once_committed)
    watcher.start()
    plugin = ReferenceTarget(config={"path": str(tmp_path / "out.db")})
    with os.fdopen(read, "rb") as source:
        plugin.process_lines(source)
    watcher.join(10)
    assert seen == [20]
    plugin.process_endofpipe()


def test_unsorted_streams_bookmark_their_greatest_value():
    class Unsorted(Numbers):
        is_sorted = False

        def get_records(self, context):  # noqa: ARG002 - the SDK's signature
            yield from ({"id": number} for number in (3, 9, 1, None, 4))

    class Tap(ReferenceTap):
        def discover_streams(self):
            return [Unsorted(self)]

    tap = Tap(config={})
    tap.sync_all()
    assert tap.state["bookmarks"]["numbers"]["replication_key_value"] == 9


def test_a_sorted_stream_that_is_not_is_an_error(capfd):
    class Wrong(Numbers):
        def get_records(self, context):  # noqa: ARG002 - the SDK's signature
            yield from ({"id": number} for number in (1, 3, 2))

    class Tap(ReferenceTap):
        def discover_streams(self):
            return [Wrong(self)]

    with pytest.raises(InvalidStreamSortException):
        Tap(config={}).sync_all()
    assert "STATE" not in capfd.readouterr().out

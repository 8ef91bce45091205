from __future__ import annotations

import json

import pytest
from flext_singer.selection import DiscoveryCache, WantedStreams


@pytest.mark.parametrize(
    ("rules", "names", "matched", "unmatched"),
    [
        (None, None, ["a", "b"], []),
        (["*.*"], None, ["a"], []),
        (["a.*", "b.c"], {"a", "b"}, ["a", "b"], ["c"]),
        (["hr-*.*"], None, ["hr-people"], ["fin-people"]),
        (["a.*", "b.*", "!b.*"], {"a"}, ["a"], ["b"]),
        (["a.*", "!a.secret"], {"a"}, ["a"], []),
        (["schema\\.table.*"], {"schema.table"}, ["schema.table"], ["schema"]),
    ],
)
def test_select_rules_say_which_streams_are_wanted(rules, names, matched, unmatched):
    wanted = WantedStreams(rules)
    assert wanted.names == names
    assert all(map(wanted.matches, matched))
    assert not any(map(wanted.matches, unmatched))


@pytest.mark.parametrize("text", ["", "nonsense", "{}", "[]"])
def test_a_selection_that_says_nothing_wants_everything(monkeypatch, text):
    monkeypatch.setenv("MELTANO_EXTRACT__SELECT", text)
    assert WantedStreams.from_environment().matches("anything")


def cache(folder, seconds=0, **parts):
    return DiscoveryCache(folder, parts, seconds)


@pytest.fixture
def in_a_run(monkeypatch):
    monkeypatch.setenv("FLEXCORE_CORRELATION_ID", "run-1")


@pytest.mark.usefixtures("in_a_run")
def test_a_second_process_of_the_run_reads_what_the_first_discovered(tmp_path):
    assert cache(tmp_path, host="x").get(lambda: ["a"]) == ["a"]
    assert cache(tmp_path, host="x").get(lambda: ["other"]) == ["a"]
    assert cache(tmp_path, host="y").get(lambda: ["other"]) == ["other"]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in tmp_path.iterdir())


@pytest.mark.usefixtures("in_a_run")
def test_another_run_discovers_anew(tmp_path, monkeypatch):
    cache(tmp_path).get(lambda: 1)
    monkeypatch.setenv("FLEXCORE_CORRELATION_ID", "run-2")
    assert cache(tmp_path).get(lambda: 2) == 2
    monkeypatch.delenv("FLEXCORE_CORRELATION_ID")
    monkeypatch.delenv("MELTANO_RUN_ID", raising=False)
    assert cache(tmp_path).get(lambda: 3) == 3
    assert cache(tmp_path, seconds=60).get(lambda: 4) == 2


@pytest.mark.usefixtures("in_a_run")
def test_a_broken_or_unwritable_cache_costs_nothing(tmp_path):
    cache(tmp_path).get(lambda: 1)
    (path,) = tmp_path.iterdir()
    path.write_text("{")
    assert cache(tmp_path).get(lambda: 2) == 2
    assert json.loads(path.read_text())["value"] == 2
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert cache(blocked).get(lambda: 5) == 5

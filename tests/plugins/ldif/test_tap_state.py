"""What is read again, what is not, and that no crash loses a file."""

import logging
import os

import pytest
from flext_singer.errors import TooManyErrorsError


def entry(name, more=""):
    return f"dn: cn={name},dc=x\ncn: {name}\n{more}\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.ldif").write_text(entry("a1") + entry("a2"))
    (tmp_path / "b.ldif").write_text(entry("b1"))
    return tmp_path


def test_a_first_run_reads_all_under_one_version_and_activates_it_last(
    folder, read_ldif
):
    output = read_ldif(folder)
    assert output.dns() == ["cn=a1,dc=x", "cn=a2,dc=x", "cn=b1,dc=x"]
    (version,) = output.activated()
    assert output.versions() == {version}
    streams = [one.get("stream") for one in output.messages]
    kinds = [one["type"] for one in output.messages[: streams.index("ldif_changes")]]
    assert kinds[-4:] == ["RECORD", "STATE", "ACTIVATE_VERSION", "STATE"]


def test_a_run_after_which_nothing_changed_emits_nothing_and_says_so(
    folder, read_ldif, caplog
):
    state = read_ldif(folder).state
    with caplog.at_level(logging.INFO):
        output = read_ldif(folder, state)
    assert output.of("RECORD") == []
    assert output.activated() == []
    assert output.state == state
    assert "No file has changed" in caplog.text


def test_a_file_that_was_only_touched_is_not_read_again(folder, read_ldif):
    state = read_ldif(folder).state
    os.utime(folder / "a.ldif", (1, 1))
    output = read_ldif(folder, state)
    assert output.dns() == []
    assert output.state != state
    assert read_ldif(folder, output.state).dns() == []


def test_a_file_that_grew_is_read_on_from_its_end_under_the_same_version(
    folder, read_ldif
):
    first = read_ldif(folder)
    with (folder / "a.ldif").open("a") as file:
        file.write(entry("a3"))
    output = read_ldif(folder, first.state)
    assert output.dns() == ["cn=a3,dc=x"]
    assert output.records()[0]["line_number"] == 7
    assert output.versions() == set(first.activated())
    assert output.activated() == []
    whole = read_ldif(folder)
    assert output.records()[0] == whole.records()[2]
    again = read_ldif(folder, output.state)
    assert again.dns() == []


@pytest.mark.parametrize(
    ("before", "added", "dns", "line"),
    [
        ("dn: cn=o,dc=x\ncn: o\n", "\n" + entry("n"), ["cn=n,dc=x"], 4),
        ("dn: cn=o,dc=x\ncn: o\n", "cn: p\n", ["cn=o,dc=x"], 1),
        ("dn: cn=o,dc=x\ncn: o", "x\n\n" + entry("n"), ["cn=o,dc=x", "cn=n,dc=x"], 1),
        ("dn: cn=o,dc=x\r\ncn: o\r\n", "\r\n" + entry("n"), ["cn=n,dc=x"], 4),
        ("", entry("n"), ["cn=n,dc=x"], 1),
        ("version: 1\n\n", entry("n"), ["cn=n,dc=x"], 3),
        ("\ufeffdn: cn=o,dc=x\ncn: o\n", "cn: p\n", ["cn=o,dc=x"], 1),
    ],
)
def test_a_record_that_the_file_ended_in_is_read_again_if_it_went_on(
    tmp_path, read_ldif, before, added, dns, line
):
    path = tmp_path / "a.ldif"
    path.write_bytes(before.encode())
    first = read_ldif(path)
    with path.open("ab") as file:
        file.write(added.encode())
    output = read_ldif(path, first.state)
    assert output.dns() == dns
    assert output.records()[0]["line_number"] == line
    fresh = read_ldif(path).records()
    assert output.records() == fresh[len(fresh) - len(dns) :]


def test_a_new_file_is_read_and_the_others_are_not(folder, read_ldif):
    first = read_ldif(folder)
    (folder / "c.ldif").write_text(entry("c1"))
    output = read_ldif(folder, first.state)
    assert output.dns() == ["cn=c1,dc=x"]
    assert output.versions() == set(first.activated())


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "a.ldif").write_text(entry("a1") + entry("a9")),
        lambda folder: (folder / "a.ldif").write_text(entry("a9") + entry("a2") * 2),
        lambda folder: (folder / "a.ldif").write_text(entry("a1")),
        lambda folder: (folder / "a.ldif").unlink(),
    ],
    ids=["edited", "edited and longer", "shorter", "gone"],
)
def test_any_other_change_reads_all_again_under_a_new_version(
    folder, read_ldif, change
):
    first = read_ldif(folder)
    change(folder)
    output = read_ldif(folder, first.state)
    assert output.dns() == read_ldif(folder).dns()
    (version,) = output.activated()
    assert version > first.activated()[0]
    assert output.versions() == {version}


def test_other_settings_read_all_again(folder, read_ldif):
    first = read_ldif(folder)
    output = read_ldif(folder, first.state, attribute_filter=["sn"])
    assert len(output.dns()) == 3
    assert output.activated()[0] > first.activated()[0]


def test_a_state_covers_a_file_only_after_all_its_records(
    tmp_path, read_ldif, monkeypatch
):
    monkeypatch.setattr("flext_ldif.streams.LdifStream.STATE_MSG_FREQUENCY", 3)
    for name in "abcd":
        text = "".join(entry(f"{name}{n}") for n in range(7))
        (tmp_path / f"{name}.ldif").write_text(text)
    output = read_ldif(tmp_path)
    seen, checked = [], 0
    for message in output.messages:
        if message["type"] == "RECORD":
            seen.append(message["record"]["dn"])
        elif message["type"] == "STATE":
            files = (
                message["value"]["bookmarks"].get("ldif_entries", {}).get("files", [])
            )
            for mark in files:
                name = mark["path"][-6]
                assert [dn for dn in seen if dn.startswith(f"cn={name}")] == [
                    f"cn={name}{n},dc=x" for n in range(7)
                ]
                checked += 1
    assert checked > 4


def test_a_run_that_breaks_is_taken_up_with_its_version_and_then_activated(
    folder, read_ldif
):
    (folder / "b.ldif").write_text("broken\n")
    with pytest.raises(TooManyErrorsError) as caught:
        read_ldif(folder)
    broken = caught.value.output
    assert broken.dns() == ["cn=a1,dc=x", "cn=a2,dc=x"]
    assert broken.activated() == []
    # What a run killed after its first file would leave behind.
    entries = {
        "version": broken.versions().pop(),
        "is_activated": False,
        "settings": read_ldif(folder, max_errors=1).state["bookmarks"]["ldif_entries"][
            "settings"
        ],
        "files": read_ldif(folder / "a.ldif").state["bookmarks"]["ldif_entries"][
            "files"
        ],
    }
    (folder / "b.ldif").write_text(entry("b1"))
    output = read_ldif(folder, {"bookmarks": {"ldif_entries": entries}})
    assert output.dns() == ["cn=b1,dc=x"]
    assert output.activated() == [entries["version"]]
    assert output.versions() == {entries["version"]}


def test_rejected_records_keep_the_old_version_alive(folder, read_ldif):
    (folder / "b.ldif").write_text("broken\n\n" + entry("b1"))
    first = read_ldif(folder, max_errors=1)
    assert len(first.dns()) == 3
    assert first.activated() == []
    again = read_ldif(folder, first.state, max_errors=1)
    assert (again.dns(), again.activated()) == ([], [])
    (folder / "b.ldif").write_text("\n\n\n\n\n" + entry("b1"))
    mended = read_ldif(folder, again.state)
    assert len(mended.dns()) == 3
    assert len(mended.activated()) == 1


def test_a_foreign_state_is_no_reason_to_skip_a_file(folder, read_ldif):
    state = {
        "bookmarks": {"ldif_entries": {"files": [{"path": "x"}, {}], "version": 7}}
    }
    assert len(read_ldif(folder, state).dns()) == 3

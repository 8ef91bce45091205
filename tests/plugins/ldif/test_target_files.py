"""What stands in the files of the target, and what becomes of the old ones."""

import json
import logging
import os
import re
import resource
import subprocess
import sys

import pytest
from fakes import singer_messages
from fakes.singer_messages import record
from flext_ldif.entries import Change, Entry
from flext_ldif.reader import read
from flext_singer.errors import FlextError, SettingsError, TooManyErrorsError

TARGET = [sys.executable, "-m", "flext_ldif.target"]
OBJECT = {"type": "object"}
TEXTS = {"type": "array", "items": {"type": "string"}}
TEXT = {"type": ["string", "null"]}


def schema(stream, *columns, **more):
    """Return a SCHEMA message without keys; columns are text, `more` is not."""
    return singer_messages.schema(stream, [], **dict.fromkeys(columns, TEXT), **more)


def singer(*messages):
    return "".join(json.dumps(one) + "\n" for one in messages)


ENTRIES = schema("people", "dn", attributes=OBJECT, binary_attributes=TEXTS)
CHANGES = schema("changes", "dn", "change_type", operations={"type": "array"})


def entry(dn, version=None, **attributes):
    values = {name: [text] for name, text in attributes.items()}
    return record("people", version, dn=dn, attributes=values)


def found(path):
    with path.open("rb") as file:
        return list(read(file.read))


def dns(path):
    return [one.dn for one in found(path)]


# Shapes


def test_an_entry_goes_out_with_its_base64_attributes_decoded(write_ldif):
    values = {"cn": ["Zoë", " x"], "jpegPhoto": ["/9g="], "note": ["YQ==", "AA=="]}
    write_ldif([
        ENTRIES,
        record("people", dn="cn=Zoë,dc=x", attributes=values,
               binary_attributes=["jpegPhoto", "note", "absent"]),
    ])  # fmt: skip
    (one,) = found(write_ldif.path)
    assert one.dn == "cn=Zoë,dc=x"
    assert one.attributes == {
        "cn": ["Zoë", " x"],
        "jpegPhoto": [b"\xff\xd8"],
        "note": ["a", b"\x00"],
    }


def test_attributes_may_arrive_as_json_text_or_with_bare_values(write_ldif):
    write_ldif([
        ENTRIES,
        record("people", dn="cn=a", attributes='{"cn": ["a"], "p": ["/w=="]}',
               binary_attributes='["p"]'),
        record("people", dn="cn=b", attributes={"cn": "b", "n": 3, "t": True,
               "z": None}, binary_attributes=None),
    ])  # fmt: skip
    assert [one.attributes for one in found(write_ldif.path)] == [
        {"cn": ["a"], "p": [b"\xff"]},
        {"cn": ["b"], "n": ["3"], "t": ["TRUE"]},
    ]


def test_object_classes_that_were_filtered_out_of_the_attributes_come_back(write_ldif):
    message = schema("people", "dn", attributes=OBJECT, object_class=TEXTS)
    one = record("people", dn="cn=a", attributes={"cn": ["a"]}, object_class=["top"])
    write_ldif([message, one])
    assert found(write_ldif.path)[0].attributes == {"objectClass": ["top"], "cn": ["a"]}


def test_a_flat_record_becomes_an_entry_by_its_columns(write_ldif):
    flat = schema("people", "uid", "given_name", "ou", "employee_number", "empty",
                  "_sdc_batched_at", mail=TEXTS, active={"type": "boolean"},
                  n={"type": "number"}, photo={"type": "string"},
                  create_timestamp={**TEXT, "format": "date-time"})  # fmt: skip
    one = record("people", uid="a", given_name="Zoë", ou=None, mail=["x", "y"],
                 active=True, n=1.50, empty="", photo="/9g=", employee_number="007",
                 create_timestamp="2024-05-06T07:08:09.5+02:00",
                 _sdc_batched_at="now")  # fmt: skip
    write_ldif(
        [flat, one],
        dn_template="uid={uid},ou=people,dc=x",
        object_classes=["inetOrgPerson"],
        attribute_mapping={"n": "roomNumber"},
        binary_attributes=["photo"],
    )
    (made,) = found(write_ldif.path)
    assert made.dn == "uid=a,ou=people,dc=x"
    assert made.attributes == {
        "uid": ["a"],
        "givenName": ["Zoë"],
        "mail": ["x", "y"],
        "active": ["TRUE"],
        "roomNumber": ["1.5"],
        "photo": [b"\xff\xd8"],
        "employeeNumber": ["007"],
        "createTimestamp": ["20240506050809.5Z"],
        "objectClass": ["inetOrgPerson"],
    }


def test_a_value_in_the_dn_is_escaped_and_put_among_the_attributes(write_ldif):
    flat = schema("people", "name", "sn")
    hostile = 'a,ou=evil+x="y"\\#'
    write_ldif(
        [flat, record("people", name=hostile, sn="b")],
        dn_template="cn={name},dc=x",
        attribute_mapping={"name": None},
    )
    (made,) = found(write_ldif.path)
    assert made.dn == 'cn=a\\,ou\\=evil\\+x\\=\\"y\\"\\\\#,dc=x'
    assert made.attributes == {"sn": ["b"], "cn": [hostile]}


@pytest.mark.parametrize("value", [None, "", "  ", ["a", "b"], {"a": 1}])
def test_a_dn_without_its_value_is_refused(write_ldif, value):
    flat = schema("people", "sn", uid={})
    with pytest.raises(TooManyErrorsError, match="uid"):
        write_ldif([flat, record("people", uid=value, sn="b")], dn_template="uid={uid}")
    assert not write_ldif.path.exists()


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({}, "dn_template is not set"),
        ({"dn_template": "uid={uidd}"}, "needs a column 'uidd'"),
        ({"dn_template": "uid={uid}", "attribute_mapping": {"sn": "a b"}}, "'sn'"),
    ],
)
def test_a_stream_that_cannot_be_entries_is_refused_at_once(write_ldif, settings, what):
    with pytest.raises(FlextError, match=what):
        write_ldif([schema("people", "uid", "sn")], **settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"dn_template": "uid"},
        {"dn_template": "uid={}"},
        {"dn_template": "uid={a.b!r}"},
        {"dn_template": "uid={"},
        {"line_length": 5},
        {"file_naming_pattern": "../{stream_name}"},
        {"file_naming_pattern": "{user}.ldif"},
        {"mode": "frob"},
    ],
)
def test_wrong_settings_are_named(write_ldif, settings):
    with pytest.raises(SettingsError):
        write_ldif([], **settings)


HOSTILE = [
    "x\ndn: cn=evil", "x\r\n\r\ndn: cn=evil,dc=x\r\ncn: evil", "\n", " ", ": a",
    "< file:///etc/passwd", "a\x00b", "\u2028", "a\x85b", "trail ", "#", "\ufeff",
    "x" * 100_000, "é" * 1000, "-",
]  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_value_stays_one_value(write_ldif, value):
    dn = f"cn=b{value.replace(chr(0), '')}"
    write_ldif([ENTRIES, entry("cn=a", cn=value), entry(dn, sn="b")])
    by_dn = {one.dn: one.attributes for one in found(write_ldif.path)}
    text = by_dn["cn=a"]["cn"][0]
    assert (text if isinstance(text, str) else text.decode()) == value
    assert by_dn[dn] == {"sn": ["b"]}
    assert write_ldif.path.read_bytes().isascii()


def test_a_dn_with_a_raw_nul_is_refused(write_ldif):
    with pytest.raises(TooManyErrorsError, match="NUL"):
        write_ldif([ENTRIES, entry("cn=a\0", cn="a")])


@pytest.mark.parametrize(
    "values", [{"a b": ["x"]}, {"cn: x\nsn": ["x"]}, {"dn": ["x"]}, {"cn": [{"a": 1}]},
               {"p": ["!"]}, [1]]
)  # fmt: skip
def test_what_cannot_be_written_is_rejected_with_its_dn(write_ldif, tmp_path, values):
    one = record("people", dn="cn=a", attributes=values, binary_attributes=["p"])
    with pytest.raises(TooManyErrorsError) as caught:
        write_ldif([ENTRIES, one])
    assert "cn=a" in caught.value.where or "without DN" in caught.value.where
    rejects = tmp_path / "rejects.jsonl"
    write_ldif(
        [ENTRIES, one, entry("cn=b", cn="b")], max_errors=1, rejects_path=str(rejects)
    )
    assert dns(write_ldif.path) == ["cn=b"]
    assert len(rejects.read_text().splitlines()) == 1


# Order, duplicates, deletions


def test_parents_go_before_children_and_else_the_order_is_kept(write_ldif):
    names = ["cn=b,ou=x,dc=x", "ou=x, dc=x", "cn=a,ou=x,dc=x", "dc=x", "cn=c\\,d,dc=x"]
    write_ldif([ENTRIES, *(entry(name, cn="x") for name in names)])
    assert dns(write_ldif.path) == [
        "dc=x", "ou=x, dc=x", "cn=c\\,d,dc=x", "cn=b,ou=x,dc=x", "cn=a,ou=x,dc=x",
    ]  # fmt: skip


def test_of_two_entries_with_one_dn_the_last_is_written_with_a_warning(
    write_ldif, caplog
):
    feed = [ENTRIES, entry("cn=a,dc=x", cn="1"), entry("CN=A, dc=x", cn="2")]
    write_ldif(feed)
    assert [one.attributes for one in found(write_ldif.path)] == [{"cn": ["2"]}]
    assert "1 entries came with a DN that came before" in caplog.text
    assert "dn: cn=a,dc=x" in caplog.text


def test_duplicates_are_an_error_if_so_set_and_the_old_file_stays(write_ldif):
    write_ldif([ENTRIES, entry("cn=old", cn="1")])
    feed = [ENTRIES, entry("cn=a,dc=x", cn="1"), entry("CN=A, dc=x", cn="2")]
    with pytest.raises(FlextError, match="1 entries came with a DN"):
        write_ldif(feed, duplicates="error")
    assert dns(write_ldif.path) == ["cn=old"]


def test_a_deleted_entry_is_taken_out_and_in_mode_changes_deleted(write_ldif):
    message = schema("people", "dn", "_sdc_deleted_at", attributes=OBJECT)
    feed = [
        message,
        entry("dc=x", dc="x"),
        entry("cn=a,dc=x", cn="a"),
        entry("cn=b,dc=x", cn="b"),
        record("people", dn="dc=x", _sdc_deleted_at="2024-01-01T00:00:00Z"),
        record("people", dn="CN=a,dc=x", _sdc_deleted_at="2024-01-01T00:00:00Z"),
    ]
    write_ldif(feed)
    assert dns(write_ldif.path) == ["cn=b,dc=x"]
    write_ldif(feed, mode="changes", load_method="overwrite")
    assert [(one.kind, one.dn) for one in found(write_ldif.path)] == [
        ("add", "cn=b,dc=x"), ("delete", "CN=a,dc=x"), ("delete", "dc=x"),
    ]  # fmt: skip


def test_change_records_go_out_as_they_came_in_their_order(write_ldif, tmp_path):
    steps = [{"operation": "replace", "attribute": "sn", "values": ["YQ=="],
              "is_binary": True}]  # fmt: skip
    moved = {"new_rdn": "cn=b", "delete_old_rdn": True, "new_superior": "dc=y"}
    message = schema("changes", "dn", "change_type", "new_rdn", "new_superior",
                     operations={"type": "array"}, controls={"type": "array"},
                     delete_old_rdn={"type": "boolean"})  # fmt: skip
    write_ldif(
        [
            message,
            record("changes", dn="cn=z", change_type="delete", operations=[]),
            record("changes", dn="cn=a", change_type="modify", operations=steps),
            record("changes", dn="cn=a", change_type="modify",
                   operations=json.dumps(steps), controls='[{"oid": "1.2"}]'),
            record("changes", dn="cn=a", change_type="moddn", **moved),
        ],
        tmp_path / "out" / "",
        file_naming_pattern="{stream_name}-new.ldif",
    )  # fmt: skip
    made = found(tmp_path / "out" / "changes-new.ldif")
    assert [one.kind for one in made] == ["delete", "modify", "modify", "moddn"]
    assert made[1].modifications == made[2].modifications
    assert made[1].modifications[0].values == ["a"]
    assert made[2].controls[0].oid == "1.2"
    assert (made[3].new_rdn, made[3].new_superior) == ("cn=b", "dc=y")


def test_changes_and_entries_cannot_share_a_file_of_content(write_ldif):
    with pytest.raises(FlextError, match="cannot stand among entries"):
        write_ldif([ENTRIES, CHANGES])
    write_ldif([ENTRIES, CHANGES, entry("cn=a", cn="a")], mode="changes")
    (one,) = found(write_ldif.path)
    assert isinstance(one, Change)


# Files


def test_each_stream_gets_its_file_in_a_directory_whatever_its_name(
    write_ldif, tmp_path
):
    out = tmp_path / "out"
    out.mkdir()
    feed = []
    for name in ("people", "../x", "a/b.c"):
        feed += [schema(name, "dn", attributes=OBJECT),
                 record(name, dn="cn=a", attributes={"cn": ["a"]})]  # fmt: skip
    write_ldif(feed, out)
    assert sorted(path.name for path in out.iterdir()) == [
        "___x.ldif", "a_b_c.ldif", "people.ldif",
    ]  # fmt: skip
    with pytest.raises(FlextError, match="two streams would write"):
        write_ldif([schema("a.b", "dn", attributes=OBJECT),
                    schema("a/b", "dn", attributes=OBJECT)], out)  # fmt: skip


def test_names_may_hold_the_day_and_the_moment(write_ldif, tmp_path):
    pattern = "{stream_name}-{date}-{timestamp}.ldif"
    write_ldif([ENTRIES, entry("cn=a", cn="a")], tmp_path, file_naming_pattern=pattern)
    (name,) = [path.name for path in tmp_path.iterdir()]
    assert re.fullmatch(r"people-\d{8}-\d{8}T\d{6}Z\.ldif", name)


def test_line_length_and_version_line_are_as_set(write_ldif):
    feed = [ENTRIES, entry("cn=a", cn="x" * 300)]
    write_ldif(feed, line_length=40, version_line=True)
    lines = write_ldif.path.read_bytes().splitlines()
    assert lines[0] == b"version: 1"
    assert max(map(len, lines)) == 40
    write_ldif(feed, line_length=0)
    assert max(map(len, write_ldif.path.read_bytes().splitlines())) == 304


def test_an_unchanged_result_leaves_the_file_alone_and_says_so(write_ldif, caplog):
    feed = [ENTRIES, entry("cn=a", cn="a")]
    write_ldif(feed)
    before = write_ldif.path.stat()
    with caplog.at_level(logging.INFO):
        write_ldif(feed)
    after = write_ldif.path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    points = re.findall(r'\{.*"file_written".*\}', caplog.text)
    point = json.loads(points[-1])
    assert point["tags"]["changed"] is False
    assert point["value"] == 1
    assert list(write_ldif.path.parent.iterdir()) == [write_ldif.path]


def test_the_mode_of_the_old_file_is_kept_and_a_new_one_is_for_its_owner(write_ldif):
    write_ldif([ENTRIES, entry("cn=a", cn="a")])
    assert write_ldif.path.stat().st_mode & 0o777 == 0o600
    write_ldif.path.chmod(0o640)
    write_ldif([ENTRIES, entry("cn=b", cn="b")])
    assert write_ldif.path.stat().st_mode & 0o777 == 0o640


def test_a_link_stays_a_link_to_the_new_content(write_ldif, tmp_path):
    (tmp_path / "real").mkdir()
    write_ldif.path.symlink_to(tmp_path / "real" / "x.ldif")
    write_ldif([ENTRIES, entry("cn=a", cn="a")])
    assert write_ldif.path.is_symlink()
    assert dns(tmp_path / "real" / "x.ldif") == ["cn=a"]


# What was there before


def test_a_whole_stream_replaces_the_file(write_ldif):
    write_ldif([ENTRIES, entry("cn=a", cn="a")])
    write_ldif([ENTRIES, entry("cn=b", cn="b")])
    assert dns(write_ldif.path) == ["cn=b"]


@pytest.mark.parametrize(
    "feed",
    [
        [{**ENTRIES, "bookmark_properties": ["t"]}, entry("cn=b", cn="b")],
        [ENTRIES, entry("cn=b", version=7, cn="b")],
    ],
    ids=["incremental", "a version that is not activated"],
)
def test_a_part_of_a_stream_is_merged_into_the_file(write_ldif, feed):
    write_ldif([ENTRIES, entry("cn=a", cn="a"), entry("cn=b", cn="old")])
    write_ldif(feed)
    assert {one.dn: one.attributes for one in found(write_ldif.path)} == {
        "cn=a": {"cn": ["a"]},
        "cn=b": {"cn": ["b"]},
    }


def test_a_version_that_is_activated_replaces_the_file(write_ldif):
    write_ldif([ENTRIES, entry("cn=a", cn="a")])
    activate = {"type": "ACTIVATE_VERSION", "stream": "people", "version": 7}
    write_ldif([ENTRIES, entry("cn=b", version=7, cn="b"), activate])
    assert dns(write_ldif.path) == ["cn=b"]
    write_ldif([ENTRIES, {**activate, "version": 8}])
    assert dns(write_ldif.path) == []


def test_without_records_the_file_stays_as_it_is(write_ldif, caplog):
    write_ldif([ENTRIES, entry("cn=a", cn="a")])
    with caplog.at_level(logging.INFO):
        write_ldif([ENTRIES])
    assert dns(write_ldif.path) == ["cn=a"]
    assert "stays as it is" in caplog.text


@pytest.mark.parametrize(
    "feed", [[ENTRIES], [ENTRIES, entry("cn=b", version=7, cn="b")]]
)
def test_a_lost_file_is_not_begun_anew_with_what_is_new_alone(
    write_ldif, tmp_path, monkeypatch, feed
):
    folder = tmp_path / ".meltano" / "run" / "tap"
    folder.mkdir(parents=True)
    (folder / "state.json").write_text('{"bookmarks": {"people": {"files": [1]}}}')
    monkeypatch.setenv("MELTANO_EXTRACTOR_NAME", "tap")
    monkeypatch.setenv("MELTANO_PROJECT_ROOT", str(tmp_path))
    with pytest.raises(FlextError, match="does not exist, but the state says"):
        write_ldif(feed)
    assert not write_ldif.path.exists()
    whole = [*feed, {"type": "ACTIVATE_VERSION", "stream": "people", "version": 7}]
    write_ldif(whole)
    assert write_ldif.path.exists()


def test_upsert_keeps_the_place_of_what_is_the_same(write_ldif):
    feed = [ENTRIES, *(entry(f"cn={n}", cn=n) for n in "abc")]
    write_ldif(feed)
    before = write_ldif.path.stat().st_ino
    write_ldif([ENTRIES, entry("cn=b", cn="b")], load_method="upsert")
    assert write_ldif.path.stat().st_ino == before
    write_ldif([ENTRIES, entry("cn=b", cn="new")], load_method="upsert")
    assert dns(write_ldif.path) == ["cn=a", "cn=c", "cn=b"]


def test_append_keeps_the_old_bytes_and_parts_records(write_ldif):
    write_ldif.path.write_bytes(b"# mine\ndn: cn=a\ncn: a\n")
    write_ldif([ENTRIES, entry("cn=b", cn="b")], load_method="append-only")
    assert write_ldif.path.read_bytes() == (
        b"# mine\ndn: cn=a\ncn: a\n\ndn: cn=b\ncn: b\n\n"
    )
    write_ldif([ENTRIES, entry("cn=c", cn="c")], load_method="append-only")
    assert dns(write_ldif.path) == ["cn=a", "cn=b", "cn=c"]


def test_a_broken_old_file_is_not_merged_and_stays(write_ldif):
    write_ldif.path.write_bytes(b"dn: cn=a\nbroken\n")
    with pytest.raises(FlextError, match="cannot be merged") as caught:
        write_ldif([ENTRIES, entry("cn=b", cn="b")], load_method="upsert")
    assert caught.value.where == f"{write_ldif.path}:2"
    assert write_ldif.path.read_bytes() == b"dn: cn=a\nbroken\n"


# Failure


def test_state_waits_for_the_file(write_ldif):
    feed = [ENTRIES]
    for number in range(25_000):
        feed.append(entry(f"cn={number}", cn="x"))
        if number % 1000 == 0:
            feed.append({"type": "STATE", "value": {"n": number}})
    assert write_ldif(feed).states == [{"n": 24_000}]


def test_many_records_go_through_the_disk_in_order(write_ldif, monkeypatch):
    monkeypatch.setattr("flext_ldif.spill.Spill.__init__.__defaults__", (4096,))
    numbers = [*range(3000), *range(0, 3000, 7)]
    feed = [
        ENTRIES,
        *(entry(f"cn={n},ou={n % 3},dc=x", cn=str(i)) for i, n in enumerate(numbers)),
    ]
    feed += [entry(f"ou={n},dc=x", ou="x") for n in range(3)]
    write_ldif(feed)
    made = found(write_ldif.path)
    assert len(made) == 3003
    assert [one.dn for one in made[:3]] == [f"ou={n},dc=x" for n in range(3)]
    last = {n: str(i) for i, n in enumerate(numbers)}
    for one in made[3:]:
        number = int(re.match(r"cn=(\d+)", one.dn)[1])
        assert one.attributes == {"cn": [last[number]]}


def test_a_broken_input_leaves_the_old_file_and_no_draft(write_ldif):
    write_ldif([ENTRIES, entry("cn=a", cn="a")])
    text = singer(ENTRIES, entry("cn=b", cn="b")) + '{"type": "RECORD", "str'
    with pytest.raises(Exception, match="Singer message"):
        write_ldif(text)
    assert dns(write_ldif.path) == ["cn=a"]
    assert list(write_ldif.path.parent.iterdir()) == [write_ldif.path]


def run(config, data, folder, **more):
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    return subprocess.run(
        [*TARGET, "--config", str(path)],
        input=data.encode(), capture_output=True, timeout=60, check=False, **more,
    )  # fmt: skip


def limit_file_size():
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


def test_a_full_disk_is_one_clear_error_and_the_old_file_stays(write_ldif, tmp_path):
    write_ldif([ENTRIES, entry("cn=a", cn="a")])
    feed = [ENTRIES, *(entry(f"cn={n}", cn="x" * 5000) for n in range(100))]
    feed.append({"type": "STATE", "value": {"n": 1}})
    done = run({"output_path": str(write_ldif.path)}, singer(*feed), tmp_path,
               preexec_fn=limit_file_size)  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == b""
    assert b"cannot be written" in done.stderr
    assert b"Traceback" not in done.stderr
    assert dns(write_ldif.path) == ["cn=a"]
    assert not list(tmp_path.glob(".out*"))


def test_a_place_that_cannot_be_written_is_an_error_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    config = {"output_path": str(tmp_path / "file" / "out.ldif")}
    done = run(config, singer(ENTRIES), tmp_path)
    assert done.returncode == 1
    last = done.stderr.decode().splitlines()[-3:]
    assert "cannot be written" in last[0]
    assert last[1].strip().startswith("where:")


def test_a_kill_midway_leaves_the_old_file_and_the_next_run_sweeps(
    write_ldif, tmp_path
):
    write_ldif([ENTRIES, entry("cn=a", cn="a")])
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"output_path": str(write_ldif.path)}))
    feed = singer(ENTRIES, entry("cn=b", cn="b"))
    environment = {**os.environ, "FLEXCORE_FAILPOINT": "target.before_commit:KILL"}
    done = subprocess.run(
        [*TARGET, "--config", str(config)],
        input=feed.encode(), env=environment, capture_output=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == -9
    assert dns(write_ldif.path) == ["cn=a"]
    (left,) = tmp_path.glob(".out.ldif.*")
    os.utime(left, (1, 1))
    write_ldif([ENTRIES, entry("cn=c", cn="c")])
    assert dns(write_ldif.path) == ["cn=c"]
    assert not list(tmp_path.glob(".out.ldif.*"))


def test_entries_are_entries(write_ldif):
    write_ldif([ENTRIES, entry("cn=a", cn="a")])
    assert isinstance(found(write_ldif.path)[0], Entry)

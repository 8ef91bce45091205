import base64
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from flext_singer.errors import FlextError, SettingsError, TooManyErrorsError

TAP = [sys.executable, "-m", "flext_ldif.tap"]
ZOE = "cn=Zoë,ou=People,dc=x"
PEOPLE = """\
version: 1

dn: dc=x
objectClass: top
objectClass: domain
dc: x

dn: ou=People,dc=x
objectClass: organizationalUnit
ou: People

dn: cn=Zoë,ou=People,dc=x
objectClass: person
objectClass: inetOrgPerson
cn: Zoë
sn;lang-de: b
jpegPhoto:: /9g=
userPassword:: e1NTSEF9
description:: AGE=

dn: cn=Zoë,ou=People,dc=x
control: 1.2.3 true:: /w==
changetype: modify
replace: sn
sn: c
-
delete: jpegPhoto
jpegPhoto:: /9g=
-

dn: cn=Zoë,ou=People,dc=x
changetype: modrdn
newrdn: cn=Zo
deleteoldrdn: 1
newsuperior: dc=x

dn: cn=new,dc=x
changetype: add
objectClass: person
cn: new
"""


@pytest.fixture
def people(tmp_path):
    path = tmp_path / "people.ldif"
    path.write_text(PEOPLE, "utf-8")
    return path


def test_an_entry_becomes_a_record_with_its_place_and_its_values_as_written(
    people, read_ldif
):
    record = read_ldif(people).records()[2]
    assert record == {
        "source_file": str(people),
        "line_number": 12,
        "dn": "cn=Zoë,ou=People,dc=x",
        "object_class": ["person", "inetOrgPerson"],
        "attributes": {
            "objectClass": ["person", "inetOrgPerson"],
            "cn": ["Zoë"],
            "sn;lang-de": ["b"],
            "jpegPhoto": ["/9g="],
            "userPassword": ["{SSHA}"],
            "description": ["AGE="],
        },
        "change_type": None,
        "entry_size": 157,
        "dn_normalised": "cn=zoë,ou=people,dc=x",
        "parent_dn": "ou=People,dc=x",
        "rdn": "cn=Zoë",
        "depth": 3,
        "binary_attributes": ["jpegPhoto", "description"],
    }


def test_every_change_record_goes_to_the_changes_and_none_to_the_entries(
    people, read_ldif
):
    output = read_ldif(people)
    assert output.dns() == ["dc=x", "ou=People,dc=x", "cn=Zoë,ou=People,dc=x"]
    modify, rename, add = output.records("ldif_changes")
    assert modify == {
        "source_file": str(people),
        "line_number": 21,
        "dn": "cn=Zoë,ou=People,dc=x",
        "change_type": "modify",
        "operations": [
            {
                "operation": "replace",
                "attribute": "sn",
                "values": ["c"],
                "is_binary": False,
            },
            {
                "operation": "delete",
                "attribute": "jpegPhoto",
                "values": ["/9g="],
                "is_binary": True,
            },
        ],
        "new_rdn": None,
        "delete_old_rdn": None,
        "new_superior": None,
        "controls": [
            {"oid": "1.2.3", "criticality": True, "value": "/w==", "is_binary": True}
        ],
    }
    assert rename["change_type"] == "modrdn"
    assert (rename["new_rdn"], rename["delete_old_rdn"]) == ("cn=Zo", True)
    assert rename["new_superior"] == "dc=x"
    assert add["change_type"] == "add"
    assert [one["attribute"] for one in add["operations"]] == ["objectClass", "cn"]


def test_one_value_of_bytes_makes_all_values_of_its_attribute_base64(
    tmp_path, read_ldif
):
    path = tmp_path / "a.ldif"
    path.write_bytes(b"dn: dc=x\nfoo: text\nfoo:: /w==\nbar: text\n")
    (record,) = read_ldif(path).records()
    assert record["binary_attributes"] == ["foo"]
    assert record["attributes"] == {
        "foo": [base64.b64encode(b"text").decode(), "/w=="],
        "bar": ["text"],
    }


def test_an_attribute_that_is_binary_by_its_name_is_base64_even_if_it_is_text(
    tmp_path, read_ldif
):
    path = tmp_path / "a.ldif"
    path.write_bytes(b"dn: dc=x\nJPEGPHOTO;x-a: text\nfoo;binary: t\nmine: t\n")
    (record,) = read_ldif(path).records()
    assert record["binary_attributes"] == ["JPEGPHOTO;x-a", "foo;binary"]
    (record,) = read_ldif(path, binary_attributes=["mine"]).records()
    assert record["binary_attributes"] == ["foo;binary", "mine"]


@pytest.mark.parametrize(
    ("settings", "dns"),
    [
        ({"base_dn_filter": "OU=people, DC=X"}, ["ou=People,dc=x", ZOE]),
        ({"object_class_filter": ["INETORGPERSON", "domain"]}, ["dc=x", ZOE]),
        ({"object_class_filter": ["nothing"]}, []),
    ],
)  # fmt: skip
def test_filters_choose_entries(people, read_ldif, settings, dns):
    assert read_ldif(people, **settings).dns() == dns


def test_the_base_dn_chooses_changes_too(people, read_ldif):
    output = read_ldif(people, base_dn_filter="ou=people,dc=x")
    assert len(output.dns("ldif_changes")) == 2


def test_attribute_settings_hold_for_entries_and_for_changes(people, read_ldif):
    output = read_ldif(people, exclude_attributes=["USERPASSWORD", "sn", "jpegPhoto"])
    assert list(output.records()[2]["attributes"]) == [
        "objectClass",
        "cn",
        "description",
    ]
    assert output.records("ldif_changes")[0]["operations"] == []
    output = read_ldif(people, attribute_filter=["CN"])
    assert output.records()[2]["attributes"] == {"cn": ["Zoë"]}
    assert output.records()[2]["object_class"] == ["person", "inetOrgPerson"]


def test_a_broken_entry_ends_the_run_with_file_line_reason_and_dn(people, read_ldif):
    people.write_text(PEOPLE.replace("cn: Zoë", "cn:: !"), "utf-8")
    with pytest.raises(TooManyErrorsError) as caught:
        read_ldif(people)
    assert f"{people}:15, dn: cn=Zoë,ou=People,dc=x" in caught.value.where
    assert "base64" in caught.value.what
    assert caught.value.output.dns() == ["dc=x", "ou=People,dc=x"]


def test_within_max_errors_a_broken_entry_goes_to_the_rejects_and_the_rest_is_read(
    people, read_ldif, tmp_path
):
    people.write_text(PEOPLE.replace("ou: People", "ou People"), "utf-8")
    rejects = tmp_path / "rejects.jsonl"
    output = read_ldif(people, max_errors=1, rejects_path=str(rejects))
    assert output.dns() == ["dc=x", "cn=Zoë,ou=People,dc=x"]
    (line,) = rejects.read_text().splitlines()
    rejected = json.loads(line)
    assert rejected["stream"] == "ldif_entries"
    assert f"{people}:10" in rejected["where"]
    assert "ou People" in rejected["record"]["text"]
    assert output.activated() == []


def test_a_broken_change_counts_once_and_with_the_changes(people, read_ldif, tmp_path):
    people.write_text(PEOPLE.replace("replace: sn", "frob: sn"), "utf-8")
    rejects = tmp_path / "rejects.jsonl"
    read_ldif(people, max_errors=1, rejects_path=str(rejects))
    (line,) = rejects.read_text().splitlines()
    assert json.loads(line)["stream"] == "ldif_changes"


def test_an_url_is_refused_by_default_and_read_below_its_folder(tmp_path, read_ldif):
    path = tmp_path / "a.ldif"
    path.write_text("dn: dc=x\njpegPhoto:< file:photo\n")
    (tmp_path / "photo").write_bytes(b"\xff\xd8")
    with pytest.raises(TooManyErrorsError, match="url_base_dir"):
        read_ldif(path)
    (record,) = read_ldif(path, url_base_dir=str(tmp_path)).records()
    assert record["attributes"] == {"jpegPhoto": ["/9g="]}


def test_directories_globs_lists_and_aliases_find_the_files(tmp_path, read_ldif):
    for name in ("b.ldif", "a.ldif", "c.txt", "sub/d.ldif"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"dn: cn={path.stem}\ncn: x\n")
    with gzip.open(tmp_path / "e.ldif.gz", "wt") as packed:
        packed.write("dn: cn=e\ncn: x\n")
    assert read_ldif(tmp_path).dns() == ["cn=a", "cn=b", "cn=e"]
    assert read_ldif(f"{tmp_path}/[bc].*").dns() == ["cn=b", "cn=c"]
    assert read_ldif(tmp_path, file_pattern="**/*.ldif").dns() == [
        "cn=a", "cn=b", "cn=e", "cn=d",
    ]  # fmt: skip
    twice = [f"{tmp_path}/b.ldif", f"{tmp_path}/*.ldif"]
    assert read_ldif(twice).dns() == ["cn=b", "cn=a"]
    assert read_ldif([], file_path=f"{tmp_path}/c.txt").dns() == ["cn=c"]
    found = read_ldif([], directory_path=str(tmp_path), file_pattern="*.txt")
    assert found.dns() == ["cn=c"]
    sources = [record["source_file"] for record in read_ldif(tmp_path).records()]
    assert sources == [
        f"{tmp_path}/{name}" for name in ("a.ldif", "b.ldif", "e.ldif.gz")
    ]


@pytest.mark.parametrize(
    ("path", "what"),
    [
        ("missing.ldif", "does not exist"),
        ("*.nothing", "no file matches"),
        ("empty", "no file in"),
    ],
)
def test_what_is_not_there_is_an_error_that_names_it(tmp_path, read_ldif, path, what):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FlextError, match=what) as caught:
        read_ldif(tmp_path / path)
    assert str(tmp_path) in caught.value.what
    assert caught.value.fix


PACKED = gzip.compress(PEOPLE.encode() * 100)


@pytest.mark.parametrize(
    "data",
    [
        PACKED[: len(PACKED) // 2],
        PACKED[:10] + b"\xff" * 8 + PACKED[18:],
        PACKED[:-6] + b"\0\0" + PACKED[-4:],
        PACKED + b"more",
        PEOPLE.encode("utf-16")[:-1],
    ],
    ids=["cut", "bad deflate", "bad checksum", "other bytes after it", "half UTF-16"],
)
def test_a_file_that_is_damaged_is_an_error(tmp_path, read_ldif, data):
    path = tmp_path / "a.ldif.gz"
    path.write_bytes(data)
    with pytest.raises(FlextError, match="cannot be read to its end"):
        read_ldif(path)


@pytest.mark.parametrize(
    "settings", [{}, {"path": "x", "dialect": "frob"},
                 {"path": "x", "base_dn_filter": "frob"},
                 {"path": "x", "url_base_dir": "/nowhere"}]
)  # fmt: skip
def test_wrong_settings_are_named(read_ldif, settings):
    with pytest.raises(SettingsError):
        read_ldif(settings.pop("path", []), **settings)


def test_both_streams_read_the_standard_input(tmp_path):
    config = tmp_path / "config.json"
    config.write_text('{"path": "-"}')
    done = subprocess.run(
        [*TAP, "--config", str(config)],
        input=PEOPLE.encode(),
        capture_output=True,
        timeout=60,
        check=True,
    )
    streams = [
        json.loads(line)["stream"]
        for line in done.stdout.splitlines()
        if b'"RECORD"' in line
    ]
    assert streams == ["ldif_entries"] * 3 + ["ldif_changes"] * 3


def test_both_streams_read_a_pipe_that_has_a_name(tmp_path):
    """As a shell makes one of `<(zcat people.ldif.gz)`."""
    config = tmp_path / "config.json"
    reader, writer = os.pipe()
    config.write_text(json.dumps({"path": f"/dev/fd/{reader}"}))
    os.write(writer, PEOPLE.encode())
    os.close(writer)
    done = subprocess.run(
        [*TAP, "--config", str(config)],
        pass_fds=[reader],
        capture_output=True,
        timeout=60,
        check=True,
    )
    os.close(reader)
    streams = [
        json.loads(line)["stream"]
        for line in done.stdout.splitlines()
        if b'"RECORD"' in line
    ]
    assert streams == ["ldif_entries"] * 3 + ["ldif_changes"] * 3


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_directory_is_an_error(tmp_path, read_ldif):
    folder = tmp_path / "closed"
    folder.mkdir(mode=0)
    with pytest.raises(FlextError, match="cannot be read"):
        read_ldif(folder)


def test_a_command_that_fails_says_so_in_three_parts(tmp_path):
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"path": str(tmp_path / "missing.ldif")}))
    done = subprocess.run(
        [*TAP, "--config", str(config)], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 1
    lines = done.stderr.decode().splitlines()[-3:]
    assert lines[0].startswith("flext-tap-ldif: error: ")
    assert [line.split(":")[0].strip() for line in lines[1:]] == ["where", "fix"]
    assert b"Traceback" not in done.stderr


def test_stream_maps_leave_attributes_whole(people, read_ldif):
    maps = {"ldif_entries": {"dn": "dn.upper()"}}
    record = read_ldif(people, stream_maps=maps).records()[1]
    assert record["dn"] == "OU=PEOPLE,DC=X"
    assert record["attributes"] == {
        "objectClass": ["organizationalUnit"],
        "ou": ["People"],
    }


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("cut", [0, 5])
def test_several_processes_read_what_one_reads(
    tmp_path, read_ldif, monkeypatch, line_end, cut
):
    monkeypatch.setattr("flext_ldif.extraction.RANGE_BYTES", 20_000)
    path = tmp_path / "big.ldif"
    text = "version: 1\n\n# comment\n" + "".join(
        f"dn: cn={i},dc=x\ncn: {i}\nsn: {'é' * (i % 300)}\n" + "\n" * (1 + i % 3)
        + ("broken\n\n" if i % 700 == 0 else "")
        + (f"dn: cn={i},dc=x\nchangetype: delete\n\n" if i % 250 == 0 else "")
        for i in range(3000)
    )  # fmt: skip
    data = text.replace("\n", line_end).encode()
    path.write_bytes(data[: len(data) - cut])
    alone = read_ldif(path, max_errors=100, parallel_jobs=1)
    shared = read_ldif(path, max_errors=100, parallel_jobs=3, parallel_bytes=1)
    for stream in ("ldif_entries", "ldif_changes"):
        assert alone.records(stream) == shared.records(stream)
        assert alone.records(stream)
        marks = [one.state["bookmarks"][stream]["files"] for one in (alone, shared)]
        assert marks[0] == marks[1]


def test_the_line_number_is_the_line_of_the_dn(people, read_ldif):
    lines = people.read_text("utf-8").splitlines()
    for record in read_ldif(people).records():
        assert lines[record["line_number"] - 1] == f"dn: {record['dn']}"


def test_samples_of_both_streams_are_named_in_the_catalog(people):
    config = people.parent / "config.json"
    config.write_text(json.dumps({"path": str(people)}))
    done = subprocess.run(
        [*TAP, "--config", str(config), "--discover"],
        capture_output=True,
        timeout=60,
        check=True,
    )
    streams = json.loads(done.stdout)["streams"]
    assert [one["tap_stream_id"] for one in streams] == ["ldif_entries", "ldif_changes"]
    for one in streams:
        assert one["key_properties"] == ["source_file", "line_number"]
    assert Path(config).exists()


def test_worker_processes_end_with_the_tap_that_is_killed(tmp_path):
    path = tmp_path / "big.ldif"
    path.write_text("".join(f"dn: cn={i},dc=x\ncn: {i}\n\n" for i in range(200_000)))
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"path": str(path), "parallel_bytes": 1}))
    with subprocess.Popen(
        [*TAP, "--config", str(config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as tap:
        # Nobody reads on: the tap stands still with its workers at hand.
        for line in tap.stdout:
            if b'"RECORD"' in line:
                break
        workers = psutil.Process(tap.pid).children()
        assert len(workers) == 2
        tap.kill()
        _, alive = psutil.wait_procs(workers, timeout=10)
        assert alive == []

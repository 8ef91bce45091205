"""Odd LDIF, case by case: what RFC 2849 says and what real servers write.

torture.json holds the cases: text (or base64) of a file, whether the strict and
the tolerant dialect read it, and its records: [kind, dn, ...].
"""

import base64
import io
import json
from pathlib import Path

import pytest
from flext_ldif.dialects import DIALECTS
from flext_ldif.entries import Change, Entry, Refusal
from flext_ldif.reader import read

CASES = json.loads(Path(__file__).with_name("torture.json").read_text("utf-8"))


def plain(value):
    """Return a value as the cases write it: bytes that are no text as base64."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"b64": base64.b64encode(value).decode()}
    return value


def shape(record):
    if isinstance(record, Entry):
        values = {n: [plain(v) for v in vs] for n, vs in record.attributes.items()}
        return ["content", record.dn, values]
    assert isinstance(record, Change)
    steps = [
        [s.operation, s.attribute, [plain(v) for v in s.values]]
        for s in record.modifications
    ]
    if record.kind == "add":
        return ["add", record.dn, {name: values for _, name, values in steps}]
    if record.kind == "modify":
        return ["modify", record.dn, steps]
    if record.kind == "delete":
        return ["delete", record.dn]
    assert record.kind in ("modrdn", "moddn")
    return [
        "moddn",
        record.dn,
        record.new_rdn,
        record.delete_old_rdn,
        record.new_superior,
    ]


def data_of(case):
    if "text" in case:
        return case["text"].encode()
    return base64.b64decode(case["base64"])


@pytest.mark.parametrize("chunk_bytes", [1 << 20, 7], ids=["whole", "in pieces"])
@pytest.mark.parametrize("dialect", ["tolerant", "strict"])
@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_it_is_read_or_refused_as_the_case_says(case, dialect, chunk_bytes):
    source = io.BytesIO(data_of(case))
    leniencies = DIALECTS["tolerant" if dialect == "tolerant" else "rfc2849"]
    found = list(
        read(lambda size: source.read(min(size, chunk_bytes)), leniencies=leniencies)
    )
    refused = [one for one in found if isinstance(one, Refusal)]
    if case[dialect] == "bad":
        assert refused
        assert all(one.line > 0 and one.reason for one in refused)
    else:
        assert not refused
        if case["records"] is not None:
            assert [shape(one) for one in found] == case["records"]


def test_a_value_of_a_mebibyte_folded_over_18000_lines_is_whole():
    data = bytes(range(256)) * 4096
    encoded = base64.b64encode(data)
    folded = b"\n ".join(
        encoded[start : start + 76] for start in range(0, len(encoded), 76)
    )
    text = b"dn: cn=a,dc=x\ncn: a\njpegPhoto:: " + folded + b"\n"
    (entry,) = read(io.BytesIO(text).read)
    assert entry.attributes["jpegPhoto"] == [data]
    assert entry.size == len(text)


def test_two_thousand_small_changes_keep_their_order():
    text = "".join(f"dn: cn={i},dc=x\nchangetype: delete\n\n" for i in range(2000))
    found = list(read(io.BytesIO(text.encode()).read))
    assert [one.dn for one in found] == [f"cn={i},dc=x" for i in range(2000)]
    assert [one.line for one in found] == [1 + 3 * i for i in range(2000)]


def test_base64_of_a_nul_or_of_no_text_is_bytes_and_of_text_is_text():
    text = b"dn: cn=a,dc=x\na:: YQBi\nb:: /w==\nc:: YWI=\nd;binary:: YWI=\n"
    (entry,) = read(io.BytesIO(text).read)
    assert entry.attributes == {
        "a": [b"a\0b"],
        "b": [b"\xff"],
        "c": ["ab"],
        "d;binary": [b"ab"],
    }
    assert entry.has_bytes


def test_a_broken_record_names_its_line_and_dn_and_leaves_its_neighbours_alone():
    text = """\
version: 1

# first
dn: cn=a,dc=x
cn: a

# second
dn: cn=b,
 dc=x
cn: b
 b
sn:: !!!

dn: cn=c,dc=x
cn: c
"""
    first, broken, third = read(io.BytesIO(text.encode()).read)
    assert (first.dn, first.line) == ("cn=a,dc=x", 4)
    assert (third.dn, third.line) == ("cn=c,dc=x", 14)
    assert (broken.line, broken.dn) == (12, "cn=b,dc=x")
    assert "base64" in broken.reason
    assert "sn:: !!!" in broken.text


def test_a_record_longer_than_the_limit_is_refused_and_its_neighbours_are_read():
    text = b"dn: cn=a,dc=x\ncn: a\n\ndn: cn=b,dc=x\ncn: %s\n\ndn: cn=c,dc=x\ncn: c\n"
    source = io.BytesIO(text % (b"b" * 100_000))
    found = list(read(lambda size: source.read(min(size, 64)), max_entry_bytes=1000))
    assert [type(one).__name__ for one in found] == ["Entry", "Refusal", "Entry"]
    assert [one.line for one in found] == [1, 4, 7]
    assert "too long" in found[1].reason


@pytest.mark.parametrize("name", ["openldap", "389ds", "active_directory", "oracle"])
def test_each_dialect_reads_what_its_server_writes_without_a_version(name):
    text = b"dn: cn=a,dc=x\ncn: a\nmy_attr: b\n\n# end\nsearch: 2\nresult: 0\n"
    (entry,) = read(io.BytesIO(text).read, leniencies=DIALECTS[name])
    assert entry.attributes == {"cn": ["a"], "my_attr": ["b"]}


def test_a_dialect_refuses_raw_utf8_that_its_server_never_writes():
    text = "dn: cn=a,dc=x\ncn: Zoë\n".encode()
    (found,) = read(io.BytesIO(text).read, leniencies=DIALECTS["openldap"])
    assert isinstance(found, Refusal)
    assert "not ASCII" in found.reason

"""Files that others wrote, against what several parsers agreed is in them."""

import base64
import collections
import hashlib
import json
import os
from pathlib import Path

import pytest
from flext_ldif.entries import Change, Entry, Refusal
from flext_ldif.reader import read

ROOT = Path(__file__).parents[3]
SHARED = Path(os.environ.get("FLEXCORE_SHARED") or ROOT.parent / "shared")
CORPUS = SHARED / "corpora" / "ldif"
EXPECTED = (
    json.loads((CORPUS / "expected.json").read_text("utf-8"))["files"]
    if CORPUS.is_dir()
    else {}
)
pytestmark = pytest.mark.skipif(
    not EXPECTED,
    reason=f"no corpus at {CORPUS}; name the shared folder in FLEXCORE_SHARED",
)


def as_bytes(value):
    return value if isinstance(value, bytes) else value.encode()


def attributes_of(record):
    if isinstance(record, Entry):
        return "content", record.attributes
    if isinstance(record, Change) and record.kind == "add":
        return "add", {s.attribute: s.values for s in record.modifications}
    return record.kind.replace("modrdn", "moddn"), None


def digest(records):
    """Return the corpus' own digest: expected.json, _about.digest."""
    total = hashlib.sha256()
    for record in records:
        kind, attributes = attributes_of(record)
        if attributes is None:
            continue
        merged = collections.defaultdict(list)
        for name, values in attributes.items():
            merged[name.lower()] += [
                base64.b64encode(as_bytes(value)).decode() for value in values
            ]
        rows = [[name, merged[name]] for name in sorted(merged)]
        total.update(json.dumps([kind, record.dn, rows]).encode() + b"\n")
    return total.hexdigest()[:16]


@pytest.mark.parametrize("name", EXPECTED or ["none"])
def test_a_file_is_read_as_other_parsers_read_it_or_refused(name):
    expected = EXPECTED[name]
    with (CORPUS / name).open("rb", buffering=0) as file:
        found = list(read(file.read))
    refused = [one for one in found if isinstance(one, Refusal)]
    if expected["verdict"] in ("refuse", "policy-url"):
        assert refused
    elif expected["verdict"] == "accept":
        assert not refused
    if refused:
        assert all(one.line and one.reason for one in refused)
    elif expected["records"] is not None:
        kinds = collections.Counter(attributes_of(one)[0] for one in found)
        assert dict(kinds) == expected["records"]
        if expected["digest"]:
            assert digest(found) == expected["digest"]


@pytest.mark.parametrize("name", EXPECTED or ["none"])
def test_line_numbers_and_sizes_point_at_the_record_in_the_file(name):
    data = (CORPUS / name).read_bytes()
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        pytest.skip("UTF-16: sizes are those of the UTF-8 text")
    lines = data.removeprefix(b"\xef\xbb\xbf").splitlines(keepends=True)
    with (CORPUS / name).open("rb", buffering=0) as file:
        for record in read(file.read):
            if isinstance(record, Refusal):
                continue
            assert lines[record.line - 1][:3].lower() == b"dn:"
            size, end = 0, record.line - 1
            while size < record.size:
                size += len(lines[end])
                end += 1
            assert size == record.size
            assert end == len(lines) or not lines[end].strip(b"\r\n")

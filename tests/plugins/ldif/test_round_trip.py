"""Tap to target to tap, and what real LDAP tools make of the output."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from flext_ldif.dn import escape
from flext_ldif.record_parser import as_value
from flext_ldif.writer import LdifWriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from servers import slapd as slapd_server

SAMPLES = Path(__file__).parents[2] / "samples" / "ldif"
BIN = Path(sys.executable).parent

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.one_of(TEXT.map(str.encode), st.binary()).map(as_value)
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,8}(;[a-z0-9-]{1,6})?", fullmatch=True)
NAMES = NAMES.filter(
    lambda name: (
        name.lower() not in {"dn", "changetype", "control", "version"}
        # Without its object class an entry gets what `object_class` says.
        and name.lower() != "objectclass"
    )
)
DNS = st.lists(
    st.tuples(st.sampled_from(["cn", "OU", "dc"]), TEXT.filter(bool)), max_size=4
).map(lambda pairs: ",".join(f"{kind}={escape(value)}" for kind, value in pairs))
ENTRIES = st.lists(
    st.tuples(
        DNS | TEXT.filter(lambda text: "\0" not in text),
        st.dictionaries(NAMES, st.lists(VALUES, min_size=1, max_size=3), max_size=4),
    ),
    max_size=5,
    unique_by=lambda pair: pair[0],
)


def without_place(records, *more):
    """Return what a record says of the entry itself, whatever its place."""
    dropped = ("source_file", "line_number", "entry_size", *more)
    plain = [
        {name: value for name, value in record.items() if name not in dropped}
        for record in records
    ]
    return sorted(plain, key=lambda record: json.dumps(record, sort_keys=True))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ENTRIES)
def test_any_entries_come_back_through_tap_and_target(
    tmp_path, read_ldif, write_ldif, entries
):
    one, other = tmp_path / "one.ldif", tmp_path / "other.ldif"
    other.unlink(missing_ok=True)
    one.write_bytes(b"".join(LdifWriter().entry(*pair) for pair in entries))
    first = read_ldif(one)
    stream = [m for m in first.messages if m.get("stream") == "ldif_entries"]
    write_ldif(stream, other, load_method="overwrite")
    last = {record["dn_normalised"]: record for record in first.records()}
    assert without_place(read_ldif(other).records()) == without_place(last.values())


def test_changes_come_back_through_tap_and_target(tmp_path, read_ldif, write_ldif):
    first = read_ldif(SAMPLES / "changes.ldif")
    out = tmp_path / "out"
    write_ldif(first.messages, f"{out}/")
    dropped = ("source_file", "line_number")
    both = [
        [
            {name: value for name, value in record.items() if name not in dropped}
            for record in read_ldif(path).records("ldif_changes")
        ]
        for path in (SAMPLES / "changes.ldif", out / "ldif_changes.ldif")
    ]
    assert both[0]
    assert both[0] == both[1]


@pytest.mark.parametrize("kind", ["arrow", "parquet", "jsonl"])
def test_entries_come_back_through_batch_files(tmp_path, read_ldif, write_ldif, kind):
    batch = {"encoding": {"format": kind}, "storage": {"root": str(tmp_path / "b")}}
    output = read_ldif(SAMPLES, batch_config=batch)
    assert output.of("BATCH")
    assert not output.of("RECORD")
    out = tmp_path / "out"
    write_ldif(output.messages, f"{out}/")
    for stream in ("ldif_entries", "ldif_changes"):
        sources = [SAMPLES / name for name in ("people.ldif", "update.ldif")]
        if stream == "ldif_changes":
            sources = [SAMPLES / "changes.ldif"]
        before = read_ldif([str(path) for path in sources]).records(stream)
        after = read_ldif(out / f"{stream}.ldif").records(stream)
        last = {json.dumps(r.get("dn_normalised", i)): r for i, r in enumerate(before)}
        assert without_place(after) == without_place(last.values())


@pytest.fixture
def exported(tmp_path, read_ldif, write_ldif):
    """The sample people as the target writes them."""
    stream = [
        message
        for message in read_ldif(SAMPLES / "company" / "directory.ldif").messages
        if message.get("stream") == "ldif_entries"
    ]
    write_ldif(stream, tmp_path / "out.ldif")
    return tmp_path / "out.ldif"


@pytest.mark.servers
def test_slapadd_loads_the_output_and_slapcat_gives_the_same_entries(
    tmp_path, exported, read_ldif
):
    if slapd_server.SLAPD is None:
        pytest.skip(slapd_server.MISSING)
    server = slapd_server.Slapd(tmp_path / "slapd")
    server.load(exported.read_text())
    dumped = tmp_path / "dumped.ldif"
    command = ["/usr/sbin/slapcat", "-f", server.conf, "-b", slapd_server.SUFFIX]
    done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    dumped.write_bytes(done.stdout)
    operational = {"structuralObjectClass", "entryUUID", "creatorsName", "entryCSN",
                   "createTimestamp", "modifiersName", "modifyTimestamp",
                   "contextCSN"}  # fmt: skip
    records = read_ldif(dumped, exclude_attributes=sorted(operational)).records()
    # slapd spells DNs its own way (\\2C for an escaped comma).
    spelt = ("dn", "rdn", "parent_dn")
    assert len(records) == 62
    assert without_place(records, *spelt) == without_place(
        read_ldif(exported).records(), *spelt
    )


@pytest.mark.servers
@pytest.mark.parametrize("mode", ["content", "changes"])
def test_ldapmodify_takes_the_output_of_either_mode(
    tmp_path, exported, read_ldif, write_ldif, mode
):
    if shutil.which("ldapmodify") is None:
        pytest.skip(slapd_server.MISSING)
    out = tmp_path / "mode.ldif"
    stream = [
        message
        for message in read_ldif(exported).messages
        if message.get("stream") == "ldif_entries"
    ]
    write_ldif(stream, out, mode=mode, version_line=True)
    done = subprocess.run(
        ["ldapmodify", "-a", "-n", "-v", "-f", str(out)],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    count = len(read_ldif(exported).records())
    assert done.stdout.count(b"!adding new entry") == count


def test_real_commands_over_a_pipe_give_the_same_file_twice(tmp_path):
    for name, config in (
        ("tap", {"path": str(SAMPLES / "people.ldif")}),
        ("target", {"output_path": str(tmp_path / "out.ldif")}),
    ):
        (tmp_path / f"{name}.json").write_text(json.dumps(config))
    maps = {"ldif_changes": None}
    (tmp_path / "tap.json").write_text(
        json.dumps({"path": str(SAMPLES / "people.ldif"), "stream_maps": maps})
    )
    contents = []
    for _ in range(2):
        tap = subprocess.run(
            [BIN / "flext-tap-ldif", "--config", tmp_path / "tap.json"],
            capture_output=True, timeout=60, check=True,
        )  # fmt: skip
        subprocess.run(
            [BIN / "flext-target-ldif", "--config", tmp_path / "target.json"],
            input=tap.stdout, capture_output=True, timeout=60, check=True,
        )  # fmt: skip
        contents.append((tmp_path / "out.ldif").read_bytes())
    assert contents[0] == contents[1]
    assert contents[0].count(b"\ndn:") == 10

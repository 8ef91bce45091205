"""What flext-ldap and flext-ldif each hold for themselves must stay the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from flext_ldap import attribute_types
from flext_ldap import dn as ldap_dn
from flext_ldif import dn as ldif_dn
from flext_ldif.record_shapes import BINARY_ATTRIBUTES
from hypothesis import example, given
from hypothesis import strategies as st
from servers import slapd as slapd_server

texts = st.text(alphabet='cnouDC=,+; \\"#<>0aAÉé\x00', max_size=40)
values = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=15)


def outcome(function, *arguments):
    try:
        return function(*arguments)
    except ValueError as error:
        return type(error).__name__


@given(texts)
@example("cn=a\\,b+ou=X , DC=y")
@example('cn="a;b";dc=x')
@example("cn=#616263,dc=x")
@example("CN=Foo  Bar,DC=Example")
@example("cn=\\ lead,dc=x")
def test_both_copies_read_a_dn_alike(text):
    for name in ("parse", "normalise", "parent", "split"):
        ours, theirs = getattr(ldap_dn, name), getattr(ldif_dn, name)
        assert outcome(ours, text) == outcome(theirs, text), name


@given(values, texts)
def test_both_copies_write_and_compare_dns_alike(value, base):
    assert ldap_dn.escape(value) == ldif_dn.escape(value)
    child = f"cn={ldap_dn.escape(value)},{base}"
    ours = outcome(ldap_dn.is_under, child, base)
    assert ours == outcome(ldif_dn.is_under, child, base)


def test_both_take_the_same_attributes_for_binary():
    assert {name.lower() for name in BINARY_ATTRIBUTES} == attribute_types.BINARY_NAMES


@pytest.mark.servers
def test_an_entry_makes_the_same_record_from_directory_and_file(tmp_path):
    """What slapcat writes and what a search brings, through both taps."""
    if slapd_server.SLAPD is None:
        pytest.skip(slapd_server.MISSING)
    people = slapd_server.PEOPLE
    ldif = slapd_server.BASE_LDIF + (
        f"dn: uid=a\\2Cb,{people}\nobjectClass: inetOrgPerson\nuid: a,b\ncn: Zoë\n"
        "cn;lang-fr: x\nsn:: IGE=\njpegPhoto:: //8A/g==\n"
        f"description:: {'w6k='}\nmanager: uid=B,{people}\n\n"
        f"dn: UID=Upper Case,{people}\nobjectClass: inetOrgPerson\nuid: Upper Case\n"
        "cn: x\nsn: y\n\n"
    )
    server = slapd_server.Slapd(tmp_path / "slapd")
    server.load(ldif)
    columns = (
        "dn",
        "dn_normalised",
        "parent_dn",
        "rdn",
        "depth",
        "object_class",
        "attributes",
        "binary_attributes",
    )
    with server:
        export = server.ldapsearch("-b", people, "(objectClass=inetOrgPerson)")
        from_directory = run("flext-tap-ldap", server.config, tmp_path, "users")
    (tmp_path / "export.ldif").write_text(export)
    settings = {"path": str(tmp_path / "export.ldif")}
    from_file = run("flext-tap-ldif", settings, tmp_path, "ldif_entries")
    picked = [
        sorted(
            ({name: record[name] for name in columns} for record in records),
            key=lambda record: record["dn"],
        )
        for records in (from_directory, from_file)
    ]
    assert len(picked[0]) == 2
    assert picked[0] == picked[1]


def run(command, settings, folder, stream):
    path = folder / f"{command}.json"
    path.write_text(json.dumps(settings))
    done = subprocess.run(
        [Path(sys.executable).parent / command, "--config", path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    messages = map(json.loads, done.stdout.splitlines())
    return [
        message["record"]
        for message in messages
        if message["type"] == "RECORD" and message["stream"] == stream
    ]

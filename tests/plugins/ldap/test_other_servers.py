"""The ways of Active Directory and 389-DS, played by a fake (see its text)."""

from __future__ import annotations

import uuid
from base64 import b64encode

import pytest
from fakes.directory_server import FakeDirectory, FakeEntry
from flext_ldap import server_kind
from flext_ldap.server_kind import DIR_SYNC, SYNC_REQUEST, ServerKind
from servers.ldap_commands import run_tap

BASE = "dc=ex,dc=test"
USERS = {"users"}


def guid(number):
    return uuid.UUID(int=number << 64 | 7).bytes_le


def text(number):
    return str(uuid.UUID(int=number << 64 | 7))


def ad_user(number, usn, **more):
    return FakeEntry(
        f"CN=u{number},{BASE}",
        {
            "objectClass": [b"top", b"user"],
            "objectCategory": [b"person"],
            "objectGUID": [guid(number)],
            "cn": [b"u%d" % number],
            "uSNChanged": [b"%d" % usn],
            "whenChanged": [b"20261123030624.0Z"],
            **more,
        },
    )


@pytest.fixture
def domain():
    root = {
        "supportedCapabilities": [b"1.2.840.113556.1.4.800"],
        "supportedControl": [DIR_SYNC.encode()],
        "namingContexts": [BASE.encode()],
        "defaultNamingContext": [BASE.encode()],
        "dsServiceName": [b"CN=NTDS,CN=DC1"],
        "highestCommittedUSN": [b"100"],
    }
    controller = FakeEntry(
        "CN=NTDS,CN=DC1", {"objectClass": [b"x"], "invocationId": [b"i1"]}
    )
    naming = FakeEntry(BASE, {"objectClass": [b"domain"], "objectGUID": [guid(999)]})
    entries = [controller, naming, *(ad_user(n, 50 + n) for n in range(3))]
    with FakeDirectory(root, entries) as directory:
        yield directory


def read(folder, directory, state=None, **settings):
    run = run_tap(folder, {**directory.config, **settings}, select=USERS, state=state)
    assert run.code == 0, run.stderr
    records = run.records["users"]
    live = sorted(r["entry_uuid"] for r in records if not r.get("_sdc_deleted_at"))
    gone = sorted(r["entry_uuid"] for r in records if r.get("_sdc_deleted_at"))
    return live, gone, run


def test_guids_are_ids_and_times_are_times_in_active_directory(tmp_path, domain):
    domain.references = [b"ldap://other/dc=x"]
    live, _, run = read(tmp_path, domain)
    assert live == [text(0), text(1), text(2)]
    assert "which is not followed: ldap://other" in run.stderr
    record = run.records["users"][0]
    assert record["modify_timestamp"] == "2026-11-23T03:06:24Z"
    assert record["usn_changed"] == 50
    assert "objectGUID" in record["binary_attributes"]


def test_a_group_in_pieces_comes_out_whole(tmp_path, domain):
    """The empty `member` beside the first piece must not win."""
    members = [b"CN=m%d,%s" % (n, BASE.encode()) for n in range(23)]
    group = FakeEntry(
        f"CN=g,{BASE}",
        {
            "objectClass": [b"group"],
            "objectCategory": [b"group"],
            "objectGUID": [guid(50)],
            "cn": [b"g"],
            "member": members,
        },
    )
    domain.entries.append(group)
    run = run_tap(tmp_path, domain.config, select={"groups", "memberships"})
    assert run.code == 0, run.stderr
    (record,) = run.records["groups"]
    assert record["attributes"]["member"] == [m.decode() for m in members]
    assert len(run.records["memberships"]) == 23


@pytest.mark.parametrize("incremental", ["modify_timestamp", "entry_csn"])
def test_changes_and_tombstones_come_by_usn(tmp_path, domain, incremental):
    _, _, first = read(tmp_path, domain, incremental=incremental)
    state = first.states[-1]
    assert state["bookmarks"]["users"]["value"] == 100
    assert read(tmp_path, domain, state, incremental=incremental)[:2] == ([], [])
    domain.root["highestCommittedUSN"] = [b"120"]
    domain.entries[3] = ad_user(1, 101)
    gone = ad_user(2, 102, isDeleted=[b"TRUE"])
    gone.is_deleted = True
    domain.entries[4] = gone
    live, deleted, run = read(tmp_path, domain, state, incremental=incremental)
    assert (live, deleted) == ([text(1)], [text(2)])
    assert run.states[-1]["bookmarks"]["users"]["value"] == 120


@pytest.mark.parametrize("changed", ["dsServiceName", "invocationId"])
def test_another_controller_or_a_restored_one_means_a_full_read(
    tmp_path, domain, changed
):
    _, _, first = read(tmp_path, domain, incremental="modify_timestamp")
    if changed == "invocationId":
        domain.entries[0].attributes["invocationId"] = [b"i2"]
    else:
        domain.root["dsServiceName"] = [b"CN=NTDS,CN=DC2"]
    live, _, run = read(
        tmp_path, domain, first.states[-1], incremental="modify_timestamp"
    )
    assert live == [text(0), text(1), text(2)]
    assert "another domain controller" in run.stderr


def test_dirsync_brings_whole_objects_and_deletes_and_loops_while_there_is_more(
    tmp_path, domain
):
    domain.dir_sync = [([guid(0)], [], b"c1", True), ([], [], b"c2", False)]
    live, _, first = read(tmp_path, domain, incremental="syncrepl")
    assert live == [text(0), text(1), text(2)]
    state = first.states[-1]
    assert state["bookmarks"]["users"]["value"] == b64encode(b"c2").decode()
    domain.dir_sync = [
        ([guid(1)], [], b"c3", True),
        ([guid(77)], [guid(2)], b"c4\xff", False),
    ]
    live, gone, run = read(tmp_path, domain, state, incremental="syncrepl")
    # 77 changed, but no longer is a user below the base.
    assert (live, gone) == ([text(1)], [text(2), text(77)])
    (record,) = [r for r in run.records["users"] if not r.get("_sdc_deleted_at")]
    assert record["attributes"]["cn"] == ["u1"]
    assert (
        run.states[-1]["bookmarks"]["users"]["value"] == b64encode(b"c4\xff").decode()
    )


# --------------------------------------------------------------------- 389-DS


def ds_user(number):
    digits = uuid.UUID(text(number)).hex
    unique = "-".join(digits[at : at + 8] for at in range(0, 32, 8))
    return FakeEntry(
        f"uid=u{number},{BASE}",
        {
            "objectClass": [b"inetOrgPerson"],
            "uid": [b"u%d" % number],
            "nsUniqueId": [unique.encode()],
        },
    )


COOKIE = "ds.example.com:389#cn=x:dc=ex,dc=test:(objectClass=*)#"


@pytest.fixture
def ds389():
    root = {
        "vendorName": [b"389 Project"],
        "supportedControl": [SYNC_REQUEST.encode()],
        "namingContexts": [BASE.encode()],
    }
    base = FakeEntry(BASE, {"objectClass": [b"domain"], "nsUniqueId": [b"0" * 32]})
    with FakeDirectory(root, [base, *(ds_user(n) for n in range(3))]) as directory:
        yield directory


def test_deletes_of_389_do_not_delete_the_rest(tmp_path, ds389):
    """Its SyncDone says refreshDeletes = false after a list of deletes."""
    everyone = [text(n) for n in range(3)]
    ds389.sync = [(everyone, [], COOKIE + "5", False, [])]
    live, gone, first = read(tmp_path, ds389, incremental="syncrepl")
    assert (live, gone) == (everyone, [])
    del ds389.entries[3]
    ds389.sync = [([text(1)], [text(2)], COOKIE + "9", False, [])]
    state = first.states[-1]
    live, gone, run = read(tmp_path, ds389, state, incremental="syncrepl")
    assert (live, gone) == ([text(1)], [text(2)])
    assert run.states[-1]["bookmarks"]["users"]["value"] == COOKIE + "9"


def test_an_attribute_that_389_sends_twice_is_merged(tmp_path, ds389):
    ds389.entries[1].attributes["mail"] = [b"a@x"]
    ds389.entries[1].attributes["MAIL"] = [b"b@x"]
    run = read(tmp_path, ds389)[2]
    found = {r["rdn"]: r["attributes"] for r in run.records["users"]}
    # Without a schema to fold names by, both spellings stay; nothing is lost.
    assert sorted(
        v for n in found["uid=u0"] if n.lower() == "mail" for v in found["uid=u0"][n]
    ) == ["a@x", "b@x"]


def test_entry_csn_is_refused_where_there_is_none(tmp_path, ds389):
    config = {**ds389.config, "incremental": "entry_csn"}
    run = run_tap(tmp_path, config, select=USERS)
    assert run.code == 1
    assert "keeps no entryCSN" in run.stderr


@pytest.mark.parametrize(
    ("root", "kind", "id_attribute"),
    [
        (
            {"objectClass": [b"top", b"OpenLDAProotDSE"]},
            ServerKind.OPENLDAP,
            "entryUUID",
        ),
        ({"vendorVersion": [b"389-Directory/2.3"]}, ServerKind.DS389, "nsUniqueId"),
        (
            {"vendorVersion": [b"Oracle Unified Directory 12.2.1.4"]},
            ServerKind.OUD,
            "entryUUID",
        ),
        ({"orclDirectoryVersion": [b"OID 12.2"]}, ServerKind.OID, "orclGUID"),
        ({"vendorName": [b"Anything"]}, ServerKind.OTHER, "entryUUID"),
    ],
)
def test_servers_are_told_apart_by_their_root_dse(root, kind, id_attribute):
    info = server_kind.detect(root)
    assert (info.kind, info.id_attribute) == (kind, id_attribute)

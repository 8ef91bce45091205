"""flext-tap-ldap as a process against a real slapd."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest
from servers.ldap_commands import run_tap
from servers.slapd import BASE_LDIF, GROUPS, PEOPLE, SUFFIX, free_port

pytestmark = pytest.mark.servers

JPEG = bytes(range(256))
LDIF = (
    BASE_LDIF
    + f"""dn: uid=ana,{PEOPLE}
objectClass: inetOrgPerson
uid: ana
cn: Ana Súza
cn: Ana
sn: Súza
mail: ana@example.com
mail: a.suza@example.com
employeeNumber: 7
telephoneNumber: +55 11 1
userPassword: canary-password
jpegPhoto:: {base64.b64encode(JPEG).decode()}
manager: uid=bob\\2C jr,{PEOPLE}

dn: uid=bob\\2C jr,{PEOPLE}
objectClass: inetOrgPerson
uid: bob, jr
cn: Bob
cn;lang-fr: Robert
sn: Stone

dn: cn=staff,{GROUPS}
objectClass: groupOfNames
cn: staff
member: uid=ana,{PEOPLE}
member: uid=bob\\2C jr,{PEOPLE}

dn: cn=posix,{GROUPS}
objectClass: posixGroup
cn: posix
gidNumber: 5
memberUid: ana

"""
).encode()
USERS = {"users"}


@pytest.fixture(scope="module")
def server(start_slapd):
    return start_slapd(LDIF, overlays=("memberof",))


def by_dn(records):
    return {record["dn"]: record for record in records}


def test_users_carry_place_classes_attributes_and_history(server, tmp_path):
    run = run_tap(tmp_path, server.config, select=USERS)
    assert run.code == 0, run.stderr
    ana = by_dn(run.records["users"])[f"uid=ana,{PEOPLE}"]
    assert ana["attributes"] == {
        "objectClass": ["inetOrgPerson"],
        "uid": ["ana"],
        "cn": ["Ana Súza", "Ana"],
        "sn": ["Súza"],
        "mail": ["ana@example.com", "a.suza@example.com"],
        "employeeNumber": ["7"],
        "telephoneNumber": ["+55 11 1"],
        "jpegPhoto": [base64.b64encode(JPEG).decode()],
        "manager": [f"uid=bob\\2C jr,{PEOPLE}"],
    }
    assert ana["binary_attributes"] == ["jpegPhoto"]
    assert (ana["rdn"], ana["parent_dn"], ana["depth"]) == ("uid=ana", PEOPLE, 4)
    assert ana["create_timestamp"].endswith("Z")
    assert len(ana["entry_uuid"]) == 36
    assert ana["entry_csn"]


def test_odd_dns_and_attribute_options_come_out_whole(server, tmp_path):
    run = run_tap(tmp_path, server.config, select=USERS)
    bob = by_dn(run.records["users"])[f"uid=bob\\2C jr,{PEOPLE}"]
    assert bob["dn_normalised"] == f"uid=bob\\, jr,{PEOPLE}"
    assert bob["attributes"]["cn;lang-fr"] == ["Robert"]
    assert bob["depth"] == 4


def test_passwords_are_left_out_unless_asked_for(server, tmp_path):
    run = run_tap(tmp_path, server.config)
    assert "canary-password" not in json.dumps(run.messages)
    told = {**server.config, "include_passwords": True}
    run = run_tap(tmp_path, told, select=USERS)
    ana = by_dn(run.records["users"])[f"uid=ana,{PEOPLE}"]
    assert ana["attributes"]["userPassword"] == ["canary-password"]


def test_groups_units_memberships_and_schema_have_streams(server, tmp_path):
    run = run_tap(tmp_path, server.config)
    assert run.code == 0, run.stderr
    records = run.records
    assert {r["rdn"] for r in records["organizational_units"]} == {
        "ou=people",
        "ou=groups",
    }
    assert {r["rdn"] for r in records["groups"]} == {"cn=staff", "cn=posix"}
    assert {
        (m["group_dn"].split(",")[0], m["attribute"], m["member_key"])
        for m in records["memberships"]
    } == {
        ("cn=staff", "member", f"uid=ana,{PEOPLE}"),
        ("cn=staff", "member", f"uid=bob\\, jr,{PEOPLE}"),
        ("cn=posix", "memberUid", "ana"),
    }
    sn = next(r for r in records["schema"] if r["name"] == "sn")
    assert sn["names"] == ["sn", "surname"]
    assert sn["syntax"] == "1.3.6.1.4.1.1466.115.121.1.15"


def test_a_class_stream_has_columns_typed_by_the_schema(server, tmp_path):
    config = {**server.config, "object_class_streams": ["inetOrgPerson"]}
    run = run_tap(tmp_path, config, select={"inet_org_person"})
    assert run.code == 0, run.stderr
    ana = by_dn(run.records["inet_org_person"])[f"uid=ana,{PEOPLE}"]
    assert ana["employeeNumber"] == "7"
    assert ana["cn"] == ["Ana Súza", "Ana"]
    assert ana["jpegPhoto"] == [base64.b64encode(JPEG).decode()]
    assert ana["roomNumber"] is None
    assert "userPassword" not in ana
    bob = by_dn(run.records["inet_org_person"])[f"uid=bob\\2C jr,{PEOPLE}"]
    assert bob["other_attributes"] == {"cn;lang-fr": ["Robert"]}
    schema = next(m["schema"] for m in run.messages if m["type"] == "SCHEMA")
    assert schema["properties"]["employeeNumber"]["type"] == ["string", "null"]
    assert schema["properties"]["cn"]["type"] == ["array", "null"]


def test_every_structural_class_in_use_can_have_a_stream(server, tmp_path):
    config = {**server.config, "object_class_streams": ["*"]}
    run = run_tap(tmp_path, config, select={"group_of_names", "organization"})
    assert run.code == 0, run.stderr
    assert len(run.records["group_of_names"]) == 1
    assert len(run.records["organization"]) == 1


def test_a_custom_stream_takes_base_scope_filter_and_attributes(server, tmp_path):
    custom = [
        {
            "name": "mails",
            "base": PEOPLE,
            "scope": "one",
            "filter": "(&(mail=*)(uid=ana))",
            "attributes": ["mail"],
        },
        {
            "name": "names",
            "search_filter": "(uid=*)",
            "attributes": ["cn", "surname"],
            "shape": "columns",
        },
    ]
    run = run_tap(
        tmp_path, {**server.config, "custom_streams": custom}, select={"mails", "names"}
    )
    assert run.code == 0, run.stderr
    (mail,) = run.records["mails"]
    assert mail["attributes"] == {
        "mail": ["ana@example.com", "a.suza@example.com"],
        "objectClass": ["inetOrgPerson"],
    }
    names = by_dn(run.records["names"])
    assert names[f"uid=ana,{PEOPLE}"]["sn"] == ["Súza"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"password": "canary-wrong"}, "refused the credentials"),
        ({"base_dn": "ou=nowhere,dc=example,dc=com"}, "does not exist"),
        ({"url": "ldap://127.0.0.1:1", "max_retries": 0}, "could be reached"),
        ({"insecure_plain_text": False}, "unencrypted"),
        ({"user_filter": "(uid=*"}, "not a search filter"),
        ({"custom_streams": [{"name": "a b"}]}, "no stream name"),
        ({"incremental": "sometimes"}, "sometimes"),
        ({"object_class_streams": ["inetOrgPersn"]}, "no object class"),
    ],
)
def test_what_goes_wrong_is_one_clear_message_and_a_failure(
    server, tmp_path, change, message
):
    run = run_tap(tmp_path, {**server.config, **change})
    assert run.code != 0
    assert message in run.stderr
    assert "Traceback" not in run.stderr
    assert "canary" not in run.stderr
    assert "fix:" in run.stderr


def test_a_user_without_rights_sees_an_error_or_nothing_false(start_slapd, tmp_path):
    """OpenLDAP hides what may not be read: the base itself does not exist then."""
    closed = start_slapd(LDIF, access="access to * by * none")
    config = {"url": closed.url, "base_dn": SUFFIX}
    run = run_tap(tmp_path, config, select=USERS)
    assert run.code != 0
    assert "does not exist, or may not be seen" in run.stderr


def test_a_server_killed_in_mid_read_ends_in_failure_without_state(
    start_slapd, tmp_path
):
    many = b"".join(
        f"dn: uid=p{i},{PEOPLE}\nobjectClass: inetOrgPerson\nuid: p{i}\ncn: x\nsn: y\n"
        f"description: {'d' * 3000}\n\n".encode()
        for i in range(5000)
    )
    server = start_slapd(BASE_LDIF.encode() + many)
    config = {**server.config, "max_retries": 0, "page_size": 100}
    (tmp_path / "c.json").write_text(json.dumps(config))
    tap = subprocess.Popen(
        [
            Path(sys.executable).parent / "flext-tap-ldap",
            "--config",
            tmp_path / "c.json",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    # Read until a user came; the pipe's back pressure holds the tap in the middle.
    while b'"uid=p' not in tap.stdout.readline():
        pass
    server.kill()
    out, err = tap.communicate(timeout=60)
    assert tap.returncode == 1, err
    assert b"the search failed" in err
    states = [line for line in out.splitlines() if b'"STATE"' in line[:20]]
    assert all(b'"users":{"strategy' not in line for line in states)


def test_the_next_host_serves_when_the_first_is_down(server, tmp_path):
    config = {**server.config, "url": [f"ldap://127.0.0.1:{free_port()}", server.url]}
    run = run_tap(tmp_path, config, select=USERS)
    assert run.code == 0, run.stderr
    assert len(run.records["users"]) == 2


def test_tls_ppolicy_memberof_and_syncprov_work_together(start_slapd, tmp_path):
    """One server with all of them, as many directories are run."""
    full = start_slapd(LDIF, overlays=("memberof", "ppolicy"), tls=True)
    full.modify(
        f"dn: cn=late,{GROUPS}\nchangetype: add\nobjectClass: groupOfNames\n"
        f"cn: late\nmember: uid=ana,{PEOPLE}\n\n"
    )
    config = {
        **full.config,
        "url": full.ldaps,
        "ca_file": str(full.dir / "ca.pem"),
        "insecure_plain_text": False,
        "incremental": "syncrepl",
    }
    run = run_tap(tmp_path, config, select=USERS)
    assert run.code == 0, run.stderr
    ana = by_dn(run.records["users"])[f"uid=ana,{PEOPLE}"]
    assert ana["attributes"]["memberOf"] == [f"cn=late,{GROUPS}"]
    again = run_tap(tmp_path, config, select=USERS, state=run.states[-1])
    assert again.records["users"] == []

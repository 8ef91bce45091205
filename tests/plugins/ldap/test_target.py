"""flext-target-ldap as a process against a real slapd."""

from __future__ import annotations

import json

import pytest
from flext_ldap import dn, passwords
from flext_ldap.connection_settings import read_settings
from flext_ldap.dn_template import DnTemplate, TemplateError
from flext_ldap.errors import DirectoryError
from flext_ldap.session import Session
from hypothesis import given
from hypothesis import strategies as st
from servers.ldap_commands import record, run_tap, run_target, schema, state
from servers.slapd import BASE_LDIF, GROUPS, PEOPLE, SUFFIX

pytestmark = pytest.mark.servers

TEMPLATES = {"dn_templates": {"users": "uid={uid},ou=people,{base_dn}"}}
COLUMNS = ["uid", "cn", "sn", "mail", "title", "employee_number"]


@pytest.fixture
def server(start_slapd):
    return start_slapd(BASE_LDIF, overlays=("accesslog",))


def user(uid, **more):
    return record("users", {"uid": uid, "cn": f"Ana {uid}", "sn": "S", **more})


def users(*records):
    return [schema("users", COLUMNS, ["uid"]), *records]


def entry(server, where, *attributes):
    """The attributes of one entry, or None."""
    text = server.ldapsearch(
        "-b", where.rpartition(",")[2] and SUFFIX, f"(entryDN={where})", *attributes
    )
    if not text.strip():
        return None
    found = {}
    for line in text.strip().splitlines()[1:]:
        name, _, value = line.partition(": ")
        found.setdefault(name, []).append(value)
    return found


def writes(server):
    """What the server wrote since it began: (type, dn) of each operation."""
    text = server.ldapsearch(
        "-b", "cn=accesslog", "(objectClass=auditWriteObject)", "reqType", "reqDN"
    )
    blocks = [
        dict(x.split(": ", 1) for x in b.splitlines()) for b in text.split("\n\n") if b
    ]
    return [(b["reqType"], b["reqDN"]) for b in blocks if "reqType" in b]


def test_flat_records_become_entries_and_the_second_run_writes_nothing(
    server, tmp_path
):
    config = {**server.config, **TEMPLATES}
    messages = [
        *users(*(user(f"u{i}", employee_number=str(i)) for i in range(300))),
        state({"n": 1}),
    ]
    run = run_target(tmp_path, config, messages)
    assert run.code == 0, run.stderr
    assert run.states == [{"n": 1}]
    assert entry(server, f"uid=u7,{PEOPLE}") == {
        "objectClass": ["inetOrgPerson"],
        "uid": ["u7"],
        "cn": ["Ana u7"],
        "sn": ["S"],
        "employeeNumber": ["7"],
    }
    before = server.dump()
    again = run_target(tmp_path, config, messages)
    assert again.code == 0
    assert again.states == [{"n": 1}]
    assert server.dump() == before


def test_only_what_differs_is_written(server, tmp_path):
    config = {**server.config, **TEMPLATES}
    run_target(tmp_path, config, users(user("a", title="x"), user("b", title="x")))
    done = len(writes(server))
    run_target(tmp_path, config, users(user("a", title="y"), user("b", title="x")))
    assert writes(server)[done:] == [("modify", f"uid=a,{PEOPLE}")]
    assert entry(server, f"uid=a,{PEOPLE}", "title") == {"title": ["y"]}


def test_one_member_more_in_a_large_group_is_one_value_sent(server, tmp_path):
    members = [f"uid=u{i},{PEOPLE}" for i in range(500)]
    columns = {
        "dn": {"type": "string"},
        "attributes": {"type": "object"},
    }

    def group(listed):
        attributes = {"objectClass": ["groupOfNames"], "cn": ["g"], "member": listed}
        values = {"dn": f"cn=g,{GROUPS}", "attributes": attributes}
        return [schema("groups", columns, ["dn"]), record("groups", values)]

    run = run_target(tmp_path, server.config, group(members))
    assert run.code == 0, run.stderr
    # Spelled otherwise, the same members: nothing to do.
    respelled = [m.upper().replace(",", " , ") for m in members]
    done = len(writes(server))
    run = run_target(tmp_path, server.config, group(respelled))
    assert run.code == 0, run.stderr
    assert writes(server)[done:] == []
    run = run_target(
        tmp_path, server.config, group([*members[1:], f"uid=new,{PEOPLE}"])
    )
    assert run.code == 0, run.stderr
    mods = server.ldapsearch("-b", "cn=accesslog", "(reqType=modify)", "reqMod")
    assert f"reqMod: member:- uid=u0,{PEOPLE}" in mods
    assert f"reqMod: member:+ uid=new,{PEOPLE}" in mods
    assert mods.count("reqMod: member:") == 2


def test_what_the_tap_reads_the_target_writes_the_same(start_slapd, server, tmp_path):
    """A round trip through both, binary values and odd DNs included."""
    ldif = BASE_LDIF + (
        f"dn: uid=a\\2Cb,{PEOPLE}\nobjectClass: inetOrgPerson\nuid: a,b\n"
        "cn:: IMOpIA==\ncn;lang-fr: x\nsn: s\njpegPhoto:: //8A/g==\n"
        f"userPassword: {{SSHA}}abc\n\ndn: cn=g,{GROUPS}\nobjectClass: groupOfNames\n"
        f"cn: g\nmember: uid=a\\2Cb,{PEOPLE}\n\n"
    )
    source = start_slapd(ldif)
    asked = {"include_passwords": True}
    first = run_tap(tmp_path, {**source.config, **asked}, select={"users", "groups"})
    run = run_target(
        tmp_path, server.config, [m for m in first.messages if m["type"] != "STATE"]
    )
    assert run.code == 0, run.stderr
    back = run_tap(tmp_path, {**server.config, **asked}, select={"users", "groups"})

    def contents(read):
        return {
            (stream, r["dn"]): (r["attributes"], r["binary_attributes"])
            for stream, records in read.records.items()
            for r in records
        }

    assert contents(back) == contents(first)
    assert contents(back)


def test_attributes_and_binary_attributes_may_arrive_as_json_text(server, tmp_path):
    values = {
        "dn": f"uid=j,{PEOPLE}",
        "object_class": ["inetOrgPerson"],
        "attributes": json.dumps(
            {"uid": ["j"], "cn": ["J"], "sn": ["J"], "jpegPhoto": ["/9j/"]}
        ),
        "binary_attributes": json.dumps(["jpegPhoto"]),
    }
    columns = ["dn", "object_class", "attributes", "binary_attributes"]
    run = run_target(
        tmp_path,
        server.config,
        [schema("people", columns, ["dn"]), record("people", values)],
    )
    assert run.code == 0, run.stderr
    assert "jpegPhoto:: /9j/" in server.ldapsearch("-b", PEOPLE, "(uid=j)")


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("auto", {"new@x"}),
        ("replace", {"new@x"}),
        ("values", {"new@x"}),
        ("add", {"old@x", "other@x", "new@x"}),
        ("keep", {"old@x", "other@x"}),
        ("ignore", {"old@x", "other@x"}),
    ],
)
def test_a_policy_says_what_old_values_are_worth(server, tmp_path, policy, expected):
    server.client(
        "ldapadd",
        input=f"dn: uid=p,{PEOPLE}\nobjectClass: inetOrgPerson\nuid: p\ncn: Ana p\n"
        "sn: S\nmail: old@x\nmail: other@x\n\n",
    )
    config = {**server.config, **TEMPLATES, "attribute_policies": {"mail": policy}}
    run = run_target(tmp_path, config, users(user("p", mail="new@x")))
    assert run.code == 0, run.stderr
    assert set(entry(server, f"uid=p,{PEOPLE}", "mail")["mail"]) == expected


def test_null_deletes_absent_leaves_and_ignore_keeps(server, tmp_path):
    config = {**server.config, **TEMPLATES}
    run_target(tmp_path, config, users(user("n", title="t", mail="m@x")))
    run_target(tmp_path, config, users(user("n", title=None)))
    found = entry(server, f"uid=n,{PEOPLE}")
    assert "title" not in found
    assert found["mail"] == ["m@x"]
    run_target(tmp_path, {**config, "null_values": "ignore"}, users(user("n", mail="")))
    assert entry(server, f"uid=n,{PEOPLE}")["mail"] == ["m@x"]


def test_a_new_spelling_is_written(server, tmp_path):
    config = {**server.config, **TEMPLATES}
    run_target(tmp_path, config, users(user("s", title="boss", mail="A@x")))
    run_target(tmp_path, config, users(user("s", title="Boss", mail="a@x")))
    found = entry(server, f"uid=s,{PEOPLE}")
    assert (found["title"], found["mail"]) == (["Boss"], ["a@x"])


def test_an_entry_found_by_its_key_is_renamed_and_changed(server, tmp_path):
    config = {
        **server.config,
        **TEMPLATES,
        "match_attributes": {"users": "employeeNumber"},
    }
    run_target(tmp_path, config, users(user("old", employee_number="7", mail="a@x")))
    done = len(writes(server))
    run = run_target(
        tmp_path, config, users(user("new", employee_number="7", mail="b@x"))
    )
    assert run.code == 0, run.stderr
    assert [kind for kind, _ in writes(server)[done:]] == ["modrdn", "modify"]
    assert entry(server, f"uid=old,{PEOPLE}") is None
    found = entry(server, f"uid=new,{PEOPLE}")
    assert (found["uid"], found["mail"], found["cn"]) == (["new"], ["b@x"], ["Ana new"])
    moved = {**config, "dn_templates": {"users": f"uid={{uid}},{GROUPS}"}}
    run_target(tmp_path, moved, users(user("new", employee_number="7", mail="b@x")))
    assert entry(server, f"uid=new,{GROUPS}") is not None
    run_target(tmp_path, moved, users(user("NEW", employee_number="7", mail="b@x")))
    assert "dn: uid=NEW," in server.ldapsearch("-b", GROUPS, "(uid=new)", "uid")


def test_two_entries_with_one_key_are_an_error_and_not_a_choice(server, tmp_path):
    config = {**server.config, **TEMPLATES}
    run_target(
        tmp_path,
        config,
        users(user("x", employee_number="7"), user("y", employee_number="7")),
    )
    matched = {**config, "match_attributes": {"users": "employeeNumber"}}
    run = run_target(tmp_path, matched, users(user("z", employee_number="7")))
    assert run.code == 1
    assert "more than one entry" in run.stderr


def test_missing_parents_are_made_if_asked_and_reported_if_not(server, tmp_path):
    config = {
        **server.config,
        "dn_templates": {"users": "uid={uid},ou={title},ou=new,{base_dn}"},
    }
    run = run_target(tmp_path, config, users(user("a", title="it")))
    assert run.code == 1
    assert "create_parents" in run.stderr
    config["create_parents"] = True
    messages = users(
        user("a", title="it"), user("b", title="it"), user("c", title="hr")
    )
    run = run_target(tmp_path, config, messages)
    assert run.code == 0, run.stderr
    assert entry(server, f"uid=c,ou=hr,ou=new,{SUFFIX}") is not None
    before = server.dump()
    assert run_target(tmp_path, config, messages).code == 0
    assert server.dump() == before


def test_children_may_come_before_their_parents_in_one_batch(server, tmp_path):
    def unit(path):
        return record("units", {"dn": f"{path},{SUFFIX}", "ou": path[3:].split(",")[0]})

    config = {**server.config, "object_classes": ["organizationalUnit"]}
    messages = [
        schema("units", ["dn", "ou"], ["dn"]),
        unit("ou=c,ou=b,ou=a"),
        unit("ou=b,ou=a"),
        unit("ou=a"),
    ]
    run = run_target(tmp_path, config, messages)
    assert run.code == 0, run.stderr
    gone = [
        {**m, "record": {**m["record"], "_sdc_deleted_at": "2026-01-01T00:00:00Z"}}
        for m in messages[:0:-1]
    ]
    run = run_target(tmp_path, config, [messages[0], *gone])
    assert run.code == 0, run.stderr
    assert entry(server, f"ou=a,{SUFFIX}") is None


def test_a_group_may_come_before_its_members_in_one_batch(start_slapd, tmp_path):
    """Though the server takes no member that is not there."""
    server = start_slapd(BASE_LDIF, overlays=("memberof-dangling",))
    members = [f"uid=u{i},{PEOPLE}" for i in range(80)]
    entries = [
        {"dn": f"cn=g,{GROUPS}", "objectClass": "groupOfNames", "member": members},
        *({"dn": one, "objectClass": "account"} for one in members),
    ]
    columns = {"dn": {}, "objectClass": {}, "member": {}}
    messages = [schema("all", columns, ["dn"]), *(record("all", e) for e in entries)]

    run = run_target(tmp_path, server.config, messages)

    assert run.code == 0, run.stderr
    assert entry(server, f"cn=g,{GROUPS}", "member") == {"member": members}
    lost = {"dn": f"cn=h,{GROUPS}", "objectClass": "groupOfNames"}
    lost["member"] = f"uid=nobody,{PEOPLE}"
    run = run_target(tmp_path, server.config, [messages[0], record("all", lost)])
    assert run.code != 0
    assert "constraintViolation" in run.stderr


def test_a_group_without_members_gets_the_placeholder_and_loses_it_again(
    server, tmp_path
):
    config = {**server.config, "placeholder_member": f"cn=nobody,{SUFFIX}"}
    columns = {"dn": {}, "cn": {}, "member": {}}

    def group(members):
        values = {"dn": f"cn=g,{GROUPS}", "cn": "g", "member": members}
        return [schema("groups", columns, ["dn"]), record("groups", values)]

    for members, expected in (
        ([], [f"cn=nobody,{SUFFIX}"]),
        ([f"uid=a,{PEOPLE}"], [f"uid=a,{PEOPLE}"]),
        (None, [f"cn=nobody,{SUFFIX}"]),
    ):
        run = run_target(tmp_path, config, group(members))
        assert run.code == 0, run.stderr
        assert entry(server, f"cn=g,{GROUPS}", "member")["member"] == expected


def test_operations_do_what_they_say_and_no_more(server, tmp_path):
    config = {**server.config, **TEMPLATES}

    def run(operation, *records):
        return run_target(tmp_path, {**config, "operation": operation}, users(*records))

    missing = run("update", user("o"))
    assert missing.code == 1
    assert "does not exist" in missing.stderr
    assert run("create", user("o")).code == 0
    assert run("create", user("o")).code == 0  # the same again: a rerun
    other = run("create", user("o", title="t"))
    assert other.code == 1
    assert "exists already" in other.stderr
    assert run("update", user("o", title="t")).code == 0
    assert run("delete", record("users", {"uid": "o"})).code == 0
    assert run("delete", record("users", {"uid": "o"})).code == 0
    assert entry(server, f"uid=o,{PEOPLE}") is None


def test_records_of_one_entry_act_in_their_order(server, tmp_path):
    config = {**server.config, **TEMPLATES}
    gone = {"_sdc_deleted_at": "2026-01-01T00:00:00Z"}
    run = run_target(
        tmp_path,
        config,
        users(
            user("q", title="1"),
            user("Q", title="2"),
            user("q", **gone),
            user("q", title="3"),
            user("r", title="1"),
            user("r", **gone),
        ),
    )
    assert run.code == 0, run.stderr
    assert entry(server, f"uid=q,{PEOPLE}", "title") == {"title": ["3"]}
    assert entry(server, f"uid=r,{PEOPLE}") is None


# ------------------------------------------------------------------ refusals


def test_a_bad_record_is_set_aside_with_the_servers_words(server, tmp_path):
    config = {
        **server.config,
        **TEMPLATES,
        "max_errors": 2,
        "rejects_path": str(tmp_path / "rejects.jsonl"),
    }
    columns = [*COLUMNS, "userPassword", "manager"]
    messages = [
        schema("users", columns, ["uid"]),
        user("good1"),
        user("bad", manager="not a dn", userPassword="canary-pw"),
        record("users", {"uid": "nosn", "cn": "x", "sn": None}),
        user("good2"),
        state({"n": 1}),
    ]
    run = run_target(tmp_path, config, messages)
    assert run.code == 0, run.stderr
    assert run.states == [{"n": 1}]
    rejects = [
        json.loads(x) for x in (tmp_path / "rejects.jsonl").read_text().splitlines()
    ]
    assert {r["where"] for r in rejects} == {f"uid=bad,{PEOPLE}", f"uid=nosn,{PEOPLE}"}
    assert any("invalidAttributeSyntax (21)" in r["reason"] for r in rejects)
    assert any("'sn'" in r["reason"] for r in rejects)
    assert "canary" not in (tmp_path / "rejects.jsonl").read_text() + run.stderr
    assert entry(server, f"uid=good2,{PEOPLE}") is not None
    strict = run_target(tmp_path, {**config, "max_errors": 0}, messages)
    assert strict.code == 1
    assert strict.states == []


def test_a_dn_outside_the_base_is_refused(server, tmp_path):
    columns = ["dn", "cn", "sn"]
    values = {"dn": "cn=x,dc=elsewhere", "cn": "x", "sn": "x"}
    run = run_target(
        tmp_path, server.config, [schema("users", columns), record("users", values)]
    )
    assert run.code == 1
    assert "not under base_dn" in run.stderr


def test_columns_that_are_no_attributes_are_named_before_anything_is_written(
    server, tmp_path
):
    config = {**server.config, **TEMPLATES}
    messages = [
        schema("users", [*COLUMNS, "given_nam", "updated"], ["uid"]),
        user("c", given_nam="A", updated="x"),
    ]
    run = run_target(tmp_path, config, messages)
    assert run.code == 1
    assert "given_nam, updated" in run.stderr
    assert "givenName" in run.stderr
    mapping = {"users": {"given_nam": "givenName", "updated": None}}
    run = run_target(tmp_path, {**config, "attribute_mapping": mapping}, messages)
    assert run.code == 0, run.stderr
    assert entry(server, f"uid=c,{PEOPLE}", "givenName") == {"givenName": ["A"]}
    ignoring = {**config, "unmapped_columns": "ignore"}
    assert run_target(tmp_path, ignoring, messages).code == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"password": "canary-wrong"}, "refused the credentials"),
        ({"url": "ldap://127.0.0.1:1", "max_retries": 0}, "could be reached"),
        ({"operation": "merge"}, "merge"),
        ({"dn_templates": {"users": "{uid}"}}, "is no DN template"),
        ({"attribute_policies": {"mail": "sometimes"}}, "sometimes"),
        ({"pipeline_window": 500}, "use 1 to 90"),
        ({"delete_missing": {"users": {}}}, "no filter"),
        ({"insecure_plain_text": False}, "unencrypted"),
    ],
)
def test_what_goes_wrong_is_one_clear_message_and_a_failure(
    server, tmp_path, change, message
):
    config = {**server.config, **TEMPLATES, **change}
    run = run_target(tmp_path, config, [*users(user("e")), state({"n": 1})])
    assert run.code != 0
    assert message in run.stderr
    assert "Traceback" not in run.stderr
    assert "canary" not in run.stderr
    assert run.states == []


# ----------------------------------------------------------------- passwords

FIRST, SECOND = "canary-pw-1", "canary-pw-2"


@pytest.mark.parametrize("scheme", ["as_is", "ssha", "server"])
def test_passwords_are_set_once_and_never_shown(server, tmp_path, scheme):
    config = {
        **server.config,
        **TEMPLATES,
        "password_scheme": scheme,
        "password_update": "always",
    }
    messages = [
        schema("users", [*COLUMNS, "user_password"], ["uid"]),
        user("pw", user_password=FIRST),
    ]
    run = run_target(tmp_path, config, messages)
    assert run.code == 0, run.stderr
    assert "canary" not in run.stderr + json.dumps(run.messages)

    def can_bind(password):
        changed = {"bind_dn": f"uid=pw,{PEOPLE}", "password": password}
        with Session(read_settings({**server.config, **changed})) as session:
            try:
                return bool(session.connection)
            except DirectoryError:
                return False

    assert can_bind(FIRST)
    before = server.dump()
    assert FIRST not in before
    assert run_target(tmp_path, config, messages).code == 0
    assert server.dump() == before
    changed = [messages[0], user("pw", user_password=SECOND)]
    assert run_target(tmp_path, config, changed).code == 0
    assert can_bind(SECOND)
    once = {**config, "password_update": "on_create"}
    assert run_target(tmp_path, once, messages).code == 0
    assert can_bind(SECOND)


def test_a_password_that_names_its_scheme_passes_untouched():
    for stored in (b"{SSHA}abc", b"{ARGON2}$argon2id$v=19$x", b"{CRYPT}$6$x"):
        assert passwords.hashed(stored, passwords.Scheme.SSHA512) == stored
    for scheme in ("ssha", "ssha256", "ssha512"):
        stored = passwords.hashed(b"pw", passwords.Scheme(scheme))
        assert passwords.matches(b"pw", stored)
        assert not passwords.matches(b"PW", stored)
    assert passwords.active_directory(b"x") == b'"\0x\0"\0'


# ------------------------------------------------------------------- deletes


def test_marked_records_are_deleted_within_the_limit_set(server, tmp_path):
    config = {**server.config, **TEMPLATES}
    run_target(tmp_path, config, users(*(user(f"d{i}") for i in range(20))))
    marked = [user(f"d{i}", _sdc_deleted_at="2026-01-01T00:00:00Z") for i in range(3)]
    refused = run_target(tmp_path, {**config, "max_delete_percent": 10}, users(*marked))
    assert refused.code == 1
    assert "3 of 20 entries would be deleted" in refused.stderr
    assert entry(server, f"uid=d0,{PEOPLE}") is not None
    run_target(tmp_path, {**config, "on_delete": "ignore"}, users(*marked))
    assert entry(server, f"uid=d0,{PEOPLE}") is not None
    run = run_target(tmp_path, config, users(*marked))
    assert run.code == 0, run.stderr
    assert entry(server, f"uid=d0,{PEOPLE}") is None
    assert entry(server, f"uid=d3,{PEOPLE}") is not None


def test_a_full_compare_deletes_what_the_version_did_not_bring(server, tmp_path):
    owned = {"base_dn": PEOPLE, "filter": "(objectClass=inetOrgPerson)"}
    config = {**server.config, **TEMPLATES, "delete_missing": {"users": owned}}

    def full(version, names):
        return [
            schema("users", COLUMNS, ["uid"]),
            *({**user(name), "version": version} for name in names),
            {"type": "ACTIVATE_VERSION", "stream": "users", "version": version},
            state({"v": version}),
        ]

    everyone = [f"f{i}" for i in range(20)]
    assert run_target(tmp_path, config, full(1, everyone)).code == 0
    run = run_target(tmp_path, config, full(2, everyone[1:]))
    assert run.code == 0, run.stderr
    assert entry(server, f"uid=f0,{PEOPLE}") is None
    few = run_target(tmp_path, config, full(3, everyone[10:]))
    assert few.code == 1
    assert "more than 10 %" in few.stderr
    assert few.states == []
    assert entry(server, f"uid=f1,{PEOPLE}") is not None
    none = run_target(tmp_path, {**config, "max_delete_percent": 99}, full(4, []))
    assert none.code == 1
    assert "no entry at all" in none.stderr
    rejected = full(5, everyone[2:])
    rejected.insert(2, {**user(""), "version": 5})
    run = run_target(tmp_path, {**config, "max_errors": 5}, rejected)
    assert run.code == 0, run.stderr
    assert "records were rejected" in run.stderr
    assert entry(server, f"uid=f1,{PEOPLE}") is not None


# ------------------------------------------------------------------- dry run


def test_a_dry_run_writes_the_ldif_that_would_be_applied(server, tmp_path):
    config = {
        **server.config,
        **TEMPLATES,
        "match_attributes": {"users": "employeeNumber"},
    }
    run_target(
        tmp_path,
        config,
        users(*(user(f"y{i}", employee_number=str(i)) for i in range(4))),
    )
    columns = [*COLUMNS, "userPassword"]
    messages = [
        schema("users", columns, ["uid"]),
        user("y0", employee_number="0", title="Súper\nline"),
        user("renamed", employee_number="1"),
        user("y2", employee_number="2", _sdc_deleted_at="2026-01-01T00:00:00Z"),
        user("added", employee_number="9", userPassword="canary-dry"),
        state({"n": 1}),
    ]
    before = server.dump()
    path = tmp_path / "plan" / "changes.ldif"
    run = run_target(tmp_path, {**config, "dry_run_path": str(path)}, messages)
    assert run.code == 0, run.stderr
    assert run.states == []
    assert server.dump() == before
    text = path.read_text()
    assert "canary" not in text
    assert "userPassword would be set" in text
    assert path.stat().st_mode & 0o077 == 0
    server.modify(text)
    done = len(writes(server))
    again = run_target(tmp_path, config, messages)
    assert again.code == 0, again.stderr
    assert writes(server)[done:] == []
    assert sorted(p.name for p in path.parent.iterdir()) == ["changes.ldif"]


def test_a_dry_run_that_fails_leaves_no_file(server, tmp_path):
    path = tmp_path / "changes.ldif"
    config = {**server.config, **TEMPLATES, "dry_run_path": str(path)}
    run = run_target(tmp_path, config, users(user("ok"), user("")))
    assert run.code == 1
    assert not path.exists()
    assert not list(tmp_path.glob(".changes*"))


# ----------------------------------------------------------------- templates

values = st.text(
    alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20
) | st.text(alphabet=' ,+"\\<>;=#{}\x00a', min_size=1, max_size=10)


@given(values, values)
def test_no_value_leaves_its_place_in_a_template(uid, dept):
    template = DnTemplate("uid={uid},ou={dept},{base_dn}", SUFFIX, "test")
    record = {"uid": uid, "dept": dept}
    try:
        built = template.fill(record.get)
    except TemplateError:
        assert not (uid.strip() and dept.strip())
        return
    assert dn.parse(built) == [
        [("uid", uid)],
        [("ou", dept)],
        [("dc", "example")],
        [("dc", "com")],
    ]


@pytest.mark.parametrize(
    "text",
    ["", "{uid}", "{attribute}=x,dc=y", "uid=,{rest}", "nonsense", "uid={u,dc=x"],
)
def test_a_template_that_lets_data_shape_the_dn_is_refused(text):
    with pytest.raises(DirectoryError):
        DnTemplate(text, SUFFIX, "test")


HOSTILE = [
    "a,ou=x",
    "a+b",
    "*)(uid=*",
    "\\",
    "#x",
    " lead",
    "trail ",
    '"q"',
    "é\n",
    "<>",
]


def test_hostile_values_name_only_their_own_entries(server, tmp_path):
    config = {**server.config, **TEMPLATES}
    messages = users(*(user(value) for value in HOSTILE))
    run = run_target(tmp_path, config, messages)
    assert run.code == 0, run.stderr
    before = server.dump()
    assert before.count("objectClass: inetOrgPerson") == len(HOSTILE)
    assert run_target(tmp_path, config, messages).code == 0
    assert server.dump() == before
    gone = [
        user(value, _sdc_deleted_at="2026-01-01T00:00:00Z") for value in HOSTILE[:3]
    ]
    assert run_target(tmp_path, config, users(*gone)).code == 0
    assert server.dump().count("objectClass: inetOrgPerson") == len(HOSTILE) - 3

"""What a second run brings: changes, deletes, and nothing twice or missing."""

from __future__ import annotations

import time

import pytest
from servers.ldap_commands import run_tap
from servers.slapd import BASE_LDIF, GROUPS, PEOPLE, SUFFIX

pytestmark = pytest.mark.servers

USERS = {"users"}


def person(uid, **more):
    extra = "".join(f"{name}: {value}\n" for name, value in more.items())
    return (
        f"dn: uid={uid},{PEOPLE}\nobjectClass: inetOrgPerson\nuid: {uid}\n"
        f"cn: {uid}\nsn: x\n{extra}\n"
    )


def change(uid, attribute, value):
    return (
        f"dn: uid={uid},{PEOPLE}\nchangetype: modify\n"
        f"replace: {attribute}\n{attribute}: {value}\n\n"
    )


def add(uid):
    return person(uid).replace("\nobjectClass", "\nchangetype: add\nobjectClass", 1)


def delete(uid):
    return f"dn: uid={uid},{PEOPLE}\nchangetype: delete\n\n"


def rename(uid, to):
    return (
        f"dn: uid={uid},{PEOPLE}\nchangetype: modrdn\nnewrdn: uid={to}\n"
        "deleteoldrdn: 1\n\n"
    )


@pytest.fixture
def server(start_slapd):
    return start_slapd(BASE_LDIF + "".join(person(f"u{i}") for i in range(10)))


class Source:
    """Runs the tap again and again, each time from the state it left."""

    def __init__(self, server, folder, **settings):
        self.config = {**server.config, **settings}
        self.folder = folder
        self.state = None

    def read(self):
        run = run_tap(self.folder, self.config, select=USERS, state=self.state)
        assert run.code == 0, run.stderr
        if run.states:
            self.state = run.states[-1]
        self.run = run
        records = run.records["users"]
        self.gone = {r["entry_uuid"] for r in records if r.get("_sdc_deleted_at")}
        self.live = [r for r in records if not r.get("_sdc_deleted_at")]
        return sorted(r["rdn"].removeprefix("uid=") for r in self.live)


ALL = sorted(f"u{i}" for i in range(10))


@pytest.mark.parametrize("incremental", ["modify_timestamp", "entry_csn", "syncrepl"])
def test_the_second_run_brings_what_changed_and_the_third_nothing(
    server, tmp_path, incremental
):
    source = Source(server, tmp_path, incremental=incremental)
    assert source.read() == ALL
    assert source.read() == []
    server.modify(change("u1", "sn", "y") + add("new") + rename("u2", "r2"))
    assert source.read() == ["new", "r2", "u1"]
    assert source.read() == []


@pytest.mark.parametrize("incremental", ["modify_timestamp", "entry_csn", "syncrepl"])
def test_changes_within_one_second_are_neither_lost_nor_doubled(
    server, tmp_path, incremental
):
    """modifyTimestamp has steps of one second; a busy second spans two runs."""
    source = Source(server, tmp_path, incremental=incremental)
    source.read()
    seen = []
    for round_number in range(4):
        server.modify("".join(add(f"r{round_number}n{i}") for i in range(5)))
        server.modify(change("u1", "sn", f"v{round_number}"))
        seen += source.read()
    assert sorted(seen) == sorted(
        [f"r{r}n{i}" for r in range(4) for i in range(5)] + ["u1"] * 4
    )


def test_syncrepl_brings_deletes_by_id(server, tmp_path):
    source = Source(server, tmp_path, incremental="syncrepl")
    source.read()
    ids = {r["rdn"]: r["entry_uuid"] for r in source.live}
    server.modify(delete("u3") + delete("u4") + add("u3"))
    assert source.read() == ["u3"]
    assert source.gone == {ids["uid=u3"], ids["uid=u4"]}
    assert source.read() == []
    assert source.gone == set()


def test_an_entry_that_leaves_the_filter_is_reported_deleted(server, tmp_path):
    source = Source(server, tmp_path, incremental="syncrepl", user_filter="(sn=x)")
    source.read()
    ids = {r["rdn"]: r["entry_uuid"] for r in source.live}
    server.modify(change("u5", "sn", "other"))
    assert source.read() == []
    assert source.gone == {ids["uid=u5"]}


def test_after_a_restart_without_log_everything_is_read_with_a_new_version(
    server, tmp_path
):
    """The session log is in memory: deletes before the restart are unknown."""
    source = Source(
        server,
        tmp_path,
        incremental="syncrepl",
        emit_activate_version_messages=True,
    )
    source.read()

    def version():
        return {m["version"] for m in source.run.messages if m["type"] == "RECORD"}

    (first,) = version()
    server.modify(delete("u6"))
    server.stop()
    server.start()
    assert source.read() == [u for u in ALL if u != "u6"]
    (second,) = version()
    assert second > first
    activated = [m for m in source.run.messages if m["type"] == "ACTIVATE_VERSION"]
    assert [m["version"] for m in activated] == [second]
    server.modify(change("u1", "sn", "later"))
    assert source.read() == ["u1"]
    assert version() == {second}


def test_with_accesslog_deletes_survive_a_restart(start_slapd, tmp_path):
    ldif = BASE_LDIF + "".join(person(f"u{i}") for i in range(3))
    server = start_slapd(ldif, overlays=("accesslog",))
    source = Source(server, tmp_path, incremental="syncrepl")
    source.read()
    ids = {r["rdn"]: r["entry_uuid"] for r in source.live}
    server.modify(delete("u2"))
    server.stop()
    server.start()
    assert source.read() == []
    assert source.gone == {ids["uid=u2"]}


@pytest.mark.parametrize(
    "damage",
    [
        {"value": "garbage"},
        {"value": "rid=000,csn=20200101000000.000000Z#000000#000#000000"},
        {"value": None},
        {"server": "openldap:11111111-1111-1111-1111-111111111111"},
        {"strategy": "entry_csn"},
        {"search": "0000000000000000"},
    ],
)
def test_a_bookmark_that_does_not_fit_means_a_full_read(server, tmp_path, damage):
    source = Source(server, tmp_path, incremental="syncrepl")
    source.read()
    server.modify(delete("u0"))
    good = source.state["bookmarks"]["users"]["value"]
    source.state["bookmarks"]["users"].update(damage)
    assert source.read() == [u for u in ALL if u != "u0"]
    assert source.state["bookmarks"]["users"]["value"] > good
    assert source.read() == []


def test_the_group_that_refint_changed_in_silence_is_read(start_slapd, tmp_path):
    """refint changes `member` without a new entryCSN: groups are read whole."""
    group = (
        f"dn: cn=g,{GROUPS}\nobjectClass: groupOfNames\ncn: g\n"
        f"member: uid=u0,{PEOPLE}\nmember: uid=u1,{PEOPLE}\n\n"
    )
    server = start_slapd(
        BASE_LDIF + person("u0") + person("u1") + group, overlays=("refint",)
    )
    config = {**server.config, "incremental": "syncrepl"}
    first = run_tap(tmp_path, config)
    server.modify(delete("u1"))
    deadline = time.monotonic() + 10
    while f"uid=u1,{PEOPLE}" in server.ldapsearch("-b", GROUPS, "(cn=g)", "member"):
        assert time.monotonic() < deadline, "refint did not act"
    second = run_tap(tmp_path, config, state=first.states[-1])
    (read,) = second.records["groups"]
    assert read["attributes"]["member"] == [f"uid=u0,{PEOPLE}"]
    assert [m["member"] for m in second.records["memberships"]] == [f"uid=u0,{PEOPLE}"]


def test_a_run_that_is_killed_repeats_and_loses_nothing(server, tmp_path):
    source = Source(server, tmp_path, incremental="syncrepl")
    source.read()
    server.modify("".join(change(f"u{i}", "sn", "z") for i in range(6)))
    killed = run_tap(
        tmp_path,
        source.config,
        select=USERS,
        state=source.state,
        env={"FLEXCORE_FAILPOINT": "tap.mid_records:KILL@3"},
    )
    assert killed.code == -9
    if killed.states:
        source.state = killed.states[-1]
    assert source.read() == [f"u{i}" for i in range(6)]


def test_a_server_without_syncprov_says_what_to_do(start_slapd, tmp_path):
    """entryCSN needs no overlay: it takes its marks from the entries then."""
    server = start_slapd(BASE_LDIF + person("u0"), has_syncprov=False)
    run = run_tap(tmp_path, {**server.config, "incremental": "syncrepl"}, select=USERS)
    assert run.code == 1
    assert "does not offer syncrepl" in run.stderr
    assert "modify_timestamp" in run.stderr
    source = Source(server, tmp_path, incremental="entry_csn")
    assert source.read() == ["u0"]
    server.modify(add("u1"))
    assert "u1" in source.read()
    assert SUFFIX

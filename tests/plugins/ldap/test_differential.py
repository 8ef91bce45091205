"""The wire client against OpenLDAP's own: the same entries, byte for byte."""

from __future__ import annotations

import base64
import random

import pytest
from flext_ldap import filters
from servers.slapd import BASE_LDIF, PEOPLE, ROOT_DN, ROOT_PASSWORD, SUFFIX

pytestmark = pytest.mark.servers

rng = random.Random(7)  # noqa: S311 (data, not secrets)


def odd_entries():
    """Entries with values of every length and byte that may matter."""
    for number in range(120):
        binary = rng.randbytes(rng.choice([0, 1, 127, 128, 255, 256, 5000, 70_000]))
        lines = [
            f"dn: uid=x{number},{PEOPLE}",
            "objectClass: inetOrgPerson",
            f"uid: x{number}",
            f"sn: {'é' * (number + 1)}",
            "cn: a",
            *(f"description: v{n} {'z' * n}" for n in range(rng.randrange(1, 40))),
        ]
        if binary:
            lines.append("jpegPhoto:: " + base64.b64encode(binary).decode())
        yield "\n".join(lines) + "\n\n"


@pytest.fixture(scope="module")
def server(start_slapd):
    return start_slapd(BASE_LDIF + "".join(odd_entries()))


def ours(session, text="(objectClass=*)", attributes=("*", "+")):
    found = session.search(SUFFIX, "sub", filters.parse(text), list(attributes))
    return {
        dn: {name: sorted(values) for name, values in entry.items()}
        for dn, entry in found
    }


def by_ldapsearch(server, text="(objectClass=*)", attributes=("*", "+")):
    output = server.ldapsearch("-b", SUFFIX, text, *attributes)
    entries = {}
    for block in output.strip().split("\n\n") if output.strip() else []:
        values = {}
        for line in block.splitlines():
            if line.startswith("#"):
                continue
            name, _, value = line.partition(":")
            if value.startswith(":"):
                raw = base64.b64decode(value[1:])
            else:
                raw = value[1:].encode()
            values.setdefault(name, []).append(raw)
        dn = values.pop("dn")[0].decode()
        entries[dn] = {name: sorted(found) for name, found in values.items()}
    return entries


def test_every_value_is_the_one_that_ldapsearch_prints(server, open_session):
    assert ours(open_session(server, page_size=17)) == by_ldapsearch(server)


FILTERS = [
    "(uid=x1*)",
    "(&(objectClass=person)(|(uid=x1)(uid=x2))(!(sn=zzz)))",
    "(uid=*1*2*)",
    "(cn:caseExactMatch:=a)",
    "(ou:dn:=people)",
    "(description>=v3)",
    "(description=v1 z)",
    "(sn=\\c3\\a9)",
    "(sn~=é)",
    "(&)",
    "(|)",
    "(jpegPhoto=*)",
    "(!(jpegPhoto=*))",
]


@pytest.mark.parametrize("text", FILTERS)
def test_a_filter_finds_what_it_finds_for_ldapsearch(server, open_session, text):
    expected = by_ldapsearch(server, text, ["1.1"]) if text != "(|)" else {}
    assert sorted(ours(open_session(server), text, ["1.1"])) == sorted(expected)


def test_python_ldap_reads_the_same_entries(server, open_session):
    ldap = pytest.importorskip(
        "ldap",
        reason="python-ldap is not installed: apt-get install libldap-dev "
        "libsasl2-dev gcc, then uv pip install python-ldap",
    )
    connection = ldap.initialize(server.url)
    connection.simple_bind_s(ROOT_DN, ROOT_PASSWORD)
    found = connection.search_s(SUFFIX, ldap.SCOPE_SUBTREE, attrlist=["*", "+"])
    connection.unbind_s()
    theirs = {
        dn: {name: sorted(values) for name, values in entry.items()}
        for dn, entry in found
    }
    assert ours(open_session(server)) == theirs

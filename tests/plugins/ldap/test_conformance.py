"""The conformance suite and the SDK's standard suites, against a real slapd."""

from __future__ import annotations

import sys
import uuid
from pathlib import Path

import pytest
from flext_ldap.tap import TapLdap
from flext_ldap.target import TargetLdap
from flext_singer.conformance import (
    TapUnderTest,
    TargetUnderTest,
    tap_suite,
    target_suite,
)
from servers import slapd as slapd_server
from servers.slapd import BASE_LDIF, GROUPS, PEOPLE, ROOT_DN, ROOT_PASSWORD, SUFFIX
from singer_sdk.testing import SuiteConfig, get_tap_test_class, get_target_test_class

pytestmark = pytest.mark.servers

BIN = Path(sys.executable).parent
# The suites take their settings while tests are collected, before any fixture:
# so the port is fixed first and the server started on it.
PORT = slapd_server.free_port()
CONFIG = {
    "url": f"ldap://127.0.0.1:{PORT}",
    "bind_dn": ROOT_DN,
    "password": ROOT_PASSWORD,
    "base_dn": SUFFIX,
    "insecure_plain_text": True,
}
LDIF = (
    BASE_LDIF
    + "".join(
        f"dn: uid=u{i},{PEOPLE}\nobjectClass: inetOrgPerson\nuid: u{i}\ncn: c\nsn: s\n"
        f"description: {'d' * 400}\n\n"
        for i in range(600)
    )
    + f"dn: cn=g,{GROUPS}\nobjectClass: groupOfNames\ncn: g\n"
    + f"member: uid=u1,{PEOPLE}\n\n"
)


@pytest.fixture(scope="module", autouse=True)
def server(tmp_path_factory):
    if slapd_server.SLAPD is None:
        pytest.skip(slapd_server.MISSING)
    server = slapd_server.Slapd(tmp_path_factory.mktemp("slapd"), port=PORT)
    server.load(LDIF)
    with server:
        yield server


def fresh_place(folder):
    """Settings for a new empty unit, so that every test has its own."""
    del folder
    unit = f"ou={uuid.uuid4()},{SUFFIX}"
    server = slapd_server.Slapd.__new__(slapd_server.Slapd)
    server.port = PORT
    server.client(
        "ldapadd", input=f"dn: {unit}\nobjectClass: organizationalUnit\n\n".encode()
    )
    for name in ("a", "b"):
        child = f"dn: ou={name},{unit}\nobjectClass: organizationalUnit\n\n"
        server.client("ldapadd", input=child)
    return {
        **CONFIG,
        "base_dn": unit,
        "object_classes": ["device"],
        "attribute_mapping": {"id": "cn", "name": "description"},
        "dn_templates": {
            "conformance_a": "cn={id},ou=a,{base_dn}",
            "conformance_b": "cn={id},ou=b,{base_dn}",
            "*": "cn={id},{base_dn}",
        },
    }


def committed(settings, stream):
    server = slapd_server.Slapd.__new__(slapd_server.Slapd)
    server.port = PORT
    places = {"conformance_a": "ou=a,", "conformance_b": "ou=b,"}
    base = places.get(stream, "") + settings["base_dn"]
    text = server.ldapsearch(
        "-b", base, "-s", "one", "-E", "pr=1000/noprompt", "(objectClass=device)", "cn"
    )
    return [int(x[4:]) for x in text.splitlines() if x.startswith("cn: ")]


OUR_TAP = TapUnderTest(
    command=[str(BIN / "flext-tap-ldap")],
    config=CONFIG,
    secrets=["password", "bind_password"],
    # One long stream: a STATE between short ones may lie in the pipe already.
    environment={"MELTANO_EXTRACT__SELECT": '["users.*"]'},
)
OUR_TARGET = TargetUnderTest(
    command=[str(BIN / "flext-target-ldap")],
    configure=fresh_place,
    committed=committed,
    secrets=["password", "bind_password"],
    records=2000,
)


def each_of(suite):
    return [pytest.param(test, id=test.name) for test in suite.tests]


@pytest.mark.parametrize("test", each_of(tap_suite(OUR_TAP)))
def test_the_tap_conforms(test):
    test().test()


@pytest.mark.parametrize("test", each_of(target_suite(OUR_TARGET)))
def test_the_target_conforms(test):
    test().test()


TestTapStandard = get_tap_test_class(
    TapLdap,
    config={**CONFIG, "object_class_streams": []},
    suite_config=SuiteConfig(max_records_limit=20),
)

# Their streams are of anything: what finds no attribute is passed over, and
# records without an id make no DN, which is a reject each.
TestTargetStandard = get_target_test_class(
    TargetLdap,
    config={
        **CONFIG,
        "object_classes": ["device"],
        "unmapped_columns": "ignore",
        "attribute_mapping": {"id": "cn", "info": None},
        "max_errors": 1000,
        "dn_templates": {
            "*": f"cn={{id}},{GROUPS}",
            "TestCamelcase": f"cn={{Id}},{GROUPS}",
            "ForecastingTypeToCategory": f"cn={{Id}},{GROUPS}",
            "test:SpecialChars!in?attributes": f"cn={{_id}},{GROUPS}",
        },
    },
)

"""The bind by DIGEST-MD5 and by Kerberos, against a real slapd and a real KDC."""

from __future__ import annotations

import contextlib
import importlib.util
import secrets
import sys

import pytest
from flext_ldap import sasl
from flext_ldap.connection_settings import read_settings
from flext_ldap.errors import DirectoryError
from hypothesis import given
from hypothesis import strategies as st
from servers import kerberos
from servers.slapd import BASE_LDIF, PEOPLE, SUFFIX

PASSWORD = 'pä"ss\\wörd, €'
MAPPING = (
    "sasl-host localhost\n"
    "password-hash {CLEARTEXT}\n"
    'authz-regexp "uid=([^,]+),(cn=[^,]+,)?cn=(digest-md5|gssapi),cn=auth"'
    f' "uid=$1,{PEOPLE}"'
)
PERSON = f"""dn: uid=ada,{PEOPLE}
objectClass: inetOrgPerson
uid: ada
cn: Ada
sn: L
userPassword: {PASSWORD}

"""


def log_in(**changes):
    return {
        "bind_dn": None,
        "auth_method": "digest_md5",
        "sasl_username": "ada",
        "password": PASSWORD,
        **changes,
    }


@pytest.fixture(scope="module")
def server(start_slapd):
    return start_slapd(BASE_LDIF + PERSON, sasl=MAPPING)


@pytest.mark.servers
def test_digest_md5_binds_as_the_person_with_any_characters(server, open_session):
    url = f"ldap://localhost:{server.port}"
    session = open_session(server, url=url, **log_in())
    assert session.connection.who_am_i() == f"dn:uid=ada,{PEOPLE}"


@pytest.mark.servers
@pytest.mark.parametrize("change", [{"password": "wrong"}, {"sasl_username": "eva"}])
def test_digest_md5_with_wrong_credentials_is_refused(server, open_session, change):
    url = f"ldap://localhost:{server.port}"
    session = open_session(server, url=url, **log_in(**change))
    with pytest.raises(DirectoryError, match="server refused the ") as caught:
        session.read(SUFFIX, ["dc"])
    assert change.get("password", PASSWORD) not in str(caught.value)


def test_digest_md5_answers_as_the_example_of_the_rfc(monkeypatch):
    """RFC 2831 section 4."""
    monkeypatch.setattr(secrets, "token_hex", lambda _: "OA6MHXh6VqTrRk")
    client = sasl.DigestMd5("chris", "secret", "elwood.innosoft.com")
    client._uri = "imap/elwood.innosoft.com"
    assert client.step(None) is None
    answer = client.step(
        b'realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",qop="auth",'
        b"algorithm=md5-sess,charset=utf-8"
    )
    assert b"response=d388dad90d4bbd760a152321f2143af7" in answer
    assert client.step(b"rspauth=ea40f60335c427b5527b84dbabcdfffd") == b""
    assert client.is_done


def test_a_server_that_does_not_know_the_password_is_not_believed():
    client = sasl.DigestMd5("ada", "secret", "localhost")
    client.step(b'nonce="n",qop="auth",algorithm=md5-sess')
    with pytest.raises(sasl.SaslError, match="does not know the password"):
        client.step(b"rspauth=00000000000000000000000000000000")
    assert not client.is_done


@pytest.mark.parametrize(
    "challenge",
    [
        b"",
        b'nonce="a",nonce="b",algorithm=md5-sess',
        b'nonce="a",algorithm=md5',
        b'nonce="a",algorithm=md5-sess,qop="auth-conf"',
        b'nonce="a',
        b"=,,=",
    ],
)
def test_a_challenge_that_is_none_is_refused(challenge):
    with pytest.raises(sasl.SaslError):
        sasl.DigestMd5("ada", "secret", "localhost").step(challenge)


@given(st.binary(max_size=200))
def test_no_challenge_breaks_the_reader(challenge):
    with contextlib.suppress(sasl.SaslError):
        sasl.directives(challenge)


@given(st.text(), st.text(), st.text())
def test_names_cannot_add_fields_to_the_answer(username, password, realm):
    client = sasl.DigestMd5(username, password, "localhost", realm)
    try:
        answer = client.step(b'nonce="n",algorithm=md5-sess,charset=utf-8')
    except sasl.SaslError:
        return
    fields = sasl.directives(answer)
    assert fields["username"] == [username.encode()]
    assert fields["nonce"] == [b"n"]
    assert fields["nc"] == [b"00000001"]


@pytest.mark.parametrize("method", ["digest_md5", "gssapi"])
def test_no_sasl_over_a_connection_that_others_can_read(method):
    config = {"url": "ldap://localhost", **log_in(auth_method=method)}
    with pytest.raises(DirectoryError, match="would travel unencrypted"):
        read_settings(config)


def test_kerberos_without_its_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "gssapi", None)
    with pytest.raises(DirectoryError, match="needs the Python package gssapi"):
        sasl.Gssapi("localhost")


@pytest.fixture(scope="module")
def realm(tmp_path_factory):
    if importlib.util.find_spec("gssapi") is None:
        pytest.skip("gssapi is missing: apt-get install libkrb5-dev gcc, install it")
    if not kerberos.is_installed():
        pytest.skip(kerberos.MISSING)
    kdc = kerberos.Kdc(tmp_path_factory.mktemp("kdc")).start()
    kdc.add_service("ldap/localhost")
    kdc.log_in("ada")
    yield kdc
    kdc.stop()


@pytest.mark.servers
def test_kerberos_binds_with_the_ticket_of_the_environment(
    realm, start_slapd, open_session, monkeypatch
):
    server = start_slapd(BASE_LDIF, sasl=MAPPING, environment=realm.environment)
    for name, value in realm.environment.items():
        monkeypatch.setenv(name, value)
    url = f"ldap://localhost:{server.port}"
    no_password = {"sasl_username": None, "password": None}
    kerberos_log_in = log_in(auth_method="gssapi", **no_password)
    session = open_session(server, url=url, **kerberos_log_in)
    assert session.connection.who_am_i() == f"dn:uid=ada,{PEOPLE}"

    monkeypatch.setenv("KRB5CCNAME", f"FILE:{realm.dir / 'none'}")
    session = open_session(server, url=url, **kerberos_log_in)
    with pytest.raises(DirectoryError, match="bind by gssapi failed: Kerberos says"):
        session.read(SUFFIX, ["dc"])

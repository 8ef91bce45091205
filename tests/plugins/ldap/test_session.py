"""The wire client against a real slapd: TLS, bind, failover, limits."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time

import pytest
from flext_ldap import dn, filters, messages
from flext_ldap.connection import Connection
from flext_ldap.errors import DirectoryError
from flext_ldap.results import ConnectionLostError, LdapError
from flext_ldap.server_kind import ServerKind
from servers.slapd import BASE_LDIF, PEOPLE, ROOT_DN, SUFFIX, free_port

pytestmark = pytest.mark.servers

PERSON = """dn: uid=u{i},{people}
objectClass: inetOrgPerson
uid: u{i}
cn: Ana {i}
sn: S

"""
LDIF = BASE_LDIF + "".join(PERSON.format(i=i, people=PEOPLE) for i in range(57))


@pytest.fixture(scope="module")
def server(start_slapd):
    return start_slapd(LDIF, tls=True)


def uids(session, text="(uid=*)", base=PEOPLE):
    found = session.search(base, "sub", filters.parse(text), ["uid"])
    return sorted(entry["uid"][0].decode() for _, entry in found)


@pytest.mark.parametrize("page_size", [0, 1, 10, 57, 58, 1000])
def test_every_entry_arrives_once_whatever_the_page_size(
    server, open_session, page_size
):
    session = open_session(server, page_size=page_size)
    assert uids(session) == sorted(f"u{i}" for i in range(57))


def test_ldaps_starttls_and_the_local_socket_all_work(server, open_session):
    ca = str(server.dir / "ca.pem")
    plain = {"insecure_plain_text": None}
    over = [
        open_session(server, url=server.ldaps, ca_file=ca, **plain),
        open_session(
            server,
            url=f"ldap://localhost:{server.port}",
            start_tls=True,
            ca_file=ca,
            **plain,
        ),
        open_session(server, url=server.ldapi, **plain),
    ]
    for session in over:
        assert session.connection.who_am_i() == f"dn:{ROOT_DN}"
        assert session.connection.is_private
    assert not open_session(server).connection.is_private


def test_external_takes_the_identity_of_socket_or_certificate(server, open_session):
    external = {"auth_method": "external", "bind_dn": None, "password": None}
    local = open_session(server, url=server.ldapi, **external)
    assert local.connection.who_am_i() == f"dn:{ROOT_DN}"
    certificate = open_session(
        server,
        url=server.ldaps,
        ca_file=str(server.dir / "ca.pem"),
        client_certificate=str(server.dir / "client.pem"),
        client_key=str(server.dir / "client.key"),
        **external,
    )
    assert certificate.connection.who_am_i().lower() == f"dn:{ROOT_DN}"


@pytest.mark.parametrize("start_tls", [False, True])
def test_a_certificate_of_an_unknown_ca_is_refused(server, open_session, start_tls):
    url = f"ldap://localhost:{server.port}" if start_tls else server.ldaps
    session = open_session(server, url=url, start_tls=start_tls)
    with pytest.raises(DirectoryError, match="certificate refused") as caught:
        uids(session)
    assert "ca_file" in caught.value.fix


def test_a_certificate_for_another_host_is_refused(start_slapd, open_session):
    other = start_slapd(tls=True, certificate_hosts="DNS:elsewhere.example.com")
    ca = str(other.dir / "ca.pem")
    with pytest.raises(DirectoryError, match=r"certificate refused.*ostname"):
        uids(open_session(other, url=other.ldaps, ca_file=ca))
    told = open_session(other, url=other.ldaps, insecure_skip_verify=True)
    assert uids(told) == []


def test_starttls_is_refused_where_the_server_has_none(start_slapd, open_session):
    """A man in the middle who strips StartTLS must not get the password."""
    bare = start_slapd()
    with pytest.raises(DirectoryError, match="no TLS on this port"):
        uids(open_session(bare, start_tls=True, insecure_plain_text=None))


def test_a_wrong_password_ends_at_once_and_is_not_repeated(server, open_session):
    wrong = {"password": "canary-wrong-pw"}
    session = open_session(server, url=[server.url, server.url], **wrong)
    begin = time.monotonic()
    with pytest.raises(DirectoryError, match="refused the credentials") as caught:
        uids(session)
    assert time.monotonic() - begin < 2
    assert "canary" not in str(caught.value)


def test_the_next_host_is_taken_when_one_is_down(server, open_session, start_slapd):
    second = start_slapd()
    dead = f"ldap://127.0.0.1:{free_port()}"
    session = open_session(server, url=[dead, second.url, server.url])
    assert uids(session) == []
    assert session.where == second.url
    second.stop()
    with pytest.raises((ConnectionLostError, LdapError)):
        uids(session)
    assert len(uids(session)) == 57
    assert session.where == server.url


def test_when_no_host_answers_each_is_named_in_one_line(server, open_session):
    dead = [f"ldap://127.0.0.1:{free_port()}" for _ in range(2)]
    session = open_session(server, url=dead, max_retries=0)
    with pytest.raises(DirectoryError, match="could be reached") as caught:
        uids(session)
    assert all(url in str(caught.value) for url in dead)
    assert "\n" not in str(caught.value)


def test_an_unknown_host_name_is_reported_as_such(server, open_session):
    session = open_session(server, url="ldap://no-such-host.invalid", max_retries=0)
    with pytest.raises(DirectoryError, match=r"no-such-host\.invalid"):
        uids(session)


def test_a_missing_base_is_an_error_and_not_an_empty_answer(server, open_session):
    with pytest.raises(LdapError, match=r"noSuchObject \(32\)"):
        uids(open_session(server), base=f"ou=nowhere,{SUFFIX}")


def test_a_size_limit_never_passes_for_the_whole(start_slapd, open_session):
    small = start_slapd(LDIF, limits="sizelimit 10")
    session = open_session(
        small, bind_dn=None, password=None, auth_method="anonymous", page_size=5
    )
    with pytest.raises(LdapError, match=r"sizeLimitExceeded \(4\)"):
        uids(session)


def test_paging_reads_past_a_size_limit_on_pages(start_slapd, open_session):
    limits = "sizelimit size.soft=10 size.hard=10 size.pr=10 size.prtotal=unlimited"
    small = start_slapd(LDIF, limits=limits)
    session = open_session(
        small, bind_dn=None, password=None, auth_method="anonymous", page_size=10
    )
    assert len(uids(session)) == 57


def test_an_abandoned_search_leaves_the_connection_usable(server, open_session):
    session = open_session(server, page_size=0)
    for _ in range(3):
        search = session.search(PEOPLE, "sub", filters.parse("(uid=*)"), ["*"])
        next(search)
        search.close()
        assert len(uids(session)) == 57


def test_the_server_is_recognised_by_its_root_dse(server, open_session):
    info = open_session(server).server
    assert info.kind is ServerKind.OPENLDAP
    assert info.id_attribute == "entryUUID"
    assert info.naming_context(PEOPLE) == SUFFIX
    assert info.subschema_dn == "cn=Subschema"


HOSTILE = [
    "a*b",
    "(x)",
    "a\\b",
    "*)(uid=*",
    "é日",
    "a,b",
    "trail ",
    "nul\0x",
    "#x",
    "=",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_are_found_by_filter_and_dn(server, open_session, value):
    """Stored through an escaped DN, found through a built filter: only it."""
    session = open_session(server)
    place = f"cn={dn.escape(value)},{PEOPLE}"
    attributes = {
        "objectClass": [b"inetOrgPerson"],
        "cn": [value.encode()],
        "sn": [b"x"],
    }
    added = session.connection.request(messages.add(place, attributes))
    assert added.code == 0, added.diagnostic
    try:
        found = list(
            session.search(SUFFIX, "sub", filters.equality("cn", value), ["cn"])
        )
        assert [dn.normalise(where) for where, _ in found] == [dn.normalise(place)]
        assert found[0][1]["cn"] == [value.encode()]
        text = filters.parse(f"(cn={filters.escape(value)})")
        assert len(list(session.search(SUFFIX, "sub", text, ["cn"]))) == 1
    finally:
        session.connection.request(messages.delete(place))


# ------------------------------------------------------- servers that misbehave


@contextlib.contextmanager
def scripted(reply, *, keep_open=False):
    """A loopback listener that answers any first request with these bytes."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def serve():
        with contextlib.suppress(OSError):
            sock, _ = listener.accept()
            with sock:
                sock.recv(65536)
                sock.sendall(reply)
                if keep_open:
                    stop.wait(20)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    sock = socket.create_connection(listener.getsockname())
    try:
        yield Connection(sock, timeout_seconds=0.5, max_message_bytes=1 << 20)
    finally:
        stop.set()
        sock.close()
        listener.close()
        thread.join(20)


NOTICE = messages.envelope(
    0,
    bytes.fromhex("78240a013404000405")
    + b"going"
    + b"\x8a\x16"
    + b"1.3.6.1.4.1.1466.20036",
)


@pytest.mark.parametrize(
    ("reply", "keep_open", "message"),
    [
        (b"", False, "closed the connection"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", False, "no valid LDAP"),
        (b"\x30\x84\x7f\xff\xff\xff\x02\x01\x01", True, "more than the limit"),
        (b"\x30\x88\x7f\xff\xff\xff\x02\x01\x01\x01", True, "no BER sequence"),
        (b"\x30\x0c\x02\x01\x01", True, "no answer within"),
        (
            b"\x30\x0c\x02\x01\x07\x65\x07\x0a\x01\x00\x04\x00\x04\x00",
            True,
            "message 7",
        ),
        (b"\x30\x05\x02\x01\x01\x65\x00", True, "without code"),
        (NOTICE, True, "ends the connection"),
    ],
)
def test_a_server_that_breaks_off_or_speaks_nonsense_is_given_up(
    reply, keep_open, message
):
    with scripted(reply, keep_open=keep_open) as connection:
        with pytest.raises(ConnectionLostError, match=message):
            list(connection.search("", "base", filters.parse("(cn=*)"), ["*"]))
        assert not connection.is_open


def test_bytes_smuggled_in_before_tls_are_refused():
    done = messages.envelope(1, bytes.fromhex("78070a010004000400"))
    with (
        scripted(done + b"\x30\x05\x02\x01\x02\x61\x00", keep_open=True) as connection,
        pytest.raises(ConnectionLostError, match="plain bytes"),
    ):
        connection.start_tls(ssl.create_default_context(), "localhost")

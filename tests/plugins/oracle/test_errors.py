"""What a person reads when Oracle says no: one line, where, what to do; exit code 1."""

import datetime as dt
import json

import oracledb
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from flext_oracle.connection import Connections, address, connect_arguments
from flext_oracle.errors import FIXES, OracleError, explain
from flext_oracle.settings import canonical
from servers.oracle_server import start, stop

pytestmark = pytest.mark.servers

PEOPLE = [
    {
        "type": "SCHEMA",
        "stream": "people",
        "schema": {"type": "object", "properties": {"id": {"type": "integer"}}},
        "key_properties": ["id"],
    },
    {"type": "RECORD", "stream": "people", "record": {"id": 1}},
    {"type": "STATE", "value": {"n": 1}},
]


@pytest.fixture
def table(database):
    database.execute("create table t (id number(9) primary key, v varchar2(20))")
    with database.connect() as connection:
        connection.cursor().executemany(
            "insert into t values (:1, :2)", [(n, "v") for n in range(3000)]
        )
        connection.commit()
    return database


def assert_says(run, code, fix):
    assert run.code == 1, run.errors
    what, where, how = run.error
    assert code in what
    assert where.startswith("  where: ")
    assert len(where) > len("  where: ")
    assert fix in how
    assert "Traceback" not in run.errors
    assert "secret" not in run.errors


@pytest.mark.parametrize(
    ("changes", "code", "fix"),
    [
        ({"password": "wrong"}, "ORA-01017", "check username and password"),
        ({"dsn": "127.0.0.1:1/FREEPDB1"}, "DPY-6005", "check host, port"),
        ({"dsn": "nowhere.invalid:1521/X"}, "DPY-6005", "check host, port"),
        ({"dsn": "{host}:{port}/NOSUCH"}, "DPY-6001", "check service_name"),
        ({"dsn": "no_such_alias"}, "DPY-4", "config_dir"),
    ],
)
def test_who_cannot_connect_is_told_why(oracle_server, tap, target, changes, code, fix):
    if oracle_server.is_real and "{host}" in str(changes):
        pytest.skip("needs the test server: a real listener answers in its own way")
    changes = {
        key: value.format(
            host="127.0.0.1", port=0 if oracle_server.is_real else oracle_server.port
        )
        for key, value in changes.items()
    }
    assert_says(tap(**changes, max_retries=1), code, fix)
    assert_says(target(PEOPLE, **changes, max_retries=1), code, fix)


@pytest.mark.usefixtures("table")
def test_a_wrong_password_is_tried_once(tap):
    run = tap(password="wrong", max_retries=5)  # noqa: S106 - it is none
    assert run.code == 1
    assert "retry" not in run.errors


@pytest.mark.parametrize(
    ("fault", "code", "fix"),
    [
        ({"match": 'FROM "APP"."T"', "code": 942}, "ORA-00942", "GRANT SELECT"),
        ({"match": 'FROM "APP"."T"', "code": 1031}, "ORA-01031", "privilege"),
        (
            {"match": 'FROM "APP"."T"', "code": 1652},
            "ORA-01652",
            "temporary tablespace",
        ),
    ],
)
def test_what_the_tap_may_not_do_is_said(table, tap, fault, code, fix):
    table.fault(**fault)
    run = tap()
    assert_says(run, code, fix)
    assert not [m for m in run.messages if m["type"] == "STATE"]


@pytest.mark.parametrize(
    ("fault", "code", "fix"),
    [
        (
            {"match": 'CREATE TABLE "APP"."PEOPLE"', "code": 1031},
            "ORA-01031",
            "CREATE TABLE",
        ),
        ({"match": 'CREATE TABLE "APP"."PEOPLE"', "code": 1950}, "ORA-01950", "QUOTA"),
        ({"match": "MERGE INTO", "code": 1653}, "ORA-01653", "tablespace is full"),
        ({"match": "INSERT INTO", "code": 1536}, "ORA-01536", "QUOTA"),
        ({"match": "MERGE INTO", "code": 30036}, "ORA-30036", "undo is full"),
        ({"match": "COMMIT", "close": True}, "DPY-4011", "alert log"),
    ],
)
def test_what_the_target_may_not_do_is_said_and_no_state_is_written(
    database, target, fault, code, fix
):
    database.fault(**fault)
    run = target(PEOPLE)
    assert_says(run, code, fix)
    assert run.output == b""


def test_a_cut_connection_is_read_again(table, tap):
    table.fault(match='FROM "APP"."T"', close=True, after_rows=1000, times=1)
    run = tap(max_retries=2)
    assert run.code == 0, run.errors
    assert "retry 1 of 2" in run.errors
    assert {r["id"] for r in run.records} == set(range(3000))


def test_a_cut_incremental_read_goes_on_behind_what_was_sent(table, tap):
    table.fault(match='FROM "APP"."T"', code=3113, after_rows=1000, times=1)
    run = tap(max_retries=2, replication_key="id")
    assert run.code == 0, run.errors
    ids = [r["id"] for r in run.records]
    assert set(ids) == set(range(3000))
    assert len(ids) < 3300  # only the rows since the last bookmark came twice


def test_a_connection_that_is_always_cut_fails_with_an_honest_state(table, tap):
    table.fault(match='FROM "APP"."T"', close=True, after_rows=1000, times=9)
    run = tap(max_retries=2, replication_key="id")
    assert_says(run, "DPY-4011", "alert log")
    assert run.errors.count("; retry ") == 2
    sent = {r["id"] for r in run.records}
    state = run.state["bookmarks"] if run.state else {}
    for entry in state.values():
        assert set(range(entry["replication_key_value"])) <= sent


def test_a_lock_on_the_table_is_waited_for(database, target):
    database.execute("create table people (id number(38) primary key)")
    database.fault(match="ALTER TABLE", code=54, times=2)
    grown = json.loads(json.dumps(PEOPLE))
    grown[0]["schema"]["properties"]["name"] = {"type": "string"}
    assert target(grown).code == 0
    assert database.query("select name from people") == [(None,)]


def test_a_hanging_statement_ends_with_its_timeout(table, tap):
    table.fault(match='FROM "APP"."T"', delay_seconds=20)
    run = tap(request_timeout_seconds=1)
    assert_says(run, "DPY-4024", "request_timeout_seconds")


def test_every_fix_is_one_line_of_advice():
    for code, fix in FIXES.items():
        assert "\n" not in fix, code
        assert fix[0].islower() or fix.startswith(("GRANT", "ALTER")), code


def test_an_unknown_code_still_has_its_text_and_a_place_to_look():
    problem = explain(
        oracledb.DatabaseError("ORA-99999: strange\nHelp: https://x"), "here"
    )
    assert (problem.code, problem.what) == ("ORA-99999", "ORA-99999: strange")
    assert "docs.oracle.com" in problem.fix
    assert not problem.is_transient


# ---- settings -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "no username"),
        ({"username": "a"}, "neither host nor dsn"),
        ({"username": "a", "host": "h"}, "exactly one of service_name and sid"),
        (
            {"username": "a", "host": "h", "service_name": "s", "sid": "x"},
            "exactly one of service_name and sid",
        ),
        (
            {"username": "a", "dsn": "x", "ssl_server_dn_match": False},
            "any server could answer",
        ),
    ],
)
def test_settings_that_lead_nowhere_are_refused(config, said):
    with pytest.raises(OracleError, match=said) as error:
        connect_arguments(config)
    assert error.value.fix


def test_names_of_every_generation_mean_the_same():
    now = {
        "host": "h",
        "port": 1,
        "service_name": "s",
        "username": "u",
        "password": "p",
    }
    for old in (
        {
            "oracle_host": "h",
            "oracle_port": 1,
            "oracle_service": "s",
            "oracle_user": "u",
            "oracle_password": "p",
        },
        {
            "oracle_host": "h",
            "oracle_port": 1,
            "oracle_service_name": "s",
            "oracle_username": "u",
            "oracle_password": "p",
        },
        {"host": "h", "port": 1, "database": "s", "user": "u", "password": "p"},
        {"oracle_config": now},
    ):
        assert canonical(old) == now


# ---- ways to connect ----------------------------------------------------------------


def asked_who_i_am(config):
    connections = Connections(config, "test")
    try:
        with connections.session() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA') FROM DUAL")
            return cursor.fetchone()[0]
    finally:
        connections.close()


def test_every_way_to_name_a_server_connects(oracle_server, settings, tmp_path):
    if oracle_server.is_real:
        pytest.skip("needs the test server: these ways need its host, port and SID")
    host, port = oracle_server.host, oracle_server.port
    del settings["dsn"]
    descriptor = (
        f"(DESCRIPTION=(ADDRESS=(PROTOCOL=TCP)(HOST={host})(PORT={port}))"
        "(CONNECT_DATA=(SERVICE_NAME=FREEPDB1)))"
    )
    (tmp_path / "tnsnames.ora").write_text(f"PRODUCTION = {descriptor}\n")
    for way in (
        {"host": host, "port": port, "service_name": "FREEPDB1"},
        {"host": host, "port": port, "sid": "ORCL"},
        {"dsn": f"{host}:{port}/FREEPDB1"},
        {"dsn": descriptor},
        {"dsn": "production", "config_dir": str(tmp_path)},
    ):
        assert asked_who_i_am({**settings, **way}) == "APP"
    proxied = {**settings, "dsn": f"{host}:{port}/FREEPDB1", "proxy_user": "other"}
    assert asked_who_i_am(proxied) == "OTHER"
    connections = Connections(proxied, "test")
    assert connections.user == "OTHER"


def test_no_secret_shows_in_where_an_error_happened():
    assert address({"dsn": "scott/tiger@db:1521/X"}) == "db:1521/X"
    assert "tiger" not in address({"dsn": "(DESCRIPTION=(PASSWORD=tiger))"})


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory):
    """A listener that only speaks TLS, and the wallet that trusts it."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "server.pem").write_bytes(secret + public)
    (folder / "ewallet.pem").write_bytes(public)
    server = start(folder / "trace.jsonl", "--tls", str(folder / "server.pem"))
    yield server, folder
    stop(server)


def test_a_wallet_opens_tls_and_the_server_s_name_is_checked(tls_server):
    server, wallet = tls_server
    config = {
        "host": "localhost",
        "port": server.port,
        "service_name": "FREEPDB1",
        "protocol": "tcps",
        "wallet_location": str(wallet),
        "username": "app",
        "password": "secret",
        "max_retries": 0,
    }
    assert asked_who_i_am(config) == "APP"
    with pytest.raises(OracleError) as error:
        asked_who_i_am({**config, "ssl_server_cert_dn": "CN=somebody else"})
    assert "certificate" in error.value.fix
    assert (
        asked_who_i_am(
            {
                **config,
                "host": "127.0.0.1",
                "ssl_server_dn_match": False,
                "insecure_skip_dn_match": True,
            }
        )
        == "APP"
    )

from __future__ import annotations

import pytest
from flext_ldap.connection_settings import parse_url, read_settings
from flext_ldap.errors import DirectoryError

BOUND = {"bind_dn": "cn=a", "password": "pw-canary"}


@pytest.mark.parametrize(
    ("config", "urls"),
    [
        ({"url": "ldaps://h"}, ["ldaps://h:636"]),
        ({"url": ["ldaps://a", "ldaps://b:1636"]}, ["ldaps://a:636", "ldaps://b:1636"]),
        ({"url": "ldaps://a, ldaps://b"}, ["ldaps://a:636", "ldaps://b:636"]),
        ({"url": '["ldaps://a", "ldaps://b"]'}, ["ldaps://a:636", "ldaps://b:636"]),
        ({"host": "h", "use_ssl": True}, ["ldaps://h:636"]),
        ({"host": "h", "port": 1636, "use_ssl": True}, ["ldaps://h:1636"]),
        ({"url": "ldapi://%2Frun%2Fldapi"}, ["ldapi:///run/ldapi"]),
        ({"url": "ldaps://[::1]:636"}, ["ldaps://[::1]:636"]),
    ],
)
def test_addresses_come_from_url_or_from_host_and_port(config, urls):
    settings = read_settings({**config, **BOUND})
    assert [address.url for address in settings.addresses] == urls


def test_the_older_names_of_settings_are_read():
    settings = read_settings(
        {
            "host": "h",
            "use_tls": True,
            "bind_dn": "cn=a",
            "bind_password": "pw",
            "search_base": "dc=x",
        }
    )
    assert (settings.password, settings.base_dn) == ("pw", "dc=x")
    assert settings.start_tls


def test_a_password_is_refused_without_tls_unless_told():
    with pytest.raises(DirectoryError, match="unencrypted"):
        read_settings({"url": "ldap://127.0.0.1", **BOUND})
    with pytest.raises(DirectoryError, match="unencrypted"):
        read_settings({"url": ["ldaps://a", "ldap://b"], **BOUND})
    read_settings({"url": "ldap://127.0.0.1", **BOUND, "insecure_plain_text": True})
    read_settings({"url": "ldap://127.0.0.1", **BOUND, "start_tls": True})
    read_settings({"url": "ldap://127.0.0.1"})


@pytest.mark.parametrize(
    ("config", "setting"),
    [
        ({}, "url"),
        ({"url": "http://h"}, "url"),
        ({"url": "ldaps://"}, "url"),
        ({"url": "ldaps://user@h"}, "url"),
        ({"url": "ldaps://h/dc=x"}, "url"),
        ({"url": "ldaps://h:99999"}, "url"),
        ({"url": "ldapi://relative"}, "url"),
        ({"url": "ldaps://h", "start_tls": True}, "start_tls"),
        ({"url": "ldaps://h", "bind_dn": "cn=a"}, "password"),
        ({"url": "ldaps://h", "auth_method": "simple"}, "bind_dn"),
        ({"url": "ldaps://h", "auth_method": "kerberos"}, "auth_method"),
        ({"url": "ldaps://h", "base_dn": "nonsense"}, "base_dn"),
        ({"url": "ldaps://h", "ca_file": "/nonexistent.pem"}, "ca_file"),
        ({"url": "ldaps://h", "page_size": -1}, "page_size"),
        ({"url": "ldaps://h", "client_key": __file__}, "client_key"),
    ],
)
def test_a_faulty_setting_is_named_with_its_remedy(config, setting):
    with pytest.raises(DirectoryError) as caught:
        read_settings(config)
    assert caught.value.where == f"setting {setting}"
    assert caught.value.fix


def test_no_secret_shows_when_settings_are_printed():
    assert "pw-canary" not in repr(read_settings({"url": "ldaps://h", **BOUND}))


def test_credentials_in_a_url_are_refused_without_repeating_them():
    with pytest.raises(DirectoryError) as caught:
        parse_url("ldaps://cn=a:pw-canary@host")
    assert "pw-canary" not in str(caught.value)

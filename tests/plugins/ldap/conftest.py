"""slapd for the LDAP tests: one per module where a module only reads."""

from __future__ import annotations

import contextlib

import pytest
from flext_ldap.connection_settings import read_settings
from flext_ldap.session import Session
from servers import slapd as slapd_server


@pytest.fixture(scope="module")
def start_slapd(tmp_path_factory):
    """A function that starts a loaded slapd; all end with the module."""
    if slapd_server.SLAPD is None:
        pytest.skip(slapd_server.MISSING)
    with contextlib.ExitStack() as stack:

        def start(ldif=slapd_server.BASE_LDIF, **options):
            server = slapd_server.Slapd(tmp_path_factory.mktemp("slapd"), **options)
            server.load(ldif)
            return stack.enter_context(server)

        yield start


@pytest.fixture
def open_session():
    """A function that opens a session on a server; closed after the test."""
    with contextlib.ExitStack() as stack:

        def open_(server, **changes):
            config = {**server.config, **changes}
            config = {
                name: value for name, value in config.items() if value is not None
            }
            return stack.enter_context(Session(read_settings(config)))

        yield open_

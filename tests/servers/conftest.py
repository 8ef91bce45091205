"""The Oracle test server's own tests: what clients rely on, through real clients."""

import pytest
from servers.oracle_server import oracle_server

__all__ = ["oracle_server"]


@pytest.fixture
def server(oracle_server):
    if oracle_server.is_real:
        pytest.skip("these tests are about the test server, not about a database")
    return oracle_server.dsn


@pytest.fixture
def conn(oracle_server, server):  # noqa: ARG001 - not for a real database
    oracle_server.drop_everything()
    with oracle_server.connect() as connection:
        yield connection

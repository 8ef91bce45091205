"""What the Oracle plugin's tests stand on: a database, and configuration for it."""

import pytest
from servers.oracle_server import oracle_server

__all__ = ["oracle_server"]


@pytest.fixture
def database(oracle_server):
    """An empty schema and no faults ordered."""
    oracle_server.clear_faults()
    oracle_server.drop_everything()
    yield oracle_server
    oracle_server.clear_faults()


@pytest.fixture
def settings(oracle_server):
    """Connection settings of the tap and the target."""
    return {
        "dsn": oracle_server.dsn,
        "username": oracle_server.user,
        "password": oracle_server.password,
        "max_retries": 2,
    }

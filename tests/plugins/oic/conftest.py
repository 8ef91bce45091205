"""The OIC stand-in for these tests: real HTTP servers on loopback, in threads."""

from __future__ import annotations

import contextlib

import pytest
from servers.oic_commands import Stand


@pytest.fixture
def start():
    """A function that starts a stand-in with switches; all end with the test."""
    with contextlib.ExitStack() as stack:

        def start_one(profile="oic3", instances=300, **switches):
            stand = Stand(profile, instances, **switches)
            stack.callback(stand.close)
            return stand

        yield start_one


@pytest.fixture
def stand(start):
    """A stand-in with its default behaviour."""
    return start()

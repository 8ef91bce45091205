"""The WMS stand-in for these tests: a real HTTP server on loopback, in a thread."""

from __future__ import annotations

import contextlib
import threading

import pytest
from fakes.wms.server import Simulator, WmsServer
from fakes.wms.switches import Switches
from servers.wms_commands import Stand


@pytest.fixture
def start():
    """A function that starts a stand-in with switches; all end with the test."""
    with contextlib.ExitStack() as stack:

        def start_one(rows=30, **switches):
            settings = Switches()
            for name, value in switches.items():
                settings.set(name, str(value))
            server = WmsServer(0, Simulator(settings, rows))
            thread = threading.Thread(
                target=server.serve_forever, kwargs={"poll_interval": 0.02}
            )
            thread.start()

            def end():
                server.shutdown()
                thread.join()
                server.server_close()

            stack.callback(end)
            stand = Stand(server)
            stack.callback(stand.close)
            return stand

        yield start_one


@pytest.fixture
def stand(start):
    """A stand-in with its default behaviour."""
    return start()

"""Runs tap and target in this process, or as processes, against the OIC stand-in."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from fakes.oic.server import INSTANCE, Simulator, listeners
from fakes.oic.switches import Switches
from fakes.oic.tokens import AUDIENCE, CLIENT, USER
from flext_oracle_oic.client import Client
from flext_oracle_oic.tap import TapOracleOic
from flext_oracle_oic.target import TargetOracleOic

BIN = Path(sys.executable).parent
SECONDS = 60


class Stand:
    """One running stand-in with its four listeners, in threads of this process."""

    def __init__(self, profile="oic3", instances=300, **switches):
        settings = Switches()
        for name, value in switches.items():
            settings.set(name, str(value))
        self.sim = Simulator(settings, profile, instances)
        self.contents = self.sim.contents
        self.servers = listeners(self.sim, {})
        self.urls = self.sim.urls
        self.waits = []
        self.clients = []
        self.threads = [
            threading.Thread(target=server.serve_forever, args=(0.02,))
            for server in self.servers
        ]
        for thread in self.threads:
            thread.start()

    def close(self):
        for client in self.clients:
            client.close()
        for server in self.servers:
            server.shutdown()
            server.server_close()
        for thread in self.threads:
            thread.join()

    @property
    def config(self):
        """Settings with which Integration 3 is reached."""
        return {
            "base_url": self.urls["instance"],
            "design_url": self.urls["design"],
            "integration_instance": INSTANCE,
            "insecure_http": True,
            "oauth_client_id": CLIENT[0],
            "oauth_client_secret": CLIENT[1],
            "oauth_token_url": f"{self.urls['idcs']}/oauth2/v1/token",
            "oauth_scope": f"{AUDIENCE}/ic/api/",
            "request_timeout_seconds": 5,
        }

    @property
    def basic(self):
        """Settings with which Gen 2 is reached."""
        return {
            "base_url": self.urls["instance"],
            "insecure_http": True,
            "auth_method": "basic",
            "username": USER[0],
            "password": USER[1],
            "request_timeout_seconds": 5,
        }

    def client(self, **settings):
        """A client that notes its waits instead of waiting."""
        client = Client(
            {**self.config, **settings}, user_agent="test", sleep=self.waits.append
        )
        self.clients.append(client)
        return client

    def fault(self, kind, path="/ic/api/", **rule):
        self.sim.faults.add({"kind": kind, "path": path, **rule})

    def switch(self, **switches):
        for name, value in switches.items():
            self.sim.switches.set(name, str(value))

    def requests(self, part="", listener=None):
        """Paths of the requests so far that hold a text."""
        return [
            entry["path"]
            for entry in self.sim.log
            if part in entry["path"] and listener in {None, entry["listener"]}
        ]

    def truth(self, kind):
        return self.sim.truth(kind)

    @property
    def applied(self):
        return self.sim.writing.applied

    def lookup(self, name):
        return self.contents.find("lookups", name)


class Run:
    """What one run of the tap wrote."""

    def __init__(self, text):
        self.text = text
        self.messages = [json.loads(line) for line in text.splitlines() if line]

    def of(self, kind, stream=None):
        return [
            m
            for m in self.messages
            if m["type"] == kind and (stream is None or m.get("stream") == stream)
        ]

    def records(self, stream):
        return [m["record"] for m in self.of("RECORD", stream)]

    def ids(self, stream, key="id"):
        return [record[key] for record in self.records(stream)]

    @property
    def state(self):
        states = self.of("STATE")
        return states[-1]["value"] if states else {}

    def bookmark(self, stream):
        return self.state["bookmarks"][stream].get("replication_key_value")


class Tap(TapOracleOic):
    """The tap with a client of the stand's, which waits no time and is closed."""

    stand = None

    @functools.cached_property
    def client(self):
        return self.stand.client(**self.config)


def tap_of(stand, *streams, state=None, **settings):
    config = {**stand.config, "streams": list(streams), **settings}
    config = {name: value for name, value in config.items() if value is not None}
    return type("Tap", (Tap,), {"stand": stand})(config=config, state=state)


def read(stand, *streams, state=None, **settings):
    """Runs the tap in this process."""
    tap = tap_of(stand, *streams, state=state, **settings)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        tap.sync_all()
    return Run(out.getvalue())


def run(name, config, folder, *more, data=b"", **environment):
    """Starts a command, as a user does."""
    path = folder / f"{name}-{len(list(folder.iterdir()))}.json"
    path.write_text(json.dumps(config))
    return subprocess.run(
        [str(BIN / name), "--config", str(path), *more],
        input=data,
        capture_output=True,
        timeout=SECONDS,
        check=False,
        env={**os.environ, **environment},
    )


def feed(stream, rows, keys=()):
    """The messages of a stream with these records, with STATE at the end."""
    names = {name for row in rows for name in row}
    schema = {"type": "object", "properties": {name: {} for name in sorted(names)}}
    head = {"type": "SCHEMA", "stream": stream, "schema": schema}
    lines = [{**head, "key_properties": list(keys)}]
    lines += [{"type": "RECORD", "stream": stream, "record": row} for row in rows]
    lines.append({"type": "STATE", "value": {"done": stream}})
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def write(stand, folder, stream, rows, **settings):
    """Runs the target as a process."""
    config = {**stand.config, **settings}
    data = feed(stream, rows)
    return run("flext-target-oracle-oic", config, folder, data=data)


__all__ = ["TapOracleOic", "TargetOracleOic"]

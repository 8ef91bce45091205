"""Runs tap and target in this process, or as processes, against the stand-in."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import subprocess
import sys
from pathlib import Path

from fakes.wms.auth import CLIENT, USER
from fakes.wms.server import ENVIRONMENT
from flext_oracle_wms.client import Client
from flext_oracle_wms.tap import TapOracleWms
from flext_oracle_wms.target import TargetOracleWms

BIN = Path(sys.executable).parent
SECONDS = 60


class Stand:
    """One running stand-in: its address, its state, and clients for it."""

    def __init__(self, server):
        self.server = server
        self.sim = server.service
        self.rows = self.sim.rows
        self.base_url = f"http://127.0.0.1:{server.server_port}/{ENVIRONMENT}"
        self.waits = []
        self.clients = []

    @property
    def basic(self):
        return {
            "base_url": self.base_url,
            "insecure_http": True,
            "username": USER[0],
            "password": USER[1],
            "request_timeout_seconds": 5,
        }

    @property
    def oauth(self):
        return {
            "base_url": self.base_url,
            "insecure_http": True,
            "auth_method": "oauth2",
            "oauth_grant": "client_credentials",
            "oauth_client_id": CLIENT[0],
            "oauth_client_secret": CLIENT[1],
            "request_timeout_seconds": 5,
        }

    def client(self, **settings):
        """A client that notes its waits instead of waiting."""
        client = Client(
            {**self.basic, **settings}, user_agent="test", sleep=self.waits.append
        )
        self.clients.append(client)
        return client

    def close(self):
        for client in self.clients:
            client.close()

    def fault(self, kind, path="/entity/", **rule):
        self.sim.faults.add({"kind": kind, "path": path, **rule})

    def switch(self, **switches):
        for name, value in switches.items():
            self.sim.switches.set(name, str(value))

    def requests(self, part="", method=".*"):
        """Paths of the requests so far that hold a text."""
        return [
            entry["path"]
            for entry in self.sim.log
            if part in entry["path"] and method in {".*", entry["method"]}
        ]

    def truth(self, entity):
        return self.sim.truth(entity)

    def ids(self, entity):
        return [row["id"] for row in self.rows.visible(entity)]


class Run:
    """What one run of the tap wrote."""

    def __init__(self, text):
        self.messages = [json.loads(line) for line in text.splitlines() if line]

    def of(self, kind, stream=None):
        return [
            m
            for m in self.messages
            if m["type"] == kind and (stream is None or m.get("stream") == stream)
        ]

    def records(self, stream):
        return [m["record"] for m in self.of("RECORD", stream)]

    def ids(self, stream):
        return [record["id"] for record in self.records(stream)]

    def schema(self, stream):
        return self.of("SCHEMA", stream)[0]["schema"]["properties"]

    @property
    def state(self):
        states = self.of("STATE")
        return states[-1]["value"] if states else {}

    def bookmark(self, stream):
        return self.state["bookmarks"][stream].get("replication_key_value")


class Tap(TapOracleWms):
    """The tap with a client of the stand's, which waits no time and is closed."""

    stand = None

    @functools.cached_property
    def client(self):
        return self.stand.client(**self.config)


def tap_of(stand, *entities, state=None, catalog=None, **settings):
    config = {**stand.basic, "entities": list(entities), **settings}
    return type("Tap", (Tap,), {"stand": stand})(
        config=config, state=state, catalog=catalog
    )


def capture(tap):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        tap.sync_all()
    return Run(out.getvalue())


def read(stand, *entities, state=None, **settings):
    """Runs the tap in this process."""
    return capture(tap_of(stand, *entities, state=state, **settings))


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


class Target(TargetOracleWms):
    """The target with a client of the stand's, which waits no time between tries."""

    stand = None

    @functools.cached_property
    def client(self):
        return self.stand.client(**self.config)


def schema_of(rows):
    properties = {}
    for row in rows:
        for name, value in row.items():
            kind = {int: "integer", float: "number", bool: "boolean", list: "array"}
            properties[name] = {"type": [kind.get(type(value), "string"), "null"]}
    return {"type": "object", "properties": properties}


def feed(stream, rows, keys, state=None):
    """The lines of one stream: SCHEMA, RECORDs, and a STATE after them."""
    lines = [
        {
            "type": "SCHEMA",
            "stream": stream,
            "schema": schema_of(rows),
            "key_properties": list(keys),
        },
        *({"type": "RECORD", "stream": stream, "record": row} for row in rows),
        {"type": "STATE", "value": state or {"done": stream}},
    ]
    return "".join(json.dumps(line) + "\n" for line in lines)


def listen(stand, lines, **settings):
    """Runs the target in this process; gives the STATEs it printed."""
    config = {**stand.basic, "stage_timeout_seconds": 10, **settings}
    target = type("Target", (Target,), {"stand": stand})(config=config)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        target.listen(io.StringIO(lines))
    return [json.loads(line) for line in out.getvalue().splitlines() if line]


def write(stand, stream, rows, keys=(), **settings):
    """Feeds the target one stream."""
    return listen(stand, feed(stream, rows, keys), **settings)

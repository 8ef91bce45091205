"""Runs the two commands as processes and reads what they print."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

_BIN = Path(sys.executable).parent


@dataclass
class Run:
    """What one process did."""

    code: int
    stderr: str
    messages: list = field(repr=False)

    @property
    def records(self):
        found = defaultdict(list)
        for message in self.messages:
            if message["type"] == "RECORD":
                found[message["stream"]].append(message["record"])
        return found

    @property
    def states(self):
        return [m["value"] for m in self.messages if m["type"] == "STATE"]

    @property
    def error_lines(self):
        """What a person is told: stderr without the log."""
        lines = self.stderr.splitlines()
        return [line for line in lines if " | INFO " not in line and line.strip()]


def _run(command, folder, config, lines=None, env=None, **options):
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    done = subprocess.run(
        [_BIN / command, "--config", path, *options.pop("arguments", ())],
        input=lines,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **(env or {})},
        cwd=folder,
    )
    messages = []
    for line in done.stdout.splitlines():
        try:
            message = json.loads(line)
        except ValueError:
            continue
        # A target prints the bare state.
        messages.append(
            message if "type" in message else {"type": "STATE", "value": message}
        )
    return Run(done.returncode, done.stderr, messages)


def run_tap(folder, config, *, select=None, state=None, env=None):
    """Run flext-tap-ldap; `select` names the streams."""
    arguments = []
    env = dict(env or {})
    if select is not None:
        # As Meltano hands it over: discovery is limited to these streams.
        env["MELTANO_EXTRACT__SELECT"] = json.dumps([f"{name}.*" for name in select])
    if state is not None:
        (folder / "state.json").write_text(json.dumps(state))
        arguments += ["--state", folder / "state.json"]
    return _run("flext-tap-ldap", folder, config, arguments=arguments, env=env)


def run_target(folder, config, messages, env=None):
    """Run flext-target-ldap on messages."""
    lines = "".join(json.dumps(message) + "\n" for message in messages)
    return _run("flext-target-ldap", folder, config, lines=lines, env=env)


def schema(stream, columns, keys=()):
    """A SCHEMA message; columns by name, or a list of nullable texts."""
    if not isinstance(columns, dict):
        columns = {name: {"type": ["string", "null"]} for name in columns}
    return {
        "type": "SCHEMA",
        "stream": stream,
        "schema": {"type": "object", "properties": columns},
        "key_properties": list(keys),
    }


def record(stream, values, version=None):
    """A RECORD message."""
    message = {"type": "RECORD", "stream": stream, "record": values}
    return message if version is None else {**message, "version": version}


def state(value):
    """A STATE message."""
    return {"type": "STATE", "value": value}

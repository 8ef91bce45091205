"""Run the tap within this process, and look at what it says."""

import contextlib
import io
import json

import pytest
from flext_ldif.tap import TapLdif
from flext_ldif.target import TargetLdif


class Output:
    """What a tap wrote."""

    def __init__(self, text):
        self.messages = [json.loads(line) for line in text.split("\n") if line]

    def of(self, kind):
        return [one for one in self.messages if one["type"] == kind]

    def records(self, stream="ldif_entries"):
        return [one["record"] for one in self.of("RECORD") if one["stream"] == stream]

    def dns(self, stream="ldif_entries"):
        return [record["dn"] for record in self.records(stream)]

    @property
    def state(self):
        return self.of("STATE")[-1]["value"]

    def activated(self, stream="ldif_entries"):
        found = self.of("ACTIVATE_VERSION")
        return [one["version"] for one in found if one["stream"] == stream]

    def versions(self, stream="ldif_entries"):
        return {
            one.get("version") for one in self.of("RECORD") if one["stream"] == stream
        }


@pytest.fixture
def read_ldif():
    """Return a function that runs the tap: settings, state, output."""

    def run(path, state=None, **settings):
        text = io.StringIO()
        config = {"path": str(path) if not isinstance(path, list) else path, **settings}
        tap = TapLdif(config=config, state=state)
        error = None
        with contextlib.redirect_stdout(text):
            try:
                tap.sync_all()
            except Exception as caught:  # noqa: BLE001 - raised again below
                error = caught
        output = Output(text.getvalue())
        if error is not None:
            error.output = output
            raise error
        return output

    return run


class Loaded:
    """What a target said."""

    def __init__(self, text):
        self.states = [json.loads(line) for line in text.split("\n") if line]


@pytest.fixture
def write_ldif(tmp_path):
    """Return a function that runs the target: messages or text, settings."""

    def run(feed, output_path=None, **settings):
        text = feed
        if not isinstance(feed, str):
            text = "".join(json.dumps(one) + "\n" for one in feed)
        path = output_path or tmp_path / "out.ldif"
        target = TargetLdif(config={"output_path": str(path), **settings})
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            target.listen(io.BytesIO(text.encode()))
        return Loaded(out.getvalue())

    run.path = tmp_path / "out.ldif"
    return run

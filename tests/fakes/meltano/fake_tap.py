#!/usr/bin/env python3
"""A Singer tap without the SDK: starts in milliseconds and does as it is told.

FAKE_TAP_RECORDS (default 5), FAKE_TAP_STREAM (people), FAKE_TAP_FAIL_AT,
FAKE_TAP_HANG_AT (waits for a signal there), FAKE_TAP_COUNT (what it claims),
FAKE_TAP_BROKEN_OFF (exits 0 with a failed timer), FAKE_TAP_SAYS (a stderr line),
FAKE_TAP_ENVIRONMENT (writes its own environment to this file),
FAKE_TAP_IGNORES_SIGTERM.
"""
# ruff: noqa: T201, PTH123 - printing is what plugins do; no pathlib, to start fast

import json
import os
import signal
import sys
import time

STREAM = os.environ.get("FAKE_TAP_STREAM", "people")
COLUMNS = os.environ.get("FAKE_TAP_COLUMNS", "id,name").split(",")
SCHEMA = {
    "type": "object",
    "properties": {
        name: {"type": ["integer" if name == "id" else "string", "null"]}
        for name in COLUMNS
    },
}


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def metric(kind: str, name: str, value: object, **tags: object) -> None:
    point = {"type": kind, "metric": name, "value": value, "tags": tags}
    say(f"METRIC: {json.dumps(point)}")


def write(message: dict) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def discover() -> None:
    entry = {
        "tap_stream_id": STREAM,
        "stream": STREAM,
        "schema": SCHEMA,
        "key_properties": ["id"],
        "metadata": [{"breadcrumb": [], "metadata": {"inclusion": "available"}}],
    }
    print(json.dumps({"streams": [entry]}))


def sync() -> None:
    env = os.environ
    if env.get("FAKE_TAP_IGNORES_SIGTERM"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if path := env.get("FAKE_TAP_ENVIRONMENT"):
        with open(path, "w") as file:
            json.dump(dict(env), file)
    if text := env.get("FAKE_TAP_SAYS"):
        say(text)
    records = int(env.get("FAKE_TAP_RECORDS", "5"))
    say(f"Beginning sync of '{STREAM}' in full_table mode")
    write(
        {"type": "SCHEMA", "stream": STREAM, "schema": SCHEMA, "key_properties": ["id"]}
    )
    sent = 0
    for number in range(1, records + 1):
        if env.get("FAKE_TAP_HANG_AT") == str(number):
            if path := env.get("FAKE_TAP_HANG_FILE"):
                with open(path, "w") as file:
                    file.write(str(os.getpid()))
            while True:
                time.sleep(60)
        if env.get("FAKE_TAP_FAIL_AT") == str(number):
            metric("counter", "record_count", sent, stream=STREAM)
            say(f"fake-tap: error: record {number} is broken")
            say(f"  where: {STREAM}.json:{number}:1")
            say("  fix:   mend the record")
            sys.exit(3)
        write({"type": "RECORD", "stream": STREAM, "record": {"id": number}})
        sent += 1
    write({"type": "STATE", "value": {"bookmarks": {STREAM: {"id": records}}}})
    metric("counter", "bytes", 100 * sent, stream=STREAM)
    metric("counter", "bookmark", str(records), stream=STREAM)
    claimed = int(env.get("FAKE_TAP_COUNT", sent))
    metric("counter", "record_count", claimed, stream=STREAM)
    status = "failed" if env.get("FAKE_TAP_BROKEN_OFF") else "succeeded"
    metric("timer", "sync_duration", 0.25, stream=STREAM, status=status)


if __name__ == "__main__":
    discover() if "--discover" in sys.argv else sync()

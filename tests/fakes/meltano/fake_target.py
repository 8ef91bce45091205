#!/usr/bin/env python3
"""A Singer target without the SDK: appends records to a file and counts them.

FAKE_TARGET_PATH (the file), FAKE_TARGET_FAIL, FAKE_TARGET_REJECT (how many),
FAKE_TARGET_DROP (loses that many silently), FAKE_TARGET_SILENT (no metrics),
FAKE_TARGET_LEAVE_AT (exits 0 after that many), FAKE_TARGET_IGNORES_SIGTERM.
"""
# ruff: noqa: T201, PTH123 - printing is what plugins do; no pathlib, to start fast

import json
import os
import signal
import sys


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def metric(name: str, value: object, **tags: object) -> None:
    point = {"type": "counter", "metric": name, "value": value, "tags": tags}
    say(f"METRIC: {json.dumps(point)}")


def main() -> None:
    env = os.environ
    if env.get("FAKE_TARGET_IGNORES_SIGTERM"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    counts: dict[str, int] = {}
    state = None
    skip = int(env.get("FAKE_TARGET_REJECT", "0")) + int(
        env.get("FAKE_TARGET_DROP", "0")
    )
    path = env.get("FAKE_TARGET_PATH", "loaded.jsonl")
    with open(path, "a") as file:
        for line in sys.stdin:
            message = json.loads(line)
            if message["type"] == "SCHEMA":
                counts.setdefault(message["stream"], 0)
            elif message["type"] == "STATE":
                state = message["value"]
            elif message["type"] == "RECORD":
                if skip:
                    skip -= 1
                    continue
                file.write(line)
                file.flush()
                counts[message["stream"]] += 1
                if env.get("FAKE_TARGET_LEAVE_AT") == str(counts[message["stream"]]):
                    break
    if env.get("FAKE_TARGET_FAIL"):
        say("Traceback (most recent call last):")
        say("RuntimeError: target fell over")
        sys.exit(4)
    if not env.get("FAKE_TARGET_SILENT"):
        for stream, count in counts.items():
            metric("record_count", count, stream=stream)
            if rejected := int(env.get("FAKE_TARGET_REJECT", "0")):
                metric("rejected", rejected, stream=stream, path="rejects.jsonl")
            metric("file_written", count, stream=stream, path=path, changed=True)
    if state is not None:
        print(json.dumps(state), flush=True)


if __name__ == "__main__":
    main()

"""Runs the stand-in: `PYTHONPATH=tests python -m fakes.oic --profile oic3`."""

from __future__ import annotations

import argparse
import json
import sys
import threading

from fakes.oic.server import INSTANCE, Simulator, listeners
from fakes.oic.switches import Switches


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", choices=("oic3", "gen2"), default="oic3")
    parser.add_argument("--instances", type=int, default=300)
    parser.add_argument("--switch", action="append", default=[], metavar="NAME=VALUE")
    arguments = parser.parse_args()
    switches = Switches()
    for text in arguments.switch:
        name, _, value = text.partition("=")
        switches.set(name, value)
    simulator = Simulator(switches, arguments.profile, arguments.instances)
    servers = listeners(simulator, {})
    for server in servers[1:]:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    urls = {**simulator.urls, "integration_instance": INSTANCE}
    sys.stdout.write(json.dumps(urls) + "\n")
    sys.stdout.flush()
    servers[0].serve_forever()


if __name__ == "__main__":
    main()

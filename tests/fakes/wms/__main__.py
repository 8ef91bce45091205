"""Runs the stand-in: `PYTHONPATH=tests python -m fakes.wms --port 0 --rows 100`."""

from __future__ import annotations

import argparse
import sys

from fakes.wms.server import ENVIRONMENT, Simulator, WmsServer
from fakes.wms.switches import Switches


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--switch", action="append", default=[], metavar="NAME=VALUE")
    arguments = parser.parse_args()
    switches = Switches()
    for text in arguments.switch:
        name, _, value = text.partition("=")
        switches.set(name, value)
    server = WmsServer(
        arguments.port, Simulator(switches, arguments.rows, arguments.seed)
    )
    sys.stdout.write(f"http://127.0.0.1:{server.server_port}/{ENVIRONMENT}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()

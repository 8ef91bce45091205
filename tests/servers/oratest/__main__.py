"""The command: ``python -m oratest --port 1521 --user app:secret``."""

import argparse
import ssl
import sys
import threading

from .faults import Faults
from .h2 import H2Engine
from .server import Server


def parse():
    parser = argparse.ArgumentParser(prog="oratest")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1521, help="0: a free one")
    parser.add_argument("--user", action="append", default=[], help="NAME:PASSWORD")
    parser.add_argument("--field-version", type=int, default=12, help="24: as 23ai")
    parser.add_argument("--max-identifier", type=int, default=128)
    parser.add_argument("--trace", help="append each statement to this file, as JSON")
    parser.add_argument("--tls", help="PEM file with certificate and key: TCPS")
    return parser.parse_args()


def main():
    options = parse()
    users = dict(u.split(":", 1) for u in options.user or ["app:secret"])
    context = None
    if options.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.tls)
    engine = H2Engine([u.upper() for u in users], options.max_identifier)
    server = Server(
        engine,
        users,
        options.host,
        options.port,
        field_version=options.field_version,
        version=(23, 26) if options.field_version > 17 else (19, 21),
        faults=Faults(options.trace),
        ssl_context=context,
    ).start()
    sys.stdout.write(f"listening on {server.host}:{server.port}\n")
    sys.stdout.flush()
    threading.Event().wait()


if __name__ == "__main__":
    main()

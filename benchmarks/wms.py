"""What reading WMS costs the client, beside a bare loop over httpx, in one run.

    python benchmarks/wms.py [--rows 20000] [--rounds 2] [--page-size 1000]

A server in a process of its own sends pages that were made beforehand: rows of
order_hdr, 24 fields, relations and sets among them. The bare loop asks for the same
pages, decodes them and follows next_page; flext-tap-oracle-wms also flattens, checks
and writes every record. CPU is that of the client process alone; its start-up is
measured with an empty list and taken off.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

BIN = Path(sys.executable).parent
TIMEOUT_SECONDS = 600
BARE = """
import httpx, json, sys
url = sys.argv[1]
with httpx.Client(auth=("u", "p")) as client:
    while url:
        page = json.loads(client.get(url).content)
        url = page["next_page"]
"""


def row(number: int, base: str) -> dict[str, object]:
    """Return one row as the service writes it."""
    at = f"2024-{number % 12 + 1:02d}-10T12:01:48.391494+05:30"
    relations = {
        f"{name}_id": {"id": 48, "key": "KEY", "url": f"{base}/{name}/48"}
        for name in ("facility", "company", "order_type", "ship_via")
    }
    texts = {f"cust_field_{n}": f"text {number}" for n in range(1, 6)}
    numbers = {f"cust_decimal_{n}": f"{number}.125" for n in range(1, 4)}
    return {
        "id": number,
        "url": f"{base}/order_hdr/{number}",
        "create_user": "ANA",
        "create_ts": at,
        "mod_user": "ANA",
        "mod_ts": at,
        "order_nbr": f"ORD{number:09d}",
        "status_id": 0,
        "ord_date": "2024-04-10",
        "priority": number % 10,
        "stop_ship_flg": False,
        "order_dtl_set": {"result_count": 2, "url": f"{base}/order_dtl/?order_id=1"},
        **relations,
        **texts,
        **numbers,
    }


def kind_of(value: object, name: str) -> str:
    """Return the type that describe names."""
    if isinstance(value, dict):
        return "field"
    if name.endswith("_ts"):
        return "datetime"
    if name.endswith("_date"):
        return "date"
    if "decimal" in name:
        return "decimal"
    kinds: dict[type, str] = {bool: "boolean", int: "integer"}
    return kinds.get(type(value), "string")


def serve(
    rows: int, page_size: int, pipe: multiprocessing.connection.Connection
) -> None:
    """Serve pages that were made beforehand, until killed."""
    pages: dict[int, bytes] = {}
    fields: dict[str, dict[str, str]] = {}

    class Pages(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path.endswith("/entity/"):
                body = json.dumps({"order_hdr": "x", "empty": "x"}).encode()
            elif parts.path.endswith("/describe/"):
                body = json.dumps({"fields": fields}).encode()
            elif "/empty/" in parts.path:
                body = b'{"next_page": null, "results": []}'
            else:
                query = parse_qs(parts.query)
                body = pages[int(query.get("cursor", ["0"])[0])]
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    base = f"http://127.0.0.1:{server.server_port}/env/wms/lgfapi/v10/entity"
    for name, value in row(1, base).items():
        fields[name] = {"type": kind_of(value, name)}
    for start in range(0, rows, page_size):
        last = min(start + page_size, rows)
        link = f"{base}/order_hdr/?cursor={last}" if last < rows else None
        results = [row(n, base) for n in range(start + 1, last + 1)]
        pages[start] = json.dumps({"next_page": link, "results": results}).encode()
    pipe.send(base)
    server.serve_forever()


def cost(command: list[str]) -> tuple[float, float]:
    """Return CPU seconds and peak MB of a command."""
    code = (
        "import resource,subprocess,sys;"
        "subprocess.run(sys.argv[1:],check=True,stdout=subprocess.DEVNULL,"
        "stderr=subprocess.DEVNULL);"
        "u=resource.getrusage(resource.RUSAGE_CHILDREN);"
        "print(u.ru_utime+u.ru_stime,u.ru_maxrss/1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command],
        check=True,
        capture_output=True,
        timeout=TIMEOUT_SECONDS,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
    )
    cpu, peak = done.stdout.split()
    return float(cpu), float(peak)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--page-size", type=int, default=1000)
    options = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(
        target=serve, args=(options.rows, options.page_size, theirs), daemon=True
    )
    server.start()
    base = ours.recv()
    with tempfile.TemporaryDirectory() as folder:

        def tap(entity: str) -> list[str]:
            path = Path(folder) / f"{entity}.json"
            config = {
                "base_url": base.split("/wms/")[0],
                "insecure_http": True,
                "username": "u",
                "password": "p",
                "entities": [entity],
            }
            path.write_text(json.dumps(config))
            return [str(BIN / "flext-tap-oracle-wms"), "--config", str(path)]

        def bare(entity: str) -> list[str]:
            return [sys.executable, "-c", BARE, f"{base}/{entity}/"]

        per = 100_000 / options.rows
        figures = {}
        for name, command in (("bare httpx loop", bare), ("flext-tap", tap)):
            empty = min(cost(command("empty"))[0] for _ in range(options.rounds))
            runs = [cost(command("order_hdr")) for _ in range(options.rounds)]
            cpu = (min(run[0] for run in runs) - empty) * per
            figures[name] = cpu
            peak = max(run[1] for run in runs)
            sys.stdout.write(
                f"{name:16} {cpu:6.2f} CPU s per 100,000 rows, peak {peak:.0f} MB,"
                f" start-up {empty:.2f} s\n"
            )
    ratio = figures["flext-tap"] / figures["bare httpx loop"]
    sys.stdout.write(f"ratio {ratio:.2f} over {options.rows} rows\n")
    server.kill()
    server.join()


if __name__ == "__main__":
    main()

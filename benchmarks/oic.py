"""What reading OIC's monitoring costs the client, beside a bare loop over httpx.

    python benchmarks/oic.py [--rows 200000] [--page-size 100]

A server in a process of its own sends rows that were made beforehand, spread evenly
over twenty days, as `q`, `limit` and `offset` ask for them. The bare loop asks for
windows of 400 rows, decodes every page and does nothing else; flext-tap-oracle-oic
finds the windows itself, types, checks, sorts and writes every record. CPU is that of
the client process alone; its start-up, measured with an empty list, is taken off.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import multiprocessing
import re
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from wms import cost

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

BIN = Path(sys.executable).parent
SPAN = dt.timedelta(days=20)
WINDOW_ROWS = 400
LIMIT_MB = 300
BARE = """
import datetime as dt, httpx, json, sys
url, start, rows, gap, size = sys.argv[1], *map(float, sys.argv[2:])
stamp = lambda t: dt.datetime.fromtimestamp(t, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")
with httpx.Client(headers={"Authorization": "Bearer x"}) as client:
    window = 400 * gap
    at, end = start, start + rows * gap
    while at < end:
        q = "{startdate:'%s',enddate:'%s'}" % (stamp(at), stamp(at + window))
        offset, more = 0, True
        while more:
            params = {"q": q, "limit": int(size), "offset": offset}
            page = json.loads(client.get(url, params=params).content)
            offset += len(page["items"])
            more = page["hasMore"]
        at += window
"""


def row(number: int, at: dt.datetime) -> dict[str, object]:
    """Return one instance as Integration 3 writes it."""
    stamp = at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"
    return {
        "id": f"BhYp_G7OEfGJY{number:09d}",
        "integrationId": f"INT{number % 130:04d}|01.00.0000",
        "integrationName": f"Orders to WMS {number % 130}",
        "integrationVersion": "01.00.0000",
        "status": "FAILED" if number % 14 == 0 else "COMPLETED",
        "creationDate": stamp,
        "lastTrackedTime": stamp,
        "primaryName": "orderId",
        "primaryValue": f"O{number}",
        "duration": 30_000 + number % 1000,
        "runId": f"run{number}",
        "hasRecoverableFaults": number % 14 == 0,
        "links": [{"rel": "self", "href": f"https://design.example.com/{number}"}],
    }


def serve(rows: int, start: float, gap: float, pipe: Connection) -> None:
    """Serve rows by window until killed; count the requests."""
    begin = dt.datetime.fromtimestamp(start, dt.UTC)
    made = [
        json.dumps(row(n, begin + dt.timedelta(seconds=n * gap))).encode()
        for n in range(rows)
    ]
    counted = {"requests": 0}

    def seconds(text: str) -> float:
        at = dt.datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=dt.UTC)
        return at.timestamp() - start

    class Pages(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            self.rfile.read(size)
            self.reply(b'{"access_token": "x", "expires_in": 3600}')

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/count":
                self.reply(str(counted["requests"]).encode())
                return
            counted["requests"] += 1
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            if "errors" in parts.path:
                self.reply(b'{"items": [], "hasMore": false, "totalRecordsCount": 0}')
                return
            first, last = map(seconds, re.findall(r"'([^']+)'", query["q"]))
            low = max(0, -int(-first // gap))
            high = max(low, min(rows, int(last // gap) + 1))
            total = high - low
            offset = int(query["offset"])
            # Newest first, as the service does.
            part = made[max(low, high - offset - int(query["limit"])) : high - offset]
            more = b"true" if offset + len(part) < total else b"false"
            self.reply(
                b'{"items":[%s],"hasMore":%s,"totalRecordsCount":%d}'
                % (b",".join(reversed(part)), more, total)
            )

        def reply(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    pipe.send(server.server_port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    while pipe.recv() != "stop":
        pipe.send(counted["requests"])


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--page-size", type=int, default=100)
    options = parser.parse_args()
    rows, size = options.rows, options.page_size
    gap = SPAN.total_seconds() / rows
    start = float(int((dt.datetime.now(dt.UTC) - SPAN).timestamp()))
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(rows, start, gap, theirs))
    server.start()
    port = ours.recv()
    base = f"http://127.0.0.1:{port}"

    def requests() -> int:
        ours.send("count")
        return int(ours.recv())

    with tempfile.TemporaryDirectory() as folder:
        configs = []
        for stream in ("errors", "monitoring_instances"):
            path = Path(folder) / f"{stream}.json"
            config = {
                "base_url": base,
                "integration_instance": "bench",
                "insecure_http": True,
                "oauth_client_id": "a",
                "oauth_client_secret": "b",
                "oauth_token_url": f"{base}/oauth2/v1/token",
                "streams": [stream],
                "page_size": size,
            }
            path.write_text(json.dumps(config))
            configs.append(str(path))
        tap = str(BIN / "flext-tap-oracle-oic")
        empty, _ = cost([tap, "--config", configs[0]])
        before = requests()
        whole, peak = cost([tap, "--config", configs[1]])
        asked = requests() - before
        url = f"{base}/ic/api/integration/v1/monitoring/instances"
        before = requests()
        numbers = [str(start), str(rows), str(gap), str(size)]
        bare, _ = cost([sys.executable, "-c", BARE, url, *numbers])
        nothing, _ = cost([sys.executable, "-c", "import httpx"])
        bare_asked = requests() - before
    ours.send("stop")
    server.terminate()
    server.join()
    tap_cpu, bare_cpu = whole - empty, bare - nothing
    share = 100_000 / rows
    print(f"{rows:,} rows, pages of {size}")
    print(
        f"bare httpx loop       {bare_cpu * share:5.1f} s CPU per 100,000 rows,"
        f" {bare_asked:,} requests"
    )
    print(
        f"flext-tap-oracle-oic  {tap_cpu * share:5.1f} s CPU per 100,000 rows,"
        f" {asked:,} requests, {tap_cpu / bare_cpu:.2f} times the loop,"
        f" peak {peak:.0f} MB (bar {LIMIT_MB})"
    )
    return 0 if peak <= LIMIT_MB else 1


if __name__ == "__main__":
    sys.exit(main())

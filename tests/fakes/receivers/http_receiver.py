"""An HTTP server with bad manners: what it does is the path of the request.

Usage: http_receiver.py LOG. Prints its port; each request is one line of the log.
"""

import json
import sys
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LOG = open(sys.argv[1], "a", buffering=1)  # noqa: PTH123, SIM115 - as long as it runs
seen: Counter = Counter()


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        line = {"path": self.path, "headers": headers, "body": body.decode("latin-1")}
        LOG.write(json.dumps(line) + "\n")
        seen[self.path] += 1
        way = self.path.strip("/").partition("?")[0]
        if way == "twice-busy" and seen[self.path] <= 2:
            self.send_response(503 if seen[self.path] == 1 else 429)
            self.send_header("Retry-After", "0")
        elif way == "moved":
            self.send_response(307)
            self.send_header("Location", "/elsewhere")
        elif way == "silent":
            time.sleep(30)
            return
        elif way == "drip":
            for byte in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10_000:
                self.wfile.write(bytes([byte]))
                time.sleep(0.1)
            return
        elif way == "garbage":
            self.wfile.write(b"\x00\xff not HTTP at all\r\n\r\n" * 10)
            return
        elif way == "endless":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1_000_000)
            return
        elif way.isdigit():
            self.send_response(int(way))
        else:
            self.send_response(200)
        self.end_headers()
        if way == "large":
            self.wfile.write(b"x" * 50_000_000)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
server.daemon_threads = True
server.handle_error = lambda *_: None
sys.stdout.write(f"{server.server_port}\n")
sys.stdout.flush()
server.serve_forever()

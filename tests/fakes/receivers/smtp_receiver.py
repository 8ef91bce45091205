"""A real SMTP server (aiosmtpd): STARTTLS and a login before any mail.

Usage: smtp_receiver.py LOG CERTIFICATE KEY MODE. Prints its port. MODE is `tls`,
`plain` (offers no STARTTLS), `busy` (451 twice, then fine) or `full` (552).
"""

import json
import socket
import ssl
import sys
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

LOG = open(sys.argv[1], "a", buffering=1)  # noqa: PTH123, SIM115 - as long as it runs
MODE = sys.argv[4]
turned_away = 0


class Receiver:
    async def handle_DATA(self, _server, session, envelope):  # noqa: N802 - aiosmtpd's
        global turned_away  # noqa: PLW0603 - one process, one server
        if MODE == "full":
            return "552 mailbox full"
        if MODE == "busy" and turned_away < 2:
            turned_away += 1
            return "451 try again"
        line = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "content": envelope.content.decode(),
            "is_tls": session.ssl is not None,
        }
        LOG.write(json.dumps(line) + "\n")
        return "250 OK"


def authenticate(_server, _session, _envelope, _mechanism, data):
    return AuthResult(
        success=(data.login, data.password) == (b"flexcore", b"s3cret-4711")
    )


options = {}
if MODE != "plain":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    options = {
        "tls_context": context,
        "require_starttls": True,
        "authenticator": authenticate,
        "auth_required": True,
    }
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
controller = Controller(Receiver(), hostname="127.0.0.1", port=port, **options)
controller.start()
sys.stdout.write(f"{port}\n")
sys.stdout.flush()
threading.Event().wait()

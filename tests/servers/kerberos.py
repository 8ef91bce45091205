"""A Kerberos realm for tests: MIT's own KDC, unprivileged, on loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

REALM = "EXAMPLE.COM"
MISSING = (
    "the KDC is not installed: apt-get install krb5-kdc krb5-admin-server krb5-user"
)

_KRB5 = """[libdefaults]
  default_realm = {realm}
  dns_lookup_kdc = false
  dns_lookup_realm = false
  dns_canonicalize_hostname = false
  rdns = false
  udp_preference_limit = 1
[realms]
  {realm} = {{
    kdc = 127.0.0.1:{port}
  }}
[domain_realm]
  localhost = {realm}
"""
_KDC = """[kdcdefaults]
  kdc_listen = 127.0.0.1:{port}
  kdc_tcp_listen = 127.0.0.1:{port}
[realms]
  {realm} = {{
    database_name = {dir}/principal
    key_stash_file = {dir}/stash
    acl_file = {dir}/kadm5.acl
  }}
"""


def is_installed() -> bool:
    """Whether the KDC's programs are there."""
    return all(map(shutil.which, ("krb5kdc", "kdb5_util", "kadmin.local", "kinit")))


@dataclass
class Kdc:
    """A realm with its own configuration, which `environment` points to."""

    dir: Path

    def __post_init__(self) -> None:
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            self.port = int(sock.getsockname()[1])
        names = {"realm": REALM, "port": self.port, "dir": self.dir}
        (self.dir / "krb5.conf").write_text(_KRB5.format(**names))
        (self.dir / "kdc.conf").write_text(_KDC.format(**names))
        self.environment = {
            "KRB5_CONFIG": str(self.dir / "krb5.conf"),
            "KRB5_KDC_PROFILE": str(self.dir / "kdc.conf"),
            "KRB5CCNAME": f"FILE:{self.dir / 'tickets'}",
            "KRB5_KTNAME": f"FILE:{self.dir / 'keytab'}",
        }
        self.process: subprocess.Popen[bytes] | None = None

    def call(self, *command: str, text: str = "") -> None:
        """Run one of Kerberos' programs on this realm."""
        subprocess.run(
            command,
            env={**os.environ, **self.environment},
            input=text.encode(),
            check=True,
            capture_output=True,
            timeout=60,
        )

    def start(self) -> Kdc:
        """Make the realm and serve it."""
        self.call("kdb5_util", "-r", REALM, "create", "-s", "-P", "master")
        self.process = subprocess.Popen(
            ["krb5kdc", "-n", "-r", REALM],
            env={**os.environ, **self.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 15
        while True:
            assert self.process.poll() is None, "the KDC did not start"
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.5).close()
            except OSError:
                assert time.monotonic() < deadline, "the KDC did not listen"
                time.sleep(0.02)
            else:
                return self

    def add_service(self, principal: str) -> None:
        """Add a service and put its key into the keytab."""
        self.call("kadmin.local", "-r", REALM, "-q", f"addprinc -randkey {principal}")
        self.call("kadmin.local", "-r", REALM, "-q", f"ktadd {principal}")

    def log_in(self, user: str) -> None:
        """Add a user and get them a ticket."""
        self.call("kadmin.local", "-r", REALM, "-q", f"addprinc -pw secret {user}")
        self.call("kinit", user, text="secret\n")

    def stop(self) -> None:
        """End the KDC."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)

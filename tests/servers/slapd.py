"""A real OpenLDAP server for tests: unprivileged, on loopback, in 30 ms.

`Slapd` writes its own configuration into a directory, runs `slapd` in the
foreground (so that the child is ours to end) and knows nothing of pytest; the
fixtures of tests/plugins/ldap/conftest.py give one per module.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

SUFFIX = "dc=example,dc=com"
ROOT_DN = f"cn=admin,{SUFFIX}"
ROOT_PASSWORD = "secret"
PEOPLE = f"ou=people,{SUFFIX}"
GROUPS = f"ou=groups,{SUFFIX}"

SLAPD = shutil.which("slapd", path="/usr/sbin:/usr/local/sbin:/usr/libexec:/sbin")
MISSING = "slapd is not installed: apt-get install slapd ldap-utils"

BASE_LDIF = f"""dn: {SUFFIX}
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: {PEOPLE}
objectClass: organizationalUnit
ou: people

dn: {GROUPS}
objectClass: organizationalUnit
ou: groups

"""

_CONF = """\
{includes}
pidfile     {dir}/slapd.pid
argsfile    {dir}/slapd.args
modulepath  /usr/lib/ldap
moduleload  back_mdb
{modules}
{limits}
threads     4
{tls}
{sasl}
authz-regexp "gidNumber={gid}\\\\+uidNumber={uid},cn=peercred,cn=external,cn=auth" "{rootdn}"

database    config
rootdn      "{rootdn}"

{accesslog}

database    mdb
suffix      "{suffix}"
rootdn      "{rootdn}"
rootpw      {rootpw}
directory   {dir}/db
maxsize     1073741824
envflags    nosync writemap
index       objectClass eq
index       entryUUID,entryCSN eq
index       uid,cn,employeeNumber eq
index       member eq
index       modifyTimestamp eq
{access}
{overlays}
"""  # noqa: E501 (authz-regexp takes one line)

_ACCESSLOG = """database    mdb
suffix      cn=accesslog
rootdn      "{rootdn}"
directory   {dir}/accesslog
maxsize     1073741824
envflags    nosync writemap
index       reqStart,reqEnd,reqResult,objectClass,entryCSN eq
overlay     syncprov
syncprov-nopresent TRUE
syncprov-reloadhint TRUE
"""

_OVERLAYS = {
    "memberof": "overlay memberof\nmemberof-refint TRUE\n",
    "memberof-dangling": "overlay memberof\nmemberof-dangling error\n",
    "refint": "overlay refint\nrefint_attributes member manager\n",
    "ppolicy": f"overlay ppolicy\nppolicy_default cn=default,{SUFFIX}\n",
    "accesslog": (
        "overlay accesslog\nlogdb cn=accesslog\nlogops writes\nlogsuccess TRUE\n"
    ),
}


def free_port() -> int:
    """Return a TCP port nobody listened on a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def make_certificates(directory: Path, hosts: str = "DNS:localhost,IP:127.0.0.1"):
    """Write ca.pem, server.pem/.key and client.pem/.key, all signed by the CA."""

    def openssl(*arguments: str) -> None:
        subprocess.run(
            ["openssl", *arguments],
            check=True,
            cwd=directory,
            capture_output=True,
            timeout=60,
        )

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    ca = ("-subj", "/CN=test ca", "-addext", "keyUsage=critical,keyCertSign")
    out = ("-keyout", "ca.key", "-out", "ca.pem")
    openssl("req", "-x509", *key, "-days", "2", *ca, *out)
    for name, subject, extension in (
        ("server", "/CN=localhost", f"subjectAltName={hosts}\n"),
        ("client", "/DC=com/DC=example/CN=admin", "extendedKeyUsage=clientAuth\n"),
    ):
        out = ("-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl("req", *key, "-subj", subject, *out)
        (directory / "extensions").write_text(extension)
        signer = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial")
        files = ("-extfile", "extensions", "-out", f"{name}.pem")
        openssl("x509", "-req", "-in", f"{name}.csr", *signer, "-days", "2", *files)


@dataclass
class Slapd:
    """One slapd.

    `overlays` of: memberof, memberof-dangling (refuses members that are not
    there), refint, ppolicy, accesslog.
    """

    dir: Path
    overlays: tuple[str, ...] = ()
    tls: bool = False
    limits: str = "sizelimit unlimited"
    access: str = ""
    certificate_hosts: str = "DNS:localhost,IP:127.0.0.1"
    port: int = 0
    has_syncprov: bool = True
    sasl: str = ""
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.port = self.port or free_port()
        self.tls_port = free_port() if self.tls else 0
        self.process: subprocess.Popen[bytes] | None = None
        for name in ("db", "accesslog"):
            (self.dir / name).mkdir(parents=True, exist_ok=True)
        tls = ""
        if self.tls:
            make_certificates(self.dir, self.certificate_hosts)
            tls = (
                f"TLSCACertificateFile {self.dir}/ca.pem\n"
                f"TLSCertificateFile {self.dir}/server.pem\n"
                f"TLSCertificateKeyFile {self.dir}/server.key\n"
                "TLSVerifyClient try\n"
            )
        names = {"dir": self.dir, "rootdn": ROOT_DN}
        sessionlog = (
            "syncprov-sessionlog-source cn=accesslog"
            if "accesslog" in self.overlays
            else "syncprov-sessionlog 100000"
        )
        overlays = [_OVERLAYS[name] for name in self.overlays]
        if self.has_syncprov:
            overlays.append(
                f"overlay syncprov\nsyncprov-checkpoint 100 1\n{sessionlog}\n"
            )
        schemas = ("core", "cosine", "inetorgperson", "nis", "dyngroup")
        self.conf.write_text(
            _CONF.format(
                includes="\n".join(
                    f"include /etc/ldap/schema/{s}.schema" for s in schemas
                ),
                modules="\n".join(
                    f"moduleload {name}"
                    for name in (
                        *(name.partition("-")[0] for name in self.overlays),
                        *(["syncprov"] if self.has_syncprov else []),
                    )
                ),
                limits=self.limits,
                access=self.access,
                tls=tls,
                sasl=self.sasl,
                uid=os.getuid(),
                gid=os.getgid(),
                suffix=SUFFIX,
                rootpw=ROOT_PASSWORD,
                accesslog=_ACCESSLOG.format(**names)
                if "accesslog" in self.overlays
                else "",
                overlays="\n".join(overlays),
                **names,
            )
        )

    @property
    def conf(self) -> Path:
        return self.dir / "slapd.conf"

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def ldaps(self) -> str:
        return f"ldaps://localhost:{self.tls_port}"

    @property
    def ldapi(self) -> str:
        return "ldapi://" + str(self.dir / "ldapi").replace("/", "%2F")

    @property
    def config(self) -> dict[str, object]:
        """Settings with which our plugins reach this server as its root DN."""
        return {
            "url": self.url,
            "bind_dn": ROOT_DN,
            "password": ROOT_PASSWORD,
            "base_dn": SUFFIX,
            "insecure_plain_text": True,
        }

    def load(self, ldif: str | bytes) -> None:
        """Fill the stopped server with entries (slapadd)."""
        data = ldif.encode() if isinstance(ldif, str) else ldif
        run = subprocess.run(
            [
                "/usr/sbin/slapadd",
                "-q",
                *(["-w"] if self.has_syncprov else []),
                "-f",
                self.conf,
                "-b",
                SUFFIX,
            ],
            input=data,
            capture_output=True,
            timeout=300,
            check=False,
        )
        assert run.returncode == 0, run.stderr.decode()

    def dump(self) -> str:
        """Return the whole content as LDIF (slapcat)."""
        run = subprocess.run(
            ["/usr/sbin/slapcat", "-f", self.conf, "-b", SUFFIX, "-o", "ldif-wrap=no"],
            capture_output=True,
            timeout=300,
            check=True,
        )
        return run.stdout.decode()

    def client(
        self,
        name: str,
        *arguments: str,
        input: str | bytes | None = None,  # noqa: A002 (subprocess calls it so)
    ) -> str:
        """Run ldapsearch, ldapmodify… as the root DN and return its output."""
        data = input.encode() if isinstance(input, str) else input
        run = subprocess.run(
            [
                name,
                "-H",
                self.url,
                "-x",
                "-D",
                ROOT_DN,
                "-w",
                ROOT_PASSWORD,
                *arguments,
            ],
            input=data,
            capture_output=True,
            timeout=300,
            check=False,
            env={**os.environ, "LDAPNOINIT": "1"},
        )
        assert run.returncode == 0, (arguments, run.stderr.decode())
        return run.stdout.decode()

    def ldapsearch(self, *arguments: str) -> str:
        return self.client("ldapsearch", "-LLL", "-o", "ldif-wrap=no", *arguments)

    def modify(self, ldif: str) -> None:
        self.client("ldapmodify", input=ldif)

    def start(self, timeout_seconds: float = 15.0) -> Slapd:
        assert self.process is None, "started already: the first would be left over"
        urls = f"{self.url} {self.ldapi}"
        if self.tls:
            urls += f" ldaps://127.0.0.1:{self.tls_port}"
        log_path = self.dir / "slapd.log"
        with log_path.open("ab") as log:
            # -d 0 keeps it in the foreground: no daemon, no pid to hunt for.
            self.process = subprocess.Popen(
                [SLAPD or "slapd", "-f", self.conf, "-h", urls, "-d", "0"],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "LDAPNOINIT": "1", **self.environment},
            )
        deadline = time.monotonic() + timeout_seconds
        while True:
            assert self.process.poll() is None, log_path.read_text()
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 0.5).close()
                return self
            assert time.monotonic() < deadline, "slapd did not listen"
            time.sleep(0.005)

    def kill(self) -> None:
        """End the server as a power cut would."""
        if self.process:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
            self.process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

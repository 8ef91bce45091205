"""Oracle's error codes for people: what is wrong, and what to do about it.

Codes: Oracle Database Error Messages 19c (ORA-), python-oracledb documentation,
"Error Handling" (DPY-). `explain` is the only place where a code meets a text;
the connection, the tap and the target all raise what it returns.
"""

from __future__ import annotations

import re
import socket

import oracledb
from flext_singer.errors import FlextError

TRANSIENT = frozenset(
    {
        "ORA-00018",  # maximum number of sessions exceeded
        "ORA-00020",  # maximum number of processes exceeded
        "ORA-00054",  # resource busy
        "ORA-00060",  # deadlock
        "ORA-00061",
        "ORA-00104",
        "ORA-01012",  # not logged on
        "ORA-01033",  # initialisation or shutdown in progress
        "ORA-01034",  # not available
        "ORA-01089",  # immediate shutdown in progress
        "ORA-01090",
        "ORA-01092",
        "ORA-02396",  # exceeded maximum idle time
        "ORA-03113",  # end of file on communication channel
        "ORA-03114",
        "ORA-03135",
        "ORA-08177",  # cannot serialise access
        "ORA-12153",
        "ORA-12170",  # connect timeout
        "ORA-12514",  # the service is not registered (yet)
        "ORA-12516",
        "ORA-12518",
        "ORA-12519",
        "ORA-12520",
        "ORA-12528",
        "ORA-12537",
        "ORA-12541",  # no listener
        "ORA-12547",
        "ORA-12570",
        "ORA-12571",
        "ORA-12757",
        "ORA-25408",
        "DPY-1001",  # not connected
        "DPY-4005",  # pool: timed out waiting for a connection
        "DPY-4011",  # the database or network closed the connection
        "DPY-6001",  # the service is not registered with the listener
        "DPY-6005",  # cannot connect
        "DPY-6000",
    }
)

SNAPSHOT_LOST = frozenset({"ORA-01555", "ORA-01466", "ORA-08180", "ORA-08181"})
NOT_GRANTED = frozenset({"ORA-00942", "ORA-01031", "ORA-00904", "ORA-06550"})
BAD_ROW = frozenset(
    {
        "ORA-00001",
        "ORA-01400",
        "ORA-01407",
        "ORA-01401",
        "ORA-01426",
        "ORA-01438",
        "ORA-01461",
        "ORA-01722",
        "ORA-01830",
        "ORA-01840",
        "ORA-01841",
        "ORA-01847",
        "ORA-01858",
        "ORA-01861",
        "ORA-01899",
        "ORA-02290",
        "ORA-02291",
        "ORA-02292",
        "ORA-06502",
        "ORA-12899",
        "ORA-14400",
        "ORA-30926",
        "ORA-40441",
        "ORA-02359",
        "DPY-4003",
        "DPY-4004",
        "DPY-4014",
        "DPY-8001",
    }
)

FIXES = {
    "ORA-00001": "two records carry the same key; look at key_properties",
    "ORA-00904": "a column is gone or renamed; run discovery again",
    "ORA-00942": (
        "check the name, or let a DBA grant it: GRANT SELECT ON <schema>.<table> TO"
        " <user> (for a target: INSERT, UPDATE, DELETE too)"
    ),
    "ORA-00955": "another object has this name; choose another table_prefix",
    "ORA-00972": "shorten the name with table_name_mappings or column_mappings",
    "ORA-01017": "check username and password; the account was not tried again",
    "ORA-01031": (
        "a privilege is missing; let a DBA grant it (for a target: CREATE TABLE;"
        " for a snapshot: FLASHBACK on the table)"
    ),
    "ORA-01045": "let a DBA grant it: GRANT CREATE SESSION TO <user>",
    "ORA-01400": "a required column got no value; an empty text is NULL in Oracle",
    "ORA-01438": "widen the column, or map its type with column_type_overrides",
    "ORA-01466": (
        "the table changed after the snapshot began; run again, or set"
        " snapshot_fallback to current"
    ),
    "ORA-01536": "the quota is used up: ALTER USER <user> QUOTA UNLIMITED ON <space>",
    "ORA-01555": (
        "undo was overwritten; raise UNDO_RETENTION, read less at a time"
        " (parallel_jobs, partition), or set snapshot_fallback to current"
    ),
    "ORA-01653": "the tablespace is full: let a DBA add a datafile or space",
    "ORA-01652": "the temporary tablespace is full: let a DBA add space",
    "ORA-01654": "the tablespace is full: let a DBA add a datafile or space",
    "ORA-01658": "the tablespace is full: let a DBA add a datafile or space",
    "ORA-01659": "the tablespace is full: let a DBA add a datafile or space",
    "ORA-01688": "the tablespace is full: let a DBA add a datafile or space",
    "ORA-01691": "the tablespace is full: let a DBA add a datafile or space",
    "ORA-01950": "let a DBA grant it: ALTER USER <user> QUOTA UNLIMITED ON <space>",
    "ORA-12154": "the alias is not in tnsnames.ora; set config_dir to its directory",
    "ORA-12505": "the listener does not know this SID; check sid, or use service_name",
    "ORA-12514": "the listener does not know this service; check service_name",
    "ORA-12541": "nothing listens there; check host and port",
    "ORA-12899": "a text is longer than its column; widen it, or use a CLOB",
    "ORA-28000": "the account is locked; let a DBA unlock it",
    "ORA-28001": "the password has expired; let the user change it",
    "ORA-28040": "the account has only old password verifiers; reset its password",
    "ORA-30036": "undo is full: commit smaller batches, or let a DBA add space",
    "ORA-30926": "two records carry the same key; look at key_properties",
    "DPY-2027": "check the dsn; an alias needs config_dir with its tnsnames.ora",
    "DPY-3001": "thin mode cannot do this; set thick_mode and lib_dir",
    "DPY-3010": "the server is older than 12.1; set thick_mode and lib_dir",
    "DPY-3015": "the account has only old password verifiers; reset its password",
    "DPY-4000": "the alias is not in tnsnames.ora; set config_dir to its directory",
    "DPY-4001": "set username and password",
    "DPY-4005": "raise pool_max, or lower parallel_jobs",
    "DPY-4011": "the network or the server cut the connection; look at its alert log",
    "DPY-4024": "raise request_timeout_seconds, or look for locks on the server",
    "DPY-4026": "set config_dir to the directory of tnsnames.ora",
    "DPY-4027": "set config_dir to the directory of tnsnames.ora",
    "DPY-6000": "the listener refused; check service_name and the listener's log",
    "DPY-6001": "the listener does not know this service; check service_name",
    "DPY-6002": "the certificate has another name; check ssl_server_cert_dn",
    "DPY-6003": "the listener does not know this SID; check sid, or use service_name",
    "DPY-6005": "nothing answers there; check host, port and the firewall",
    "DPY-6006": "the certificate has another name; check ssl_server_cert_dn",
}

CODE = re.compile(r"\b(ORA|DPY|DPI)-(\d{4,5})\b")


class OracleError(FlextError):
    """An error in three parts, with Oracle's code beside them.

    Attributes:
        code: ``ORA-nnnnn``, ``DPY-nnnn`` or an empty string.
        is_transient: Whether the same request may succeed a little later.
    """

    def __init__(
        self, what: str, where: str = "", fix: str = "", code: str = ""
    ) -> None:
        super().__init__(what, where=where, fix=fix)
        self.code = code
        self.is_transient = code in TRANSIENT


def code_of(error: BaseException) -> str:
    """Oracle's code of an exception, or an empty string.

    A driver error often wraps the server's: the server's code is the better one
    unless it only says that the connection is gone.
    """
    if isinstance(error, OracleError):
        return error.code
    if isinstance(error, socket.gaierror):
        return "DPY-6005"
    detail = error.args[0] if error.args else None
    if isinstance(error, oracledb.Error):
        full = str(getattr(detail, "full_code", None) or "")
        if full == "DPY-4011" and "previous socket timeout" in str(error):
            return "DPY-4024"  # the call timed out, and so did taking it back
        if full == "DPY-6005":
            # Not reached, or reached and refused: the cause stands behind.
            causes = [m[0] for m in CODE.finditer(str(error)) if m[0] != full]
            return causes[-1] if causes else full
        if full:
            return full
    found = CODE.search(str(error))
    return found[0] if found else ""


def first_line(error: BaseException) -> str:
    """The driver's message on one line, without its help links."""
    kept = [
        line.strip()
        for line in str(error).splitlines()
        if line.strip() and not line.startswith("Help:")
    ]
    return " ".join(kept)


def explain(error: BaseException, where: str = "") -> OracleError:
    """The three-part error for a driver's exception."""
    if isinstance(error, OracleError):
        return error
    code = code_of(error)
    what = first_line(error)
    if code and code not in what:
        what = f"{code}: {what}"
    fix = FIXES.get(code, "look the code up at docs.oracle.com/error-help/db")
    return OracleError(what, where, fix, code)

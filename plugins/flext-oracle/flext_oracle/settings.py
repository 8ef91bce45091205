"""Settings that tap and target share, and the other names that people hold for them.

`canonical` is called before validation: whatever generation of configuration
arrives, the rest of the package sees one name per setting.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from singer_sdk import typing as th

if TYPE_CHECKING:
    from collections.abc import Mapping

ALIASES: dict[str, str] = {
    "oracle_host": "host",
    "oracle_port": "port",
    "oracle_user": "username",
    "oracle_username": "username",
    "user": "username",
    "oracle_password": "password",
    "oracle_service": "service_name",
    "oracle_service_name": "service_name",
    "database": "service_name",
    "oracle_sid": "sid",
    "tns": "dsn",
    "ssl_wallet_location": "wallet_location",
    "ssl_wallet_password": "wallet_password",
    "pool_min_size": "pool_min",
    "pool_max_size": "pool_max",
    "pool_size": "pool_max",
    "connection_timeout": "connect_timeout_seconds",
    "query_timeout": "request_timeout_seconds",
    "timeout": "request_timeout_seconds",
}

CONNECTION_PROPERTIES: tuple[th.Property[Any], ...] = (
    th.Property("host", th.StringType, description="Host name of the listener."),
    th.Property(
        "port", th.IntegerType, default=1521, description="Port of the listener."
    ),
    th.Property("service_name", th.StringType, description="Service to connect to."),
    th.Property(
        "sid", th.StringType, description="Instance to connect to, without a service."
    ),
    th.Property(
        "dsn",
        th.StringType,
        description=(
            "Easy Connect string, full descriptor or TNS alias, in place of host, port"
            " and service_name."
        ),
    ),
    th.Property(
        "config_dir",
        th.StringType,
        description="Directory of the tnsnames.ora in which dsn is an alias.",
    ),
    th.Property(
        "protocol",
        th.StringType,
        default="tcp",
        allowed_values=["tcp", "tcps"],
        description="tcps encrypts the connection.",
    ),
    th.Property("username", th.StringType, description="Who logs in."),
    th.Property(
        "password", th.StringType, secret=True, description="Password of username."
    ),
    th.Property(
        "proxy_user",
        th.StringType,
        description="Schema owner to act as, through username's proxy right.",
    ),
    th.Property(
        "wallet_location",
        th.StringType,
        description="Directory that holds ewallet.pem, for tcps.",
    ),
    th.Property(
        "wallet_password",
        th.StringType,
        secret=True,
        description="Password of the wallet.",
    ),
    th.Property(
        "ssl_server_dn_match",
        th.BooleanType,
        default=True,
        description=(
            "Whether the server's certificate must carry its name; false also needs"
            " insecure_skip_dn_match."
        ),
    ),
    th.Property(
        "ssl_server_cert_dn",
        th.StringType,
        description="Distinguished name that the server's certificate must carry.",
    ),
    th.Property(
        "insecure_skip_dn_match",
        th.BooleanType,
        default=False,
        description="Confirms ssl_server_dn_match: false; anyone may answer then.",
    ),
    th.Property(
        "pool_min", th.IntegerType, default=1, description="Connections held open."
    ),
    th.Property(
        "pool_max",
        th.IntegerType,
        default=4,
        description="Connections at most; never less than parallel_jobs + 1.",
    ),
    th.Property(
        "connect_timeout_seconds",
        th.NumberType,
        default=20,
        description="Longest wait for the listener's answer.",
    ),
    th.Property(
        "thick_mode",
        th.BooleanType,
        default=False,
        description="Use Oracle's client libraries (old servers, native encryption).",
    ),
    th.Property(
        "lib_dir",
        th.StringType,
        description="Directory of Oracle's client libraries, for thick_mode.",
    ),
    th.Property(
        "module",
        th.StringType,
        description=(
            "What a DBA sees in V$SESSION.MODULE; by default the pipeline's name."
        ),
    ),
    th.Property(
        "action",
        th.StringType,
        description="What a DBA sees in V$SESSION.ACTION; by default the step's name.",
    ),
    th.Property(
        "client_identifier",
        th.StringType,
        description=(
            "What a DBA sees in V$SESSION.CLIENT_IDENTIFIER; by default the run's"
            " correlation id."
        ),
    ),
)


def canonical(
    config: Mapping[str, Any], more: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The same settings under this package's names.

    Args:
        config: Settings as given; a nested ``oracle_config`` is laid flat.
        more: Further aliases of the tap or the target.

    Returns:
        A new mapping. A setting given under its own name wins over its aliases.
    """
    aliases = {**ALIASES, **(more or {})}
    given = dict(config)
    for nested in ("oracle_config", "connection"):
        inner = given.pop(nested, None)
        if isinstance(inner, dict):
            given = {**inner, **given}
    if "use_ssl" in given or "ssl_enabled" in given:
        wanted = given.pop("use_ssl", None) or given.pop("ssl_enabled", None)
        if wanted:
            given.setdefault("protocol", "tcps")
    if given.pop("disable_dn_matching", None):
        given.setdefault("ssl_server_dn_match", False)
    out: dict[str, Any] = {}
    for name, value in given.items():
        target = aliases.get(name, name)
        if target != name and (given.get(target) is not None or value is None):
            continue
        if out.get(target) is None:
            out[target] = value
    return out


def session_tags(config: Mapping[str, Any], program: str) -> dict[str, str]:
    """What a DBA sees about a session: module, action, client_identifier.

    The event hook and the generator set the FLEXCORE_ variables; outside of them
    the program's name is what is left to say.
    """
    environment = os.environ.get
    module = config.get("module") or environment("FLEXCORE_PIPELINE") or program
    action = config.get("action") or environment("FLEXCORE_STEP") or program
    identifier = (
        config.get("client_identifier")
        or environment("FLEXCORE_CORRELATION_ID")
        or environment("MELTANO_RUN_ID")
        or ""
    )
    # V$SESSION holds 64 bytes of each (Oracle Database Reference 19c, V$SESSION).
    return {
        "module": str(module)[:64],
        "action": str(action)[:64],
        "client_identifier": str(identifier)[:64],
    }

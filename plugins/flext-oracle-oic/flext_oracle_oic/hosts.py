"""Hosts that credentials may go to: those of the settings, and one of Oracle's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from flext_oracle_oic.errors import OicError

if TYPE_CHECKING:
    from collections.abc import Mapping

_INSTANCE_HOST = re.compile(
    r"[a-z0-9-]+\.integration\.(?P<region>[a-z0-9-]+)\.ocp\.oraclecloud\.com\Z"
)


def is_design_host(parts: SplitResult, origin: str) -> bool:
    """Whether an address is the design host of the region that `origin` is in."""
    ours = _INSTANCE_HOST.match(urlsplit(origin).hostname or "")
    return (
        ours is not None
        and parts.scheme == "https"
        and parts.port in {None, 443}
        and parts.hostname == f"design.integration.{ours['region']}.ocp.oraclecloud.com"
    )


def checked_origin(config: Mapping[str, Any], setting: str) -> str:
    """`scheme://host[:port]` of an address that may be given secrets."""
    address = str(config[setting])
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise OicError(
            f"{address!r} is no address",
            where=f"setting {setting}",
            fix="write https://<host>",
        )
    if parts.username or parts.password:
        raise OicError(
            "it holds a user name or password",
            where=f"setting {setting}",
            fix="put them into oauth_client_id and oauth_client_secret",
        )
    if parts.scheme == "http" and not config.get("insecure_http", False):
        raise OicError(
            "it is http: credentials would travel in the clear",
            where=f"setting {setting}",
            fix="use https, or set insecure_http to true for a test server",
        )
    return f"{parts.scheme}://{parts.netloc}"

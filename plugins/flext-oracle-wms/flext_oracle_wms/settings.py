"""Settings that tap and target share: how to reach an environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_sdk import typing as th

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ALIASES = {
    "wms_username": "username",
    "wms_password": "password",
    "oauth_token_endpoint": "oauth_token_url",
    "wms_api_version": "api_version",
    "ssl_ca_file": "ca_file",
}
GRANTS = ("password", "client_credentials", "refresh_token")

CONNECTION = (
    th.Property(
        "base_url",
        th.StringType,
        required=True,
        title="Base URL",
        description="https://host/environment; /wms/lgfapi/v10 is added.",
    ),
    th.Property(
        "auth_method",
        th.StringType,
        default="basic",
        allowed_values=["basic", "oauth2"],
        title="Authentication",
        description="How to log in.",
    ),
    th.Property(
        "username",
        th.StringType,
        title="User name",
        description="The WMS user, for basic and for the password grant.",
    ),
    th.Property(
        "password",
        th.StringType,
        secret=True,
        title="Password",
        description="Password of username.",
    ),
    th.Property(
        "oauth_grant",
        th.StringType,
        default="client_credentials",
        allowed_values=list(GRANTS),
        title="OAuth grant",
        description="Which grant asks for a token; Oracle documents password.",
    ),
    th.Property(
        "oauth_client_id",
        th.StringType,
        title="OAuth client",
        description="Client that asks for tokens.",
    ),
    th.Property(
        "oauth_client_secret",
        th.StringType,
        secret=True,
        title="OAuth client secret",
        description="Secret of the client.",
    ),
    th.Property(
        "oauth_token_url",
        th.StringType,
        title="OAuth token URL",
        description="Where tokens are asked for; default <base_url>/api/oauth2/token/.",
    ),
    th.Property(
        "oauth_scope",
        th.StringType,
        title="OAuth scope",
        description=(
            "Scope that is asked for, for example"
            " urn:resource:fusion:scm:logistics:wms:lgfapi/."
        ),
    ),
    th.Property(
        "oauth_refresh_token",
        th.StringType,
        secret=True,
        title="OAuth refresh token",
        description="First token of the refresh_token grant.",
    ),
    th.Property(
        "api_version",
        th.StringType,
        default="v10",
        title="API version",
        description="Version in the path of the REST API.",
    ),
    th.Property(
        "company_code",
        th.StringType,
        title="Company code",
        description="Company that records are limited to; * for all.",
    ),
    th.Property(
        "facility_code",
        th.StringType,
        title="Facility code",
        description="Facility that records are limited to; * for all.",
    ),
    th.Property(
        "max_requests_per_minute",
        th.NumberType,
        title="Requests per minute",
        description="Upper limit of requests; Oracle publishes none.",
    ),
    th.Property(
        "ca_file",
        th.StringType,
        title="CA file",
        description="Certificates that the server's is checked against.",
    ),
    th.Property(
        "insecure_tls",
        th.BooleanType,
        default=False,
        title="Skip TLS checks",
        description="Accept any certificate; only for test servers.",
    ),
    th.Property(
        "insecure_http",
        th.BooleanType,
        default=False,
        title="Allow http",
        description="Send credentials unencrypted; only for test servers.",
    ),
)


def canonical(
    config: Mapping[str, Any], aliases: Mapping[str, str], lists: Sequence[str]
) -> dict[str, Any]:
    """The same settings under this package's names, texts with commas as lists.

    A setting given under its own name wins over its alias. The words that FLEXT
    users hold for `auth_method` (oauth2_password and so on) name the grant.
    """
    out = {name: value for name, value in config.items() if name not in aliases}
    for alias, name in aliases.items():
        if config.get(alias) is not None and out.get(name) is None:
            out[name] = config[alias]
    method = str(out.get("auth_method") or "basic")
    if method.startswith(("oauth2_", "oauth_")):
        out["auth_method"] = "oauth2"
        out.setdefault("oauth_grant", method.split("_", 1)[1])
    elif method in {"oauth", "oauth2"}:
        out["auth_method"] = "oauth2"
    for name in lists:
        if isinstance(out.get(name), str):
            out[name] = names_of(out[name])
    return out


def problems(config: Mapping[str, Any]) -> list[str]:
    """Sentences about settings that do not go together."""
    needed = {
        "basic": ("username", "password"),
        "password": (
            "oauth_client_id",
            "oauth_client_secret",
            "username",
            "password",
        ),
        "client_credentials": ("oauth_client_id", "oauth_client_secret"),
        "refresh_token": (
            "oauth_client_id",
            "oauth_client_secret",
            "oauth_refresh_token",
        ),
    }
    method = config.get("auth_method", "basic")
    if method != "basic":
        method = config.get("oauth_grant", "client_credentials")
    return [
        f"{name} is missing: {method} needs it"
        for name in needed.get(method, ())
        if not config.get(name)
    ]


def names_of(value: object) -> list[str]:
    """A list of names that may come as one text with commas."""
    if value is None:
        return []
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list):
        return []
    return [str(name).strip() for name in value if str(name).strip()]

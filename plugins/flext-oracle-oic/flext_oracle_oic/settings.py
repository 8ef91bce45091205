"""Settings that tap and target share: how to reach a service instance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_sdk import typing as th

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ALIASES = {
    "oic_url": "base_url",
    "instance_id": "integration_instance",
    "oauth_token_endpoint": "oauth_token_url",
    "ssl_ca_file": "ca_file",
}

CONNECTION = (
    th.Property(
        "base_url",
        th.StringType,
        required=True,
        title="Base URL",
        description="https address of the instance, or of the region's design host.",
    ),
    th.Property(
        "integration_instance",
        th.StringType,
        title="Integration instance",
        description=(
            "Name of the service instance (About in the console); Integration 3 asks"
            " for it, Gen 2 does not."
        ),
    ),
    th.Property(
        "design_url",
        th.StringType,
        title="Design URL",
        description=(
            "Where design calls go; default base_url, and from there where"
            " Integration 3 redirects to within the region."
        ),
    ),
    th.Property(
        "auth_method",
        th.StringType,
        default="oauth2",
        allowed_values=["oauth2", "basic"],
        title="Authentication",
        description="oauth2, or basic with Gen 2.",
    ),
    th.Property(
        "oauth_grant",
        th.StringType,
        default="client_credentials",
        allowed_values=["client_credentials", "jwt_assertion"],
        title="OAuth grant",
        description="client_credentials, or jwt_assertion with oauth_assertion.",
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
        "oauth_client_auth",
        th.StringType,
        default="basic",
        allowed_values=["basic", "body"],
        title="OAuth client authentication",
        description="Whether the client shows itself in a header or in the form.",
    ),
    th.Property(
        "oauth_token_url",
        th.StringType,
        title="OAuth token URL",
        description="https://idcs-….identity.oraclecloud.com/oauth2/v1/token.",
    ),
    th.Property(
        "oauth_scope",
        th.StringType,
        title="OAuth scope",
        description=(
            "Audience of the instance and :443/ic/api/, or the audience and"
            " :443urn:opc:resource:consumer::all."
        ),
    ),
    th.Property(
        "oauth_assertion",
        th.StringType,
        secret=True,
        title="OAuth assertion",
        description="Signed JWT of the user, for the grant jwt_assertion.",
    ),
    th.Property("username", th.StringType, title="User name", description="For basic."),
    th.Property(
        "password",
        th.StringType,
        secret=True,
        title="Password",
        description="Password of username.",
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
    config: Mapping[str, Any], aliases: Mapping[str, str], lists: Sequence[str] = ()
) -> dict[str, Any]:
    """The same settings under this package's names, texts with commas as lists."""
    out = {name: value for name, value in config.items() if name not in aliases}
    for alias, name in aliases.items():
        if config.get(alias) is not None and out.get(name) is None:
            out[name] = config[alias]
    for name in lists:
        if isinstance(out.get(name), str):
            out[name] = [word.strip() for word in out[name].split(",") if word.strip()]
    return out


def problems(config: Mapping[str, Any]) -> list[str]:
    """Sentences about settings that do not go together."""
    needed = ["oauth_client_id", "oauth_client_secret", "oauth_token_url"]
    if config.get("auth_method") == "basic":
        needed = ["username", "password"]
    elif config.get("oauth_grant") == "jwt_assertion":
        needed.append("oauth_assertion")
    method = config.get("auth_method") or "oauth2"
    found = [
        f"{name} is missing: auth_method {method} needs it"
        for name in needed
        if not config.get(name)
    ]
    token_url = str(config.get("oauth_token_url") or "https:")
    if not token_url.startswith("https:") and not config.get("insecure_http"):
        found.append(
            "oauth_token_url is not https: the client's secret would travel in the"
            " clear; for a test server set insecure_http"
        )
    return found

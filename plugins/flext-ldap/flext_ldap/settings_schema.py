"""The settings that tap and target share, as the SDK wants them declared."""

from __future__ import annotations

from singer_sdk import typing as th

from flext_ldap.connection_settings import AUTH_METHODS

# No defaults on settings that have an older name: a default would hide the
# value given under the other name.
CONNECTION = (
    th.Property(
        "url",
        th.CustomType(
            {"type": ["string", "array", "null"], "items": {"type": "string"}}
        ),
        title="URL",
        description=(
            "ldaps://, ldap:// or ldapi:// address, or a list of them that is tried "
            "in order."
        ),
    ),
    th.Property(
        "host",
        th.StringType,
        title="Host",
        description="Host name, or several separated by commas, when there is no url.",
    ),
    th.Property(
        "port",
        th.IntegerType,
        title="Port",
        description="Port, when there is no url; 389, or 636 with use_ssl.",
    ),
    th.Property(
        "use_ssl",
        th.BooleanType,
        title="LDAPS",
        description="Speak TLS from the first byte, when there is no url.",
    ),
    th.Property(
        "start_tls",
        th.BooleanType,
        title="StartTLS",
        description="Turn to TLS on an ldap:// connection; never go on without.",
    ),
    th.Property(
        "use_tls", th.BooleanType, title="StartTLS", description="Alias of start_tls."
    ),
    th.Property(
        "ca_file",
        th.StringType,
        title="CA file",
        description="PEM file of the CAs that are trusted; unset, the system's.",
    ),
    th.Property(
        "client_certificate",
        th.StringType,
        title="Client certificate",
        description="PEM file of the certificate we show (auth_method external).",
    ),
    th.Property(
        "client_key",
        th.StringType,
        title="Client key",
        description="PEM file of the key of client_certificate, when it is not inside.",
    ),
    th.Property(
        "auth_method",
        th.StringType,
        allowed_values=list(AUTH_METHODS),
        title="Authentication method",
        description=(
            "simple (bind_dn and password), external (client certificate, or the "
            "local user over ldapi://), digest_md5 (sasl_username and password), "
            "gssapi (Kerberos: the ticket cache or keytab of the environment), or "
            "anonymous. Unset: simple if there is a bind_dn."
        ),
    ),
    th.Property(
        "sasl_username",
        th.StringType,
        title="SASL user name",
        description="Who logs in by digest_md5.",
    ),
    th.Property(
        "sasl_realm",
        th.StringType,
        title="SASL realm",
        description="Realm for digest_md5; unset, the first that the server offers.",
    ),
    th.Property("bind_dn", th.StringType, title="Bind DN", description="Who logs in."),
    th.Property(
        "password",
        th.StringType,
        secret=True,
        title="Password",
        description="Password of bind_dn.",
    ),
    th.Property(
        "bind_password",
        th.StringType,
        secret=True,
        title="Password",
        description="Alias of password.",
    ),
    th.Property(
        "base_dn",
        th.StringType,
        title="Base DN",
        description="The subtree to work in, such as dc=example,dc=com.",
    ),
    th.Property(
        "search_base", th.StringType, title="Base DN", description="Alias of base_dn."
    ),
    th.Property(
        "page_size",
        th.IntegerType,
        default=1000,
        title="Page size",
        description="Entries per page of the paged results control; 0 turns it off.",
    ),
    th.Property(
        "connect_timeout_seconds",
        th.NumberType,
        default=10,
        title="Connect timeout (seconds)",
        description="How long one host may take to accept a connection.",
    ),
    th.Property(
        "request_timeout_seconds",
        th.NumberType,
        default=60,
        title="Request timeout (seconds)",
        description="The longest wait for one message of the server.",
    ),
    th.Property(
        "max_message_bytes",
        th.IntegerType,
        default=1 << 28,
        title="Largest message (bytes)",
        description="A larger message of the server is refused before it is read.",
    ),
    th.Property(
        "insecure_plain_text",
        th.BooleanType,
        default=False,
        title="Allow plain text",
        description="Send passwords without TLS. For test servers on loopback.",
    ),
    th.Property(
        "insecure_skip_verify",
        th.BooleanType,
        default=False,
        title="Skip certificate check",
        description="Take any certificate of the server. Anyone can pose as it then.",
    ),
)

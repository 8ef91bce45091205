"""Where a link of the service may lead: to the same host, and nowhere else.

`next_page` is absolute, and its host can be written with or without the port, or
with another scheme than ours when a proxy stands in between (WMS REST API Guide 25B
shows `:443`). The request always goes to the configured origin; the link only gives
path and query, verbatim. A link to another host is refused, so credentials cannot
leave.
"""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from flext_oracle_wms.errors import WmsError

DEFAULT_PORTS = {"http": 80, "https": 443}


def path_of_link(link: str, origin: str, page: str = "") -> str:
    """Gives a link's path and query when it leads to our origin's host.

    Args:
        link: An absolute URL, or a path, as the service sent it.
        origin: `scheme://host[:port]` of the configured base URL.
        page: Path of the page that bears the link: what is relative begins there
            (RFC 3986 §5.2).

    Raises:
        WmsError: The link leads to another host or to another service's port.
    """
    parts = urlsplit(urljoin(page, link))
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    if not parts.netloc:
        if not parts.path.startswith("/"):
            raise WmsError(f"the service sent a link that is no URL: {link[:200]!r}")
        return path
    ours = urlsplit(origin)
    our_port = ours.port or DEFAULT_PORTS[ours.scheme]
    try:
        # A port that a proxy left out, or 80 and 443 written out, say nothing.
        is_ours = parts.scheme in DEFAULT_PORTS and (
            parts.port in {None, our_port, *DEFAULT_PORTS.values()}
        )
    except ValueError:
        is_ours = False
    if not is_ours or (parts.hostname or "").lower() != (ours.hostname or "").lower():
        raise WmsError(
            f"the service sent a link to another host: {parts.scheme}://"
            f"{parts.hostname}; only {origin} gets this connection's credentials",
            fix="set base_url to that host if it is the right one",
        )
    return path

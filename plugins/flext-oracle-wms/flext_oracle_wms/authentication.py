"""Basic and OAuth2 for WMS Cloud, as httpx authentication flows.

Sources: WMS REST API Guide 25B ("Authentication"), technical configuration for
OAuth2 (22A), RFC 6749 §4.3, §4.4, §6. Which grants and scopes a given environment
takes is not documented in full: both are settings.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import httpx

from flext_oracle_wms.errors import AuthenticationError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

# A token is renewed this long before it ends, so that no request meets its end.
RENEW_EARLY_SECONDS = 30.0
DEFAULT_LIFETIME_SECONDS = 3600.0


class BearerAuth(httpx.Auth):
    """Adds a token; on one 401 gets a new one and repeats the request once.

    Thread-safe: several requests that meet an ended token share one renewal.
    """

    requires_response_body = False

    def __init__(
        self, fetch: Callable[[], tuple[str, float]], clock: Callable[[], float]
    ) -> None:
        """Takes a function that gives (token, lifetime in seconds)."""
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._token = ""
        self._ends_at = 0.0

    def auth_flow(
        self, request: httpx.Request
    ) -> Generator[httpx.Request, httpx.Response, None]:
        """Sends the request, and once more with a new token after a 401."""
        token = self._current(refused="")
        request.headers["Authorization"] = f"Bearer {token}"
        response = yield request
        if response.status_code == httpx.codes.UNAUTHORIZED:
            request.headers["Authorization"] = f"Bearer {self._current(refused=token)}"
            yield request

    def _current(self, refused: str) -> str:
        with self._lock:
            is_ending = self._clock() >= self._ends_at
            if not self._token or self._token == refused or is_ending:
                self._token, lifetime = self._fetch()
                # A short-lived token is still used for half of its life.
                early = min(RENEW_EARLY_SECONDS, lifetime / 2)
                self._ends_at = self._clock() + lifetime - early
            return self._token


def token_fetcher(
    config: Mapping[str, Any], client: httpx.Client, token_url: str
) -> Callable[[], tuple[str, float]]:
    """Gives the function that asks the token endpoint.

    Args:
        config: oauth_grant, oauth_client_id, oauth_client_secret, oauth_scope,
            username, password, oauth_refresh_token.
        client: A client without authentication that follows no redirects.
        token_url: Absolute URL of the token endpoint.
    """
    grant = config.get("oauth_grant", "client_credentials")
    latest = {"refresh_token": config.get("oauth_refresh_token", "")}

    def fetch() -> tuple[str, float]:
        form = {"grant_type": grant}
        if config.get("oauth_scope"):
            form["scope"] = config["oauth_scope"]
        if grant == "password":
            form |= {"username": config["username"], "password": config["password"]}
        if grant == "refresh_token":
            form["refresh_token"] = latest["refresh_token"]
        client_id, secret = config["oauth_client_id"], config["oauth_client_secret"]
        try:
            response = client.post(token_url, data=form, auth=(client_id, secret))
        except httpx.HTTPError as error:
            raise AuthenticationError(
                f"no token from {token_url}: {error or type(error).__name__}."
                " Check oauth_token_url and the network"
            ) from error
        token, lifetime = read_token(response, token_url)
        try:
            latest["refresh_token"] = response.json()["refresh_token"]
        except (KeyError, TypeError):
            pass  # the old one stays good (RFC 6749 §6)
        return token, lifetime

    return fetch


def read_token(response: httpx.Response, token_url: str) -> tuple[str, float]:
    """Reads the token endpoint's answer; `expires_in` may be text or missing."""
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict) or "access_token" not in body:
        known = body if isinstance(body, dict) else {}
        why = known.get("error_description") or known.get("error") or "no token in it"
        raise AuthenticationError(
            f"the token endpoint {token_url} answered {response.status_code}: {why}."
            " Check oauth_client_id, oauth_client_secret and oauth_scope"
        )
    try:
        lifetime = float(body.get("expires_in") or DEFAULT_LIFETIME_SECONDS)
    except (TypeError, ValueError):
        lifetime = DEFAULT_LIFETIME_SECONDS
    return str(body["access_token"]), lifetime


def make_auth(
    config: Mapping[str, Any], token_client: httpx.Client, base_url: str
) -> httpx.Auth:
    """The authentication of a connection, by its `auth_method`."""
    if config.get("auth_method", "basic") == "basic":
        return httpx.BasicAuth(config["username"], config["password"])
    token_url = config.get("oauth_token_url") or f"{base_url}/api/oauth2/token/"
    return BearerAuth(token_fetcher(config, token_client, token_url), time.monotonic)

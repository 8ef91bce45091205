"""OAuth for Integration Cloud, and Basic for Gen 2, as httpx authentication flows.

Sources: "Invoke Oracle Integration Developer APIs", RFC 6749 §4.4 (client credentials),
RFC 7523 §2.1 (JWT user assertion). Integration 3 takes OAuth only.
"""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import httpx

from flext_oracle_oic.answers import TRANSIENT_STATUS, Answer, bounded, retry_after
from flext_oracle_oic.errors import AuthenticationError, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

# A token is renewed this long before it ends, so that no request meets its end.
RENEW_EARLY_SECONDS = 30.0
DEFAULT_LIFETIME_SECONDS = 3600.0
TOKEN_ATTEMPTS = 4
MAX_TOKEN_BYTES = 2**20
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class BearerAuth(httpx.Auth):
    """Adds a token; on one 401 gets a new one and repeats the request once.

    Thread-safe: several requests that meet an ended token share one renewal.

    Args:
        fetch: Gives (token, lifetime in seconds).
        clock: Monotonic seconds.
    """

    requires_response_body = False

    def __init__(
        self, fetch: Callable[[], tuple[str, float]], clock: Callable[[], float]
    ) -> None:
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


class TokenEndpoint:
    """Asks for tokens.

    Args:
        config: oauth_grant, oauth_client_id, oauth_client_secret, oauth_client_auth,
            oauth_scope, oauth_assertion, oauth_token_url.
        client: A client without authentication that follows no redirects.
        sleep: How waiting is done.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        client: httpx.Client,
        sleep: Callable[[float], None],
    ) -> None:
        self._config = config
        self._client = client
        self._url = str(config["oauth_token_url"])
        self._sleep = sleep

    def fetch(self) -> tuple[str, float]:
        """Gives a new token and its lifetime in seconds.

        Raises:
            AuthenticationError: The endpoint refused, or answered no token.
            TransientError: It cannot be reached for now.
        """
        config = self._config
        form = {"grant_type": "client_credentials"}
        if config.get("oauth_scope"):
            form["scope"] = config["oauth_scope"]
        if config.get("oauth_grant") == "jwt_assertion":
            form |= {"grant_type": JWT_GRANT, "assertion": config["oauth_assertion"]}
        return read_token(self._post(form), self._url)

    def _ask(self, form: dict[str, str], headers: dict[str, str]) -> Answer:
        with self._client.stream(
            "POST", self._url, data=form, headers=headers
        ) as response:
            where = f"token endpoint {self._url}"
            body = bounded(response.iter_bytes(), where, MAX_TOKEN_BYTES)
            return Answer("POST", response.status_code, response.headers, body)

    def _post(self, form: dict[str, str]) -> Answer:
        """Sends the form, and again while the endpoint is only busy."""
        secret = (self._config["oauth_client_id"], self._config["oauth_client_secret"])
        headers = {}
        if self._config.get("oauth_client_auth") == "body":
            form = {**form, "client_id": secret[0], "client_secret": secret[1]}
        else:
            request = httpx.Request("POST", self._url)
            flow = httpx.BasicAuth(*secret).auth_flow(request)
            headers = {"Authorization": next(flow).headers["Authorization"]}
        failure = ""
        for attempt in range(TOKEN_ATTEMPTS):
            wait = 0.5 * 2**attempt
            try:
                response = self._ask(form, headers)
            except httpx.HTTPError as error:
                failure = f"{type(error).__name__} {error}".strip()
            else:
                if response.status not in TRANSIENT_STATUS:
                    return response
                failure = f"HTTP {response.status}"
                asked = retry_after(response.headers)
                wait = wait if asked is None else asked
            if attempt + 1 < TOKEN_ATTEMPTS:
                self._sleep(wait)
        raise TransientError(
            f"no token: {failure}, {TOKEN_ATTEMPTS} times in a row",
            where=f"token endpoint {self._url}",
            fix="check oauth_token_url and the network, or run again later",
        )


def read_token(response: Answer, token_url: str) -> tuple[str, float]:
    """Reads the token endpoint's answer; `expires_in` may be text or missing."""
    try:
        body = json.loads(response.content)
    except ValueError:
        body = None
    if not isinstance(body, dict) or not body.get("access_token"):
        known = body if isinstance(body, dict) else {}
        why = known.get("error_description") or known.get("error") or "no token in it"
        raise AuthenticationError(
            f"HTTP {response.status}: {why}",
            where=f"token endpoint {token_url}",
            fix="check oauth_client_id, oauth_client_secret and oauth_scope: the scope"
            " is the instance's audience and :443/ic/api/, or that and"
            " :443urn:opc:resource:consumer::all, with no slash before urn",
        )
    try:
        lifetime = float(body.get("expires_in") or DEFAULT_LIFETIME_SECONDS)
    except (TypeError, ValueError):
        lifetime = DEFAULT_LIFETIME_SECONDS
    return str(body["access_token"]), lifetime


def make_auth(
    config: Mapping[str, Any],
    token_client: httpx.Client,
    sleep: Callable[[float], None] = time.sleep,
) -> httpx.Auth:
    """The authentication of a connection, by its `auth_method`."""
    if config.get("auth_method") == "basic":
        return httpx.BasicAuth(config["username"], config["password"])
    endpoint = TokenEndpoint(config, token_client, sleep)
    return BearerAuth(endpoint.fetch, time.monotonic)

"""One connection to WMS Cloud: requests, retries, links.

Reading is repeated freely, because GET changes nothing. Writing is repeated only
when the caller says that a repeat is safe. A 401 with Basic is never repeated, and
ends all further requests of this connection: the service may lock the user.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import json
import logging
import random
import ssl
import threading
import time
import weakref
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
from flext_singer.request_spacing import Spacing

from flext_oracle_wms.answers import (
    Answer,
    BrokenAnswerError,
    describe,
    is_transient,
    judge,
    read_json,
    read_json_or_none,
    retry_after,
)
from flext_oracle_wms.authentication import make_auth
from flext_oracle_wms.errors import (
    AuthenticationError,
    TransientError,
    UnknownOutcomeError,
    WmsError,
)
from flext_oracle_wms.links import path_of_link

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

logger = logging.getLogger("flext-oracle-wms")
# It logs whole addresses, and filters hold keys of the business.
logging.getLogger("httpx").setLevel(logging.WARNING)

FIRST_WAIT_SECONDS = 0.5
MAX_WAIT_SECONDS = 60.0
MAX_BODY_BYTES = 256 * 2**20
MAX_CONNECTIONS = 12


class Again(Exception):  # noqa: N818 - an event inside this module, not an error
    """The request is to be sent again, after `wait` seconds if the service said so."""

    def __init__(self, failure: str, wait: float | None = None) -> None:
        super().__init__(failure)
        self.wait = wait


class Client:
    """Talks to one environment of the service; safe to use from several threads.

    Args:
        config: The connection's settings, see the package's README.
        user_agent: Name and version of the plugin, for the service's own logs.
        sleep: How waiting is done; tests pass their own.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        *,
        user_agent: str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.base_url = checked_base_url(config)
        parts = urlsplit(self.base_url)
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.api_path = f"{parts.path}/wms/lgfapi/{config.get('api_version') or 'v10'}"
        self.legacy_path = f"{parts.path}/wms/api"
        retries = config.get("max_retries")
        self.max_retries = 5 if retries is None else int(retries)
        self._sleep = sleep
        self._spacing = Spacing(config.get("max_requests_per_minute"), sleep)
        seconds = float(config.get("request_timeout_seconds") or 300)
        timeout = httpx.Timeout(seconds, connect=min(seconds, 20.0))
        verify: ssl.SSLContext | bool = not config.get("insecure_tls", False)
        if config.get("ca_file"):
            verify = ssl.create_default_context(cafile=config["ca_file"])
        headers = {"User-Agent": user_agent, "Accept": "application/json"}
        # Redirects are never followed: they could carry credentials elsewhere.
        self._token_http = httpx.Client(
            timeout=timeout, verify=verify, headers=headers, follow_redirects=False
        )
        self._http = httpx.Client(
            base_url=self.origin,
            auth=make_auth(config, self._token_http, self.base_url, sleep),
            timeout=timeout,
            verify=verify,
            headers=headers,
            follow_redirects=False,
            limits=httpx.Limits(
                max_connections=MAX_CONNECTIONS,
                max_keepalive_connections=MAX_CONNECTIONS,
            ),
        )
        # A client that nobody closes must not leave its sockets open.
        weakref.finalize(self, close_all, self._http, self._token_http)
        self._most_seconds = 2 * seconds
        self._is_basic = (config.get("auth_method") or "basic") == "basic"
        self._refusal: AuthenticationError | None = None
        self._ahead = dt.timedelta()
        self.requests = 0
        self._count = threading.Lock()

    def close(self) -> None:
        """Closes every connection."""
        close_all(self._http, self._token_http)

    def now(self) -> dt.datetime:
        """The service's time, from the Date of its last answer; else our own."""
        return dt.datetime.now(dt.UTC) + self._ahead

    # -- reading -----------------------------------------------------------------
    def get_json(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """Reads one JSON document; numbers with a fraction come as Decimal.

        Args:
            path: Path and, for a link of the service, query; below the origin.
            params: Query parameters, encoded here (a `+` becomes %2B).

        Raises:
            NotFoundError: 404 with the service's own error body.
            PermissionDeniedError: 403.
            AuthenticationError: 401.
            RequestRefusedError: another 4xx.
            TransientError: the service went on failing.
            WmsError: an answer that is not JSON.
        """
        return self._retrying("GET", path, params=params, read=read_json)

    def entity_path(self, *parts: object) -> str:
        """Path below `/entity`; the service takes it with a trailing slash."""
        return "/".join([self.api_path, "entity", *map(str, parts)]) + "/"

    def link(self, url: str, page: str = "") -> str:
        """Path and query of a link on a page, which must lead to our own host."""
        return path_of_link(url, self.origin, page)

    # -- writing -----------------------------------------------------------------
    def send_json(
        self, method: str, path: str, body: Any, *, is_repeatable: bool
    ) -> Any:
        """POST or PATCH of one JSON document; gives the answer's body or None.

        Args:
            method: POST or PATCH.
            path: Path below the origin.
            body: What to send; Decimals are sent as text, which the guide asks for.
            is_repeatable: Whether a second sending cannot do harm.

        Raises:
            UnknownOutcomeError: It is not repeatable and its answer never came.
        """
        return self._retrying(
            method,
            path,
            content=json_bytes(body),
            headers={"Content-Type": "application/json"},
            read=read_json_or_none,
            is_repeatable=is_repeatable,
        )

    def send_form(
        self, path: str, form: Mapping[str, str], *, is_repeatable: bool
    ) -> Answer:
        """POST of a form to the legacy interface; gives the answer of any status.

        The caller reads success from the body: before 21D failures came with 200,
        since then with 400 (Integration API guide, "Response structure").
        """
        answer: Answer = self._retrying(
            "POST",
            path,
            data=dict(form),
            read=lambda response: response,
            is_repeatable=is_repeatable,
            is_judged=False,
        )
        return answer

    # -- one request, with patience ----------------------------------------------
    def _retrying(self, method: str, path: str, **request: Any) -> Any:
        attempt = 0
        while True:
            try:
                return self._try(method, path, **request)
            except Again as again:
                failure, wait = str(again), again.wait
            attempt += 1
            where = f"{method} {path.split('?', maxsplit=1)[0]}"
            if attempt > self.max_retries:
                raise TransientError(
                    f"{failure}, {attempt} times in a row", where=where
                )
            if wait is None:
                # Full jitter: clients that failed together do not return together.
                most = min(MAX_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2**attempt)
                wait = random.uniform(most / 2, most)  # noqa: S311 - not a secret
            logger.warning(
                "%s: %s; attempt %d of %d in %.1f s",
                where,
                failure,
                attempt + 1,
                self.max_retries + 1,
                wait,
            )
            self._sleep(wait)

    def _try(
        self,
        method: str,
        path: str,
        *,
        read: Callable[[Answer], Any],
        is_repeatable: bool = True,
        is_judged: bool = True,
        **request: Any,
    ) -> Any:
        where = f"{method} {path.split('?', maxsplit=1)[0]}"
        try:
            response = self._send(method, path, request)
        except AuthenticationError as error:
            self._refusal = error  # the token endpoint's: it may lock the user, too
            raise
        except (httpx.TransportError, httpx.DecodingError) as error:
            failure = f"{type(error).__name__} {error}".strip()
            # The request may have been carried out before the line broke.
            is_unsent = isinstance(error, httpx.ConnectError | httpx.PoolTimeout)
            if is_repeatable or is_unsent:
                raise Again(failure) from error
            raise UnknownOutcomeError(
                f"{failure}; whether it was carried out is not known", where=where
            ) from error
        try:
            if is_transient(response, is_repeatable=is_repeatable):
                raise Again(describe(response), retry_after(response.headers))
            if is_judged or response.status in {401, 403}:
                self._judge(response, path)
            return read(response)
        except BrokenAnswerError as error:
            if is_repeatable:
                raise Again(str(error)) from error
            raise UnknownOutcomeError(str(error), where=where) from error

    def _judge(self, response: Answer, path: str) -> None:
        try:
            judge(response, path, is_basic=self._is_basic)
        except AuthenticationError as error:
            self._refusal = error
            raise

    def _send(self, method: str, path: str, request: Mapping[str, Any]) -> Answer:
        self._spacing.wait()
        if self._refusal is not None:
            raise self._refusal
        with self._count:
            self.requests += 1
        end = time.monotonic() + self._most_seconds
        response = self._http.send(
            self._http.build_request(method, path, **request), stream=True
        )
        try:
            body = bytearray()
            for part in response.iter_bytes():
                body += part
                if time.monotonic() > end:
                    raise httpx.ReadTimeout("the answer drips and does not end")
                if len(body) > MAX_BODY_BYTES:
                    raise WmsError(
                        f"the answer exceeds {MAX_BODY_BYTES // 2**20} MiB",
                        where=f"{method} {path.split('?', maxsplit=1)[0]}",
                        fix="lower page_size",
                    )
        finally:
            response.close()
        self._look_at_clock(response.headers.get("Date", ""))
        return Answer(method, response.status_code, response.headers, bytes(body))

    def _look_at_clock(self, date: str) -> None:
        try:
            moment = email.utils.parsedate_to_datetime(date)
        except (TypeError, ValueError):
            return
        if moment.tzinfo is not None:
            self._ahead = moment - dt.datetime.now(dt.UTC)


def close_all(*clients: httpx.Client) -> None:
    """Closes their connections; closing twice does no harm."""
    for client in clients:
        client.close()


def checked_base_url(config: Mapping[str, Any]) -> str:
    """The base URL without its last slash; refuses what would send secrets in clear."""
    base_url = str(config["base_url"]).rstrip("/")
    parts = urlsplit(base_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise WmsError(
            f"{base_url!r} is no address",
            where="setting base_url",
            fix="write https://<host>/<environment>",
        )
    if parts.username or parts.password:
        raise WmsError(
            "it holds a user name or password",
            where="setting base_url",
            fix="put them into username and password",
        )
    if parts.scheme == "http" and not config.get("insecure_http", False):
        raise WmsError(
            "it is http: credentials would travel in the clear",
            where="setting base_url",
            fix="use https, or set insecure_http to true for a test server",
        )
    for suffix in ("/wms/lgfapi", "/wms/api", "/wms"):
        # People paste the address of the API; what comes before is the environment.
        if suffix + "/" in parts.path + "/":
            return base_url[: base_url.index(suffix)]
    return base_url


def json_bytes(body: Any) -> bytes:
    """A document as it is sent: UTF-8, Decimals as text ("Decimals", guide 25B)."""

    def plain(value: object) -> str:
        if isinstance(value, Decimal):
            return format(value, "f")
        if isinstance(value, dt.date | dt.datetime):
            return value.isoformat()
        raise TypeError(type(value).__name__)

    return json.dumps(body, default=plain, ensure_ascii=False).encode("utf-8")

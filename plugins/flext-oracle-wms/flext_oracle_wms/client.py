"""One connection to WMS Cloud: requests, retries, pages.

Reading is repeated freely, because GET changes nothing. Writing is repeated only
when the caller says that a repeat is safe. A 401 with Basic is never repeated: the
service may lock the user.
"""

from __future__ import annotations

import dataclasses
import email.utils
import json
import logging
import random
import threading
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from flext_oracle_wms.authentication import make_auth
from flext_oracle_wms.errors import (
    AuthenticationError,
    NotFoundError,
    PermissionDeniedError,
    RequestRefusedError,
    TransientError,
    WmsError,
)
from flext_oracle_wms.links import path_of_link

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

logger = logging.getLogger("flext-oracle-wms")

TRANSIENT_STATUS = frozenset({429, 500, 502, 503, 504})
FIRST_WAIT_SECONDS = 0.5
MAX_WAIT_SECONDS = 60.0
MAX_RETRY_AFTER_SECONDS = 300.0
MAX_BODY_BYTES = 256 * 2**20


@dataclasses.dataclass(frozen=True)
class Answer:
    """A whole answer, its body decoded and bounded in size."""

    method: str
    status: int
    headers: Mapping[str, str]
    content: bytes


class Client:
    """Talks to one environment of the service; safe to use from several threads."""

    def __init__(
        self,
        config: Mapping[str, Any],
        *,
        user_agent: str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Opens no connection yet.

        Args:
            config: The connection's settings, see the package's README.
            user_agent: Name and version of the plugin, for the service's own logs.
            sleep: How waiting is done; tests pass their own.
        """
        self.base_url = str(config["base_url"]).rstrip("/")
        parts = urlsplit(self.base_url)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise WmsError(
                f"base_url {self.base_url!r} is no address;"
                " write https://<host>/<environment>"
            )
        if parts.scheme == "http" and not config.get("insecure_http", False):
            raise WmsError(
                "base_url is http: credentials would travel in the clear."
                " Use https, or set insecure_http to true for a test server"
            )
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.api_path = f"{parts.path}/wms/lgfapi/{config.get('api_version', 'v10')}"
        self.legacy_path = f"{parts.path}/wms/api"
        self.max_retries = int(config.get("max_retries", 5))
        self._sleep = sleep
        self._spacing = Spacing(config.get("max_requests_per_minute"), sleep)
        seconds = float(config.get("request_timeout_seconds", 60))
        timeout = httpx.Timeout(seconds, connect=min(seconds, 20.0))
        verify: Any = config.get("ca_file") or not config.get("insecure_tls", False)
        headers = {"User-Agent": user_agent, "Accept": "application/json"}
        # Redirects are never followed: they could carry credentials elsewhere.
        self._token_http = httpx.Client(
            timeout=timeout, verify=verify, headers=headers, follow_redirects=False
        )
        self._http = httpx.Client(
            base_url=self.origin,
            auth=make_auth(config, self._token_http, self.base_url),
            timeout=timeout,
            verify=verify,
            headers=headers,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=12, max_keepalive_connections=12),
        )
        self._is_basic = config.get("auth_method", "basic") == "basic"
        self.requests = 0
        self._count = threading.Lock()

    def close(self) -> None:
        """Closes every connection."""
        self._http.close()
        self._token_http.close()

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

    def link(self, url: str) -> str:
        """Path and query of a link, which must lead to our own host."""
        return path_of_link(url, self.origin)

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
        """
        content = json.dumps(body, default=str, ensure_ascii=False).encode("utf-8")
        return self._retrying(
            method,
            path,
            content=content,
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
        return self._retrying(
            "POST",
            path,
            data=dict(form),
            read=lambda response: response,
            is_repeatable=is_repeatable,
            is_judged=False,
        )

    # -- one request, with patience ----------------------------------------------
    def _retrying(
        self,
        method: str,
        path: str,
        *,
        read: Callable[[Answer], Any],
        is_repeatable: bool = True,
        is_judged: bool = True,
        **request: Any,
    ) -> Any:
        attempt = 0
        while True:
            wait: float | None = None
            try:
                response = self._send(method, path, request)
                if is_transient(response, is_repeatable=is_repeatable):
                    failure = describe(response)
                    wait = retry_after(response)
                else:
                    if is_judged or response.status in {401, 403}:
                        self._judge(response, path)
                    return read(response)
            except (httpx.TransportError, httpx.DecodingError) as error:
                # The request may have been carried out before the line broke.
                failure = f"{type(error).__name__}: {error}"
                is_unsent = isinstance(error, httpx.ConnectError | httpx.PoolTimeout)
                if not is_repeatable and not is_unsent:
                    raise TransientError(
                        f"{method} {path}: {failure}. Whether it was carried out is not"
                        " known, and it is not repeated: check before you rerun"
                    ) from error
            except BrokenAnswerError as error:
                failure = str(error)
                if not is_repeatable:
                    raise WmsError(f"{method} {path}: {failure}") from error
            attempt += 1
            if attempt > self.max_retries:
                raise TransientError(
                    f"{method} {path}: {failure}, {attempt} times in a row."
                    " The service is away; nothing is lost, run again later"
                )
            if wait is None:
                # Full jitter: clients that failed together do not return together.
                most = min(MAX_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2**attempt)
                wait = random.uniform(most / 2, most)  # noqa: S311 - not a secret
            logger.warning(
                "%s %s: %s; attempt %d of %d in %.1f s",
                method,
                path.split("?", maxsplit=1)[0],
                failure,
                attempt + 1,
                self.max_retries + 1,
                wait,
            )
            self._sleep(wait)

    def _send(self, method: str, path: str, request: Mapping[str, Any]) -> Answer:
        self._spacing.wait()
        with self._count:
            self.requests += 1
        response = self._http.send(
            self._http.build_request(method, path, **request), stream=True
        )
        try:
            body = bytearray()
            for part in response.iter_bytes():
                body += part
                if len(body) > MAX_BODY_BYTES:
                    raise WmsError(
                        f"{method} {path}: the answer exceeds"
                        f" {MAX_BODY_BYTES // 2**20} MiB; lower page_size"
                    )
        finally:
            response.close()
        return Answer(method, response.status_code, response.headers, bytes(body))

    def _judge(self, response: Answer, path: str) -> None:
        """Turns a final status into the error that says what to do."""
        status = response.status
        if status < httpx.codes.MULTIPLE_CHOICES:
            return
        error = error_body(response)
        text = describe(response)
        where = f"{response.method} {path.split('?', maxsplit=1)[0]}"
        if status == httpx.codes.UNAUTHORIZED:
            hint = (
                "Check username and password; it is not tried again,"
                " because the service may lock the user"
                if self._is_basic
                else "A new token was refused too: check the user's alternate name in"
                " WMS and the scope"
            )
            raise AuthenticationError(f"{where}: {text}. {hint}")
        if status == httpx.codes.FORBIDDEN:
            raise PermissionDeniedError(
                f"{where}: {text}. The user needs lgfapi read, create, update or delete"
                " access for this"
            )
        if status == httpx.codes.NOT_FOUND and error is not None:
            raise NotFoundError(f"{where}: {text}")
        if httpx.codes.MULTIPLE_CHOICES <= status < httpx.codes.BAD_REQUEST:
            raise WmsError(
                f"{where}: the service redirects to"
                f" {urlsplit(response.headers.get('Location', '')).netloc or '?'};"
                " redirects are not followed. Fix base_url"
            )
        details = error.get("details") if error else None
        raise RequestRefusedError(f"{where}: {text}", status, details)


class BrokenAnswerError(Exception):
    """A 200 whose body cannot be what the service meant to send."""


def read_json(response: Answer) -> Any:
    """The document of a 200; anything that is not one is an error, never no rows."""
    kind = response.headers.get("Content-Type", "")
    body = response.content
    if "html" in kind or body.lstrip()[:1] == b"<":
        raise WmsError(
            "the service answered 200 with a page instead of data (a login or"
            " maintenance page?). Check base_url and the user's access"
        )
    try:
        document = json.loads(body, parse_float=Decimal)
    except ValueError:
        raise BrokenAnswerError(
            f"the service answered {response.status} with {len(body)} bytes that"
            " are not JSON"
        ) from None
    if document is None:
        raise BrokenAnswerError("the service answered null")
    return document


def read_json_or_none(response: Answer) -> Any:
    """As read_json; 204 and an empty 202 have no document."""
    if response.status == httpx.codes.NO_CONTENT or not response.content:
        return None
    return read_json(response)


def error_body(response: Answer) -> dict[str, Any] | None:
    """The service's own error body, or None for a gateway's page."""
    try:
        body = json.loads(response.content)
    except ValueError:
        return None
    is_error = isinstance(body, dict) and ("message" in body or "code" in body)
    return body if is_error else None


def describe(response: Answer) -> str:
    """One line about a refused request, from the error body where there is one."""
    error = error_body(response)
    if error is None:
        return f"HTTP {response.status}"
    text = f"HTTP {response.status}: {error.get('message', error.get('code'))}"
    details = error.get("details")
    if isinstance(details, dict):
        text += " (" + "; ".join(f"{k}: {v}" for k, v in details.items()) + ")"
    elif details:
        text += f" ({details})"
    return text[:1000]


def is_transient(response: Answer, *, is_repeatable: bool) -> bool:
    """Whether to try again: the service is busy, or a record changed under us."""
    if response.status == httpx.codes.CONFLICT:
        return is_repeatable
    if response.status == httpx.codes.TOO_MANY_REQUESTS:
        return True  # refused before it was looked at
    return response.status in TRANSIENT_STATUS and is_repeatable


def retry_after(response: Answer) -> float | None:
    """Seconds of Retry-After (RFC 9110 §10.2.3): a number or a date; else None."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdigit():
        return min(float(text), MAX_RETRY_AFTER_SECONDS)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return min(max(0.0, moment.timestamp() - time.time()), MAX_RETRY_AFTER_SECONDS)


class Spacing:
    """Keeps requests `60 / per_minute` seconds apart; no limit when not set."""

    def __init__(
        self, per_minute: float | None, sleep: Callable[[float], None]
    ) -> None:
        """Takes requests per minute, or None."""
        self._gap = 60.0 / float(per_minute) if per_minute else 0.0
        self._next = 0.0
        self._lock = threading.Lock()
        self._sleep = sleep

    def wait(self) -> None:
        """Waits for this request's turn."""
        if not self._gap:
            return
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next)
            self._next = turn + self._gap
        if turn > now:
            self._sleep(turn - now)

"""One connection to Integration Cloud: requests, redirects, retries.

Reading is repeated freely, because GET changes nothing. Writing is repeated only when
the caller says that a repeat is safe. Design calls of Integration 3 are answered with
a redirect to the region's design host, which is followed by hand: credentials go to
the hosts that the settings name and to that one.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import logging
import random
import ssl
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import httpx
from flext_singer.request_spacing import Spacing

from flext_oracle_oic.answers import (
    TRANSIENT_STATUS,
    Answer,
    BrokenAnswerError,
    bounded,
    describe,
    is_page,
    judge,
    read_json,
    read_json_or_none,
    retry_after,
)
from flext_oracle_oic.archives import check_archive, save
from flext_oracle_oic.authentication import make_auth
from flext_oracle_oic.errors import (
    AuthenticationError,
    OicError,
    TransientError,
    UnknownOutcomeError,
)
from flext_oracle_oic.hosts import checked_origin, is_design_host

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

logger = logging.getLogger("flext-oracle-oic")
# It logs whole addresses.
logging.getLogger("httpx").setLevel(logging.WARNING)

ROOT = "/ic/api/integration/v1"
FIRST_WAIT_SECONDS = 0.5
MAX_WAIT_SECONDS = 60.0
MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Again(Exception):  # noqa: N818 - an event inside this module, not an error
    """The request is to be sent again, after `wait` seconds if the service said so."""

    def __init__(self, failure: str, wait: float | None = None) -> None:
        super().__init__(failure)
        self.wait = wait


class Client:
    """Talks to one service instance; safe to use from several threads.

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
        self.origin = checked_origin(config, "base_url")
        self._design_origin = self.origin
        self._trusted = {self.origin}
        if config.get("design_url"):
            self._design_origin = checked_origin(config, "design_url")
            self._trusted.add(self._design_origin)
        self._instance = config.get("integration_instance")
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
        # httpx would drop the token on the way to another host, or carry a body along.
        self._token_http = httpx.Client(
            timeout=timeout, verify=verify, headers=headers, follow_redirects=False
        )
        self._http = httpx.Client(
            auth=make_auth(config, self._token_http, sleep),
            timeout=timeout,
            verify=verify,
            headers=headers,
            follow_redirects=False,
        )
        # A client that nobody closes must not leave its sockets open.
        weakref.finalize(self, close_all, self._http, self._token_http)
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
    def get(self, *parts: str, **params: str) -> Any:  # noqa: ANN401 - JSON of any shape
        """Reads one JSON document below the API's root.

        Args:
            parts: Path segments, encoded here (`CODE|01.00.0000` becomes %7C).
            params: Query parameters.

        Raises:
            NotFoundError: 404.
            PermissionDeniedError: 403.
            AuthenticationError: 401, also with a new token.
            RequestRefusedError: Another 4xx.
            TransientError: The service went on failing.
            OicError: An answer that is not data.
        """
        return self._retrying("GET", parts, params=params, read=read_json)

    def download(self, *parts: str, into: Path) -> None:
        """Saves an archive to a file, a whole zip or none.

        A body that is shorter than its length is a broken transfer and is asked for
        again, as is one that ends in the middle of the zip.

        Args:
            parts: Path segments.
            into: The file; written anew by each attempt.

        Raises:
            TransientError: It went on coming in part.
        """
        headers = {"Accept": "application/octet-stream, application/json"}
        try:
            self._retrying(
                "GET",
                parts,
                read=lambda _: check_archive(into),
                into=into,
                headers=headers,
            )
        except BaseException:
            into.unlink(missing_ok=True)
            raise

    # -- writing -----------------------------------------------------------------
    def send(
        self,
        method: str,
        parts: tuple[str, ...],
        *,
        body: Any = None,  # noqa: ANN401 - JSON of any shape
        file: tuple[str, bytes] | None = None,
        params: Mapping[str, str] | None = None,
        is_patch: bool = False,
        is_repeatable: bool = True,
        before_repeat: Callable[[], None] | None = None,
    ) -> Any:  # noqa: ANN401 - JSON of any shape
        """Writes; gives the answer's document, None without one.

        Args:
            method: POST, PUT or DELETE.
            parts: Path segments.
            body: JSON to send.
            file: Name and content of an upload (multipart, field `file`).
            params: Query parameters.
            is_patch: POST with the header that makes an update of it.
            is_repeatable: Whether a second sending cannot do harm.
            before_repeat: Called before each further sending, after the wait; what
                it raises ends the attempts.

        Raises:
            UnknownOutcomeError: It is not repeatable and its answer never came.
        """
        request: dict[str, Any] = {"params": dict(params or {})}
        if is_patch:
            request["headers"] = {"X-HTTP-Method-Override": "PATCH"}
        if file is not None:
            request["files"] = {"file": (*file, "application/octet-stream")}
        elif body is not None:
            request["json"] = body
        return self._retrying(
            method,
            parts,
            read=read_json_or_none,
            is_repeatable=is_repeatable,
            before_repeat=before_repeat,
            **request,
        )

    # -- one request, with patience ----------------------------------------------
    def _retrying(
        self,
        method: str,
        parts: tuple[str, ...],
        *,
        before_repeat: Callable[[], None] | None = None,
        **request: Any,  # noqa: ANN401 - passed on
    ) -> Any:  # noqa: ANN401 - see get
        path = "/".join([ROOT, *(quote(part, safe="") for part in parts)])
        attempt = 0
        while True:
            try:
                return self._try(method, path, **request)
            except Again as again:
                failure, wait = str(again), again.wait
            attempt += 1
            where = f"{method} {path}"
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
            if before_repeat is not None:
                before_repeat()

    def _try(
        self,
        method: str,
        path: str,
        *,
        read: Callable[[Answer], Any],
        is_repeatable: bool = True,
        **request: Any,  # noqa: ANN401 - passed on to httpx
    ) -> Any:  # noqa: ANN401 - see get
        where = f"{method} {path}"
        try:
            response = self._following(method, path, request)
            status = response.status
            # 429 refuses before anything is carried out; after a 5xx it may have been.
            if status == httpx.codes.TOO_MANY_REQUESTS or (
                status in TRANSIENT_STATUS and is_repeatable
            ):
                raise Again(describe(response), retry_after(response.headers))
            if status in TRANSIENT_STATUS:
                raise UnknownOutcomeError(
                    f"{describe(response)}; whether it was carried out is not known",
                    where=where,
                )
            self._judge(response, path)
            return read(response)
        except (httpx.TransportError, httpx.DecodingError) as error:
            failure = f"{type(error).__name__} {error}".strip()
            # The request may have been carried out before the line broke.
            is_unsent = isinstance(error, httpx.ConnectError | httpx.PoolTimeout)
            if is_repeatable or is_unsent:
                raise Again(failure) from error
            raise UnknownOutcomeError(
                f"{failure}; whether it was carried out is not known", where=where
            ) from error
        except BrokenAnswerError as error:
            if is_repeatable:
                raise Again(str(error)) from error
            raise UnknownOutcomeError(str(error), where=where) from error

    def _judge(self, response: Answer, path: str) -> None:
        try:
            judge(response, path)
        except AuthenticationError as error:
            self._refusal = error
            raise

    def _following(self, method: str, path: str, request: Mapping[str, Any]) -> Answer:
        """Sends a request, and again where a redirect leads that may be trusted."""
        is_design = not path.startswith(f"{ROOT}/monitoring/")
        origin = self._design_origin if is_design else self.origin
        for _ in range(MAX_REDIRECTS):
            response = self._send(method, origin + path, request)
            if response.status not in _REDIRECTS:
                return response
            origin = self._trusted_origin(response, f"{method} {path}")
            if is_design:
                self._design_origin = origin
        raise OicError(
            f"the service redirected {MAX_REDIRECTS} times",
            where=f"{method} {path}",
            fix="set design_url to the region's design host",
        )

    def _trusted_origin(self, response: Answer, where: str) -> str:
        """Where a redirect leads, if credentials may go there."""
        parts = urlsplit(response.headers.get("Location", ""))
        origin = f"{parts.scheme}://{parts.netloc}"
        if not parts.netloc or origin in self._trusted:
            return origin if parts.netloc else self.origin
        if is_design_host(parts, self.origin):
            return origin
        raise OicError(
            f"the service redirects to {parts.hostname or 'nowhere'}, which gets no"
            " credentials",
            where=where,
            fix="set design_url to that address if it is the design host of your region"
            " (design.integration.<region>.ocp.oraclecloud.com)",
        )

    def _send(self, method: str, url: str, request: Mapping[str, Any]) -> Answer:
        self._spacing.wait()
        if self._refusal is not None:
            raise self._refusal
        with self._count:
            self.requests += 1
        sent = dict(request)
        into: Path | None = sent.pop("into", None)
        params = dict(sent.pop("params", None) or {})
        if self._instance:
            params["integrationInstance"] = self._instance
        response = self._http.send(
            self._http.build_request(method, url, params=params, **sent), stream=True
        )
        where = f"{method} {urlsplit(url).path}"
        try:
            body: bytes | bytearray = b""
            if into is not None and response.is_success and not is_page(response):
                save(response.iter_bytes(), into, where)
            else:
                body = bounded(response.iter_bytes(), where)
        finally:
            response.close()
        self._look_at_clock(response.headers.get("Date", ""))
        return Answer(method, response.status_code, response.headers, body)

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

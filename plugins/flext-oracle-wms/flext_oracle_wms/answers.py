"""What an answer of the service means: data, a refusal, or nothing for now.

Success is read from the body: a page where data should be, half a document or `null`
are faults, never an empty result.
"""

from __future__ import annotations

import dataclasses
import email.utils
import json
import time
import xml.etree.ElementTree as ET
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from flext_oracle_wms.errors import (
    AuthenticationError,
    NotFoundError,
    PermissionDeniedError,
    RequestRefusedError,
    UnknownOutcomeError,
    WmsError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

TRANSIENT_STATUS = frozenset({408, 429, 500, 502, 503, 504})
MAX_RETRY_AFTER_SECONDS = 300.0
MAX_MESSAGE_CHARACTERS = 1000


@dataclasses.dataclass(frozen=True)
class Answer:
    """A whole answer, its body decoded and bounded in size."""

    method: str
    status: int
    headers: Mapping[str, str]
    content: bytes


class BrokenAnswerError(Exception):
    """A 200 whose body cannot be what the service meant to send."""


def read_json(response: Answer) -> Any:
    """The document of a 200; anything that is not one is an error, never no rows.

    Numbers with a fraction are Decimals.
    """
    kind = response.headers.get("Content-Type", "")
    body = response.content
    if "html" in kind or body.lstrip()[:1] == b"<":
        raise WmsError(
            f"the service answered {response.status} with a page instead of data",
            fix="a login or maintenance page? Check base_url and the user's access",
        )
    try:
        document = json.loads(body, parse_float=Decimal)
    except (ValueError, RecursionError):
        raise BrokenAnswerError(
            f"the service answered {response.status} with {len(body)} bytes that"
            " are not JSON"
        ) from None
    if document is None:
        raise BrokenAnswerError("the service answered null")
    return document


def read_json_or_none(response: Answer) -> Any:
    """As read_json; 204 and an empty 202 have no document."""
    if response.status in {httpx.codes.NO_CONTENT, httpx.codes.ACCEPTED} and not (
        response.content
    ):
        return None
    return read_json(response)


def error_body(response: Answer) -> dict[str, Any] | None:
    """The service's own error body, or None for a gateway's page or object.

    Documented is `{reference, code, message, details}`, in XML `<error>` with the same.
    """
    content = response.content.lstrip()
    if content.startswith((b"<?xml", b"<error>")) and b"<!" not in content:
        return xml_error_body(content)
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return None
    is_error = isinstance(body, dict) and ("message" in body or "code" in body)
    return body if is_error else None


def xml_error_body(content: bytes) -> dict[str, Any] | None:
    """The same of an error in XML."""
    try:
        root = ET.fromstring(content)  # noqa: S314 - no document type, so no entities
    except ET.ParseError:
        return None
    if root.tag != "error":
        return None
    body: dict[str, Any] = {child.tag: child.text or "" for child in root}
    details = root.find("details")
    if details is not None and len(details):
        body["details"] = [f"{child.tag}: {child.text}" for child in details]
    return body


def is_the_service_s(error: Mapping[str, Any] | None) -> bool:
    """Whether an error body is WMS's, not one of a gateway before it.

    A gateway's 404 says that there is no such route; only the service's own may be
    taken for "no rows".
    """
    return error is not None and all(
        isinstance(error.get(name), str) and error[name] for name in ("code", "message")
    )


def describe(response: Answer) -> str:
    """One line about a refused request, from the error body where there is one."""
    error = error_body(response)
    if error is None:
        return f"HTTP {response.status}"
    text = f"HTTP {response.status}: {error.get('message') or error.get('code')}"
    details = error.get("details")
    if isinstance(details, dict):
        details = [f"{name}: {about}" for name, about in details.items()]
    if isinstance(details, list):
        details = "; ".join(map(str, details))
    if details:
        text += f" ({details})"
    return " ".join(text.split())[:MAX_MESSAGE_CHARACTERS]


def is_transient(response: Answer, *, is_repeatable: bool) -> bool:
    """Whether to try again: the service is busy, or a record changed under us.

    409 and 429 refuse a request before it is carried out, so even a write that must
    not happen twice is sent again; after a 5xx it may have happened.
    """
    if response.status in {
        httpx.codes.CONFLICT,  # "Record Changed. Please Try again" (guide 25B)
        httpx.codes.TOO_MANY_REQUESTS,
    }:
        return True
    return response.status in TRANSIENT_STATUS and is_repeatable


def judge(response: Answer, path: str, *, is_basic: bool) -> None:
    """Turns a final status of no success into the error that says what to do."""
    status = response.status
    if status < httpx.codes.MULTIPLE_CHOICES:
        return
    error = error_body(response)
    text = describe(response)
    where = f"{response.method} {path.split('?', maxsplit=1)[0]}"
    if status == httpx.codes.UNAUTHORIZED:
        fix = (
            ""
            if is_basic
            else "a new token was refused too: check oauth_scope and the user's"
            " alternate username in WMS"
        )
        raise AuthenticationError(text, where=where, fix=fix)
    if status == httpx.codes.FORBIDDEN:
        raise PermissionDeniedError(text, where=where)
    if status == httpx.codes.NOT_FOUND and is_the_service_s(error):
        raise NotFoundError(text, where=where)
    if status < httpx.codes.BAD_REQUEST:
        target = urlsplit(response.headers.get("Location", "")).netloc or "elsewhere"
        raise WmsError(
            f"the service redirects to {target}; redirects are not followed",
            where=where,
            fix="set base_url to where the service really is",
        )
    if status in TRANSIENT_STATUS:
        raise UnknownOutcomeError(
            f"{text}; whether it was carried out is not known", where=where
        )
    details = error.get("details") if error else None
    raise RequestRefusedError(text, status, details, where=where)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of Retry-After (RFC 9110 §10.2.3): a number or a date; else None."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), MAX_RETRY_AFTER_SECONDS)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return min(max(0.0, moment.timestamp() - time.time()), MAX_RETRY_AFTER_SECONDS)

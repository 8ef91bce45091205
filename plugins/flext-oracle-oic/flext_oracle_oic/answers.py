"""What an answer of the service means: data, a refusal, or nothing for now.

A page where data should be, half a document or `null` are faults, never an empty
result. The shape of error bodies is not documented: every field is optional.
"""

from __future__ import annotations

import dataclasses
import email.utils
import json
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx

from flext_oracle_oic.errors import (
    AuthenticationError,
    NotFoundError,
    OicError,
    PermissionDeniedError,
    RequestRefusedError,
)
from flext_oracle_oic.keys import KEBAB_KEY, camel, redacted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TRANSIENT_STATUS = frozenset({408, 429, 500, 502, 503, 504})
MAX_RETRY_AFTER_SECONDS = 300.0
MAX_MESSAGE_CHARACTERS = 1000
#: A page of 1,000 rows has some 2 MB, an activity of 16,000 steps some 20.
MAX_BODY_BYTES = 64 * 2**20
_HINTS = {
    409: "it exists already, or another change is under way: set import_mode to update"
    " or create_or_update, or try again later",
    412: "its state does not allow it: it is active, locked (open in the console?) or"
    " already as asked",
    423: "it is locked: close it in the console",
}


@dataclasses.dataclass(frozen=True)
class Answer:
    """A whole answer, its body decoded and bounded in size."""

    method: str
    status: int
    headers: Mapping[str, str]
    content: bytes | bytearray


class BrokenAnswerError(Exception):
    """A 200 whose body cannot be what the service meant to send."""


def bounded(
    parts: Iterable[bytes], where: str, most_bytes: int = MAX_BODY_BYTES
) -> bytearray:
    """A body, unpacked, as long as it stays below a size.

    A few kilobytes may unpack to anything.

    Raises:
        OicError: It is larger; what was read is let go.
    """
    body = bytearray()
    for part in parts:
        body += part
        if len(body) > most_bytes:
            raise OicError(
                f"the answer exceeds {most_bytes / 2**20:g} MiB",
                where=where,
                fix="lower page_size; if it does not help, something that is not the"
                " service answers",
            )
    return body


def is_page(response: Answer | httpx.Response) -> bool:
    """Whether the answer says it is a page for people."""
    return "html" in response.headers.get("Content-Type", "")


def read_json(response: Answer) -> Any:  # noqa: ANN401 - JSON of any shape
    """The document of a 200: keys in camel case, fractions as Decimals.

    Values of security properties never get further than here.

    Raises:
        BrokenAnswerError: It is not a whole document; worth another try.
        OicError: It is a page for people.
    """
    body = response.content
    if is_page(response) or body.lstrip()[:1] == b"<":
        raise OicError(
            f"the service answered {response.status} with a page instead of data",
            fix="a login or maintenance page? Check base_url",
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
    # Both walk through everything, and most answers need neither.
    if KEBAB_KEY.search(body):
        document = camel(document)
    if b"securityProperties" in body or b"security-properties" in body:
        document = redacted(document)
    return document


def read_json_or_none(response: Answer) -> Any:  # noqa: ANN401 - JSON of any shape
    """As `read_json`; an answer without a body has no document."""
    return read_json(response) if response.content.strip() else None


def describe(response: Answer) -> str:
    """One line about a refused request, from the error body where there is one.

    The body may be the documented object, plain text, a page, or nothing.
    """
    try:
        body = json.loads(response.content)
    except ValueError:
        is_plain = response.headers.get("Content-Type", "").startswith("text/plain")
        body = response.content.decode(errors="replace") if is_plain else None
    if isinstance(body, dict):
        texts = _texts(body)
    else:
        texts = [" ".join(body.split())] if isinstance(body, str) else []
        texts = [text for text in texts if text]
    head = f"HTTP {response.status}"
    unique = list(dict.fromkeys(texts))
    return (
        ": ".join([head, "; ".join(unique)])[:MAX_MESSAGE_CHARACTERS]
        if (unique)
        else head
    )


def _texts(body: Mapping[str, Any]) -> list[str]:
    found = [body.get(k) for k in ("title", "detail", "message", "errorMessage")]
    details = body.get("o:errorDetails")
    for detail in details if isinstance(details, list) else [details]:
        if isinstance(detail, dict):
            found += [detail.get("title"), detail.get("detail")]
    return [text for text in found if isinstance(text, str) and text.strip()]


def judge(response: Answer, path: str) -> None:
    """Turns a final status of no success into the error that says what to do."""
    status = response.status
    if status < httpx.codes.MULTIPLE_CHOICES:
        return
    text = describe(response)
    where = f"{response.method} {path}"
    if status == httpx.codes.UNAUTHORIZED:
        raise AuthenticationError(text, where=where)
    if status == httpx.codes.FORBIDDEN:
        raise PermissionDeniedError(text, where=where)
    if status == httpx.codes.NOT_FOUND:
        raise NotFoundError(text, where=where)
    fix = _HINTS.get(status, "")
    if status == httpx.codes.BAD_REQUEST and "integrationinstance" in text.lower():
        fix = "set integration_instance (About > Service instance in the console)"
    raise RequestRefusedError(text, status, where=where, fix=fix)


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

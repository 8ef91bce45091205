"""Removes secrets from what goes into an event.

A secret is the value of a sensitive setting of a plugin in the run, or of an
environment variable whose name says so. Each is looked for in the forms it takes
in logs: as it is, JSON-escaped, URL-encoded, base64.
"""

from __future__ import annotations

import base64
import json
import math
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MASK = "***"

_SECRET_NAME = re.compile(
    r"PASSW|PASSPHRASE|(^|_)(PW|PWD|PASS|PIN|SALT)(_|$)|SECRET|TOKEN|CREDENTIAL"
    r"|AUTHORIZATION|CONNECTION_STRING|SIGNATURE"
    r"|(API|ACCESS|PRIVATE|SIGNING|ENCRYPTION|SSH|SSL|TLS|MASTER|ACCOUNT|SHARED"
    r"|LICENSE)_?KEY",
    re.IGNORECASE,
)
# `oauth_token_url` names an address, `private_key_path` a file.
_ABOUT_A_SECRET = re.compile(
    r"_(URL|URI|PATH|FILE|DIR|DIRECTORY|ENDPOINT|METHOD|TYPE|NAME|SECONDS|MINUTES|LIFETIME|LENGTH)$",
    re.IGNORECASE,
)
_NOT_SECRET_NAMES = frozenset({"PWD", "OLDPWD"})
_NOT_SECRET = frozenset({"true", "false", "none", "null", "yes", "no", "on", "off"})
_URL_PASSWORD = re.compile(r"(://[^/\s:@]*:)[^/\s@]+(@)")
_ASSIGNED = re.compile(
    r"(?i)((?:password|passwd|pwd|secret|token|api[_-]?key)[\"']?\s*[=:]\s*[\"']?)"
    r"[^\s\"',;&}]+"
)
_LONG = 4
"""Values shorter than this are masked as whole words only."""


def is_secret_name(name: str) -> bool:
    """Return whether a setting or variable of this name holds a secret."""
    if name in _NOT_SECRET_NAMES:
        return False
    name = name.replace(".", "_").replace("-", "_")
    return bool(_SECRET_NAME.search(name)) and not _ABOUT_A_SECRET.search(name)


class Secrets:
    """The values of one run that must not be written down."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._long: set[str] = set()
        self._short: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self.add(values)

    def add(self, values: Iterable[str]) -> None:
        """Add values; empty ones and plain words like `true` are no secrets."""
        for value in values:
            text = value.strip()
            if not text or text.lower() in _NOT_SECRET or text.isspace():
                continue
            if len(text) < _LONG:
                self._short.add(text)
                continue
            # A key of several lines reaches logs line by line.
            lines = [line.strip() for line in text.splitlines() if len(line) > _LONG]
            for part in {text, *lines}:
                self._long.update(_forms(part))
        self._pattern = None

    def add_environment(self, environment: Mapping[str, str]) -> None:
        """Add the values of variables whose names look secret."""
        self.add(value for name, value in environment.items() if is_secret_name(name))

    def mask(self, text: str) -> str:
        """Return the text without secrets, and as text that any store can hold."""
        if not text.isascii():
            # Half a surrogate pair, from a log line's JSON, is no UTF-8.
            text = text.encode("utf-8", "replace").decode()
        if self._pattern is None:
            parts = [re.escape(v) for v in sorted(self._long, key=len, reverse=True)]
            parts += [rf"(?<!\w){re.escape(v)}(?!\w)" for v in sorted(self._short)]
            self._pattern = re.compile("|".join(parts) if parts else r"(?!)")
        text = self._pattern.sub(MASK, text)
        text = _URL_PASSWORD.sub(rf"\1{MASK}\2", text)
        text = _ASSIGNED.sub(rf"\1{MASK}", text)
        return text.replace("\0", "\ufffd")  # SQL functions end a text there

    def mask_all(self, value: Any) -> Any:  # noqa: ANN401 - any JSON value
        """Return a JSON value with each of its texts, keys included, masked."""
        if isinstance(value, str):
            return self.mask(value)
        if isinstance(value, dict):
            return {self.mask(str(k)): self.mask_all(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.mask_all(item) for item in value]
        if isinstance(value, float):
            return value if math.isfinite(value) else None  # JSON has no NaN
        if value is None or isinstance(value, (bool, int)):
            return value
        return self.mask(str(value))


def texts_of(value: object) -> list[str]:
    """Return every text inside a setting's value."""
    if isinstance(value, dict):
        return [text for item in value.values() for text in texts_of(item)]
    if isinstance(value, (list, tuple)):
        return [text for item in value for text in texts_of(item)]
    if value is None or isinstance(value, bool):
        return []
    return [str(value)]


def _forms(text: str) -> set[str]:
    encoded = base64.b64encode(text.encode()).decode()
    return {
        text,
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
        repr(text)[1:-1],
        quote(text, safe=""),
        quote(text),
        quote_plus(text),
        encoded,
        encoded.rstrip("="),
    }

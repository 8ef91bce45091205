"""Keeps the values of secret settings out of everything that is printed.

A plugin registers the values of its settings marked `secret: true`; from then on
`mask` replaces them in any text, in the forms in which they tend to turn up:
plain, JSON-escaped, percent-encoded and base64.
"""

from __future__ import annotations

import base64
import json
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MASK = "****"
# Shorter values would blank out ordinary words ("1", "on") all over the log.
_SHORTEST_CHARACTERS = 4

_forms: list[str] = []


def secret_values(schema: Mapping[str, Any], config: Mapping[str, Any]) -> set[str]:
    """Return the values in `config` whose setting is marked as secret.

    Args:
        schema: JSON Schema of the settings; `secret: true` or `writeOnly: true`
            marks a secret, at any depth.
        config: The settings.
    """
    return set(_walk(schema, config))


def _walk(schema: Mapping[str, Any], value: object) -> Iterator[str]:
    if schema.get("secret") or schema.get("writeOnly"):
        yield from _leaves(value)
        return
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        for name, inner in value.items():
            yield from _walk(properties.get(name, {}), inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(schema.get("items", {}), inner)


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def register(values: Iterable[str]) -> None:
    """Mask these values from now on, in this process."""
    for value in values:
        if len(value) < _SHORTEST_CHARACTERS:
            continue
        for form in (
            value,
            json.dumps(value)[1:-1],
            json.dumps(value, ensure_ascii=False)[1:-1],
            repr(value)[1:-1],
            quote(value, safe="", errors="surrogatepass"),
            quote_plus(value, errors="surrogatepass"),
            base64.b64encode(value.encode(errors="surrogatepass")).decode(),
        ):
            if form not in _forms:
                _forms.append(form)
    # The longest first, or a secret that starts with another one shows its end.
    _forms.sort(key=len, reverse=True)


def mask(text: str) -> str:
    """Return `text` with every registered secret replaced by `MASK`."""
    for form in _forms:
        if form in text:
            text = text.replace(form, MASK)
    return text


class MaskingFormatter(logging.Formatter):
    """Formats with another formatter and masks what comes out.

    Args:
        inner: The formatter that makes the text.
    """

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self.inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """Return the masked text of `record`."""
        return mask(self.inner.format(record))


def mask_logs() -> None:
    """Put a `MaskingFormatter` around the formatter of every log handler."""
    loggers: list[logging.Logger] = [logging.getLogger()]
    loggers += [
        logger
        for logger in logging.Logger.manager.loggerDict.values()
        if isinstance(logger, logging.Logger)
    ]
    for logger in loggers:
        for handler in logger.handlers:
            if not isinstance(handler.formatter, MaskingFormatter):
                inner = handler.formatter or logging.Formatter()
                handler.setFormatter(MaskingFormatter(inner))

"""Singer messages for tests, written short."""

from __future__ import annotations

from typing import Any


def schema(stream: str, keys: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "SCHEMA",
        "stream": stream,
        "schema": {"type": "object", "properties": properties},
        "key_properties": keys,
    }


def record(stream: str, version: int | None = None, /, **values: Any) -> dict[str, Any]:
    message = {"type": "RECORD", "stream": stream, "record": values}
    return message if version is None else {**message, "version": version}


def raw_record(stream: str, text: str) -> bytes:
    """A RECORD whose record is this very text."""
    return b'{"type":"RECORD","stream":"%s","record":%s}' % (
        stream.encode(),
        text.encode("utf-8", "surrogatepass"),
    )


def state(value: Any) -> dict[str, Any]:
    return {"type": "STATE", "value": value}

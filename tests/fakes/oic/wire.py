"""How rows look on the wire: key style, timestamps, scalars."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fakes.oic.switches import Switches


def timestamp(value: dt.datetime, form: str) -> str | int:
    if form == "epoch_ms":
        return int(value.timestamp() * 1000)
    text = value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
    return text + form


def kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda m: "-" + m[1].lower(), name)


def shape(value: Any, switches: Switches, *, is_kebab: bool) -> Any:
    """A row as this server writes it."""
    if isinstance(value, dict):
        if switches.links == "object" and isinstance(value.get("links"), list):
            links = {"@rel": "self", "@href": "https://oic.example.com"}
            value = value | {"links": links}
        return {
            kebab(name) if is_kebab else name: shape(item, switches, is_kebab=is_kebab)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [shape(item, switches, is_kebab=is_kebab) for item in value]
    if isinstance(value, dt.datetime):
        return timestamp(value, switches.timestamps)
    if switches.scalars == "string" and isinstance(value, bool | int):
        return str(value).lower()
    return value


def listing(
    rows: list[Any], more: dict[str, Any], switches: Switches
) -> dict[str, Any]:
    """A list answer in the key style and the wrapper of the switches."""
    is_kebab = switches.keys == "kebab"
    if switches.duplicates and rows:
        rows = [rows[0], *rows]
    body = {"items": rows, **more, "links": []}
    shaped = shape(body, switches, is_kebab=is_kebab)
    # hasMore and limit are never text.
    for name, value in more.items():
        if not isinstance(value, dt.datetime):
            shaped[kebab(name) if is_kebab else name] = value
    return {"content": shaped} if switches.wrapper else shaped

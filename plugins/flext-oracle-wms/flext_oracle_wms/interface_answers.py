"""What init_stage_interface answers: whether it received a document, and its words.

Documented is XML with `<success>` (Integration API guide, "Response structure"); the
same in JSON is read as well. Whatever shows no success is no success.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from typing import Any

WORDS = {"true": True, "false": False}


def read_answer(content: bytes) -> tuple[bool, str] | None:
    """Success and message of an answer; None when it is no answer of the interface."""
    text = content.decode("utf-8-sig", "replace").strip()
    if text[:1] == "{":
        return read_json_answer(text)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        return None
    try:
        root = ET.fromstring(text)  # noqa: S314 - no document type, so no entities
    except ET.ParseError:
        return None
    success = next((e for e in root.iter() if tag(e) == "success"), None)
    if success is None:
        return None
    parts = [e for name in ("message", "errors") for e in root.iter() if tag(e) == name]
    told = " ".join(" ".join(part.itertext()) for part in parts)
    return WORDS.get((success.text or "").strip().lower(), False), one_line(told)


def tag(element: ET.Element) -> str:
    """An element's name without its namespace, in small letters."""
    return element.tag.rpartition("}")[2].lower()


def read_json_answer(text: str) -> tuple[bool, str] | None:
    """The same of an answer in JSON."""
    try:
        answer = json.loads(text)
    except ValueError:
        return None
    answer = answer.get("root", answer)
    if not isinstance(answer, dict) or "success" not in answer:
        return None
    inner = answer.get("response")
    inner = inner if isinstance(inner, dict) else {}
    told: list[Any] = []
    for part in (answer, inner):
        told += [part.get("message"), *as_list(part.get("errors"))]
    success = WORDS.get(str(answer["success"]).strip().lower(), False)
    return success, one_line(" ".join(str(word) for word in told if word))


def as_list(value: object) -> list[Any]:
    """The items of a list, or a value alone."""
    return value if isinstance(value, list) else [value]


def one_line(text: str) -> str:
    """A text without breaks."""
    return " ".join(text.split())

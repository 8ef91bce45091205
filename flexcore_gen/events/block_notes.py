"""What the plugins of the current block have said on stderr.

Metrics come as fields of structured logs, or as the text `METRIC: {json}` from
plugins without them. Beside the SDK's (record_count, sync_duration, batch_count)
FlexCore's own plugins say `bytes`, `bookmark`, `file_written` and `rejected`.
"""

from __future__ import annotations

import collections
import json
import logging
import math
import re
from dataclasses import dataclass, field
from typing import Any

TAIL_LINES = 20
"""Log lines kept for a failure."""

_LINE_LENGTH = 1000
_BEGUN = re.compile(r"Beginning sync of '([^']+)' in ")
_METRIC_TEXT = "METRIC: {"
_ERROR_TEXT = re.compile(
    r"\b(error|fatal|critical)\b\s*:|^[A-Za-z_][\w.]*Error\b", re.IGNORECASE
)
_ADVICE = re.compile(r"^\s+(where|fix):\s")


@dataclass
class Side:
    """What one plugin says about one stream."""

    records: int | None = None
    rejected: int = 0
    bytes: int = 0
    seconds: float = 0.0
    bookmark: str | None = None
    sends_batches: bool = False
    begun: int = 0
    succeeded: int = 0
    failed: int = 0


@dataclass
class BlockNotes:
    """Everything heard since the block began."""

    extracted: dict[str, Side] = field(default_factory=dict)
    loaded: dict[str, Side] = field(default_factory=dict)
    files: list[dict[str, Any]] = field(default_factory=list)
    exceptions: dict[str, dict[str, str]] = field(default_factory=dict)
    tail: collections.deque[tuple[str, int, str]] = field(
        default_factory=lambda: collections.deque(maxlen=TAIL_LINES)
    )

    def line(self, level: int, event: object, said: dict[str, Any]) -> None:
        """Take in one line of a plugin.

        Args:
            level: The line's log level.
            event: Its text.
            said: Meltano's fields: name, consumer or cmd_type, metric_info, ...
        """
        text = event if isinstance(event, str) else str(event)
        is_loader = bool(said.get("consumer")) or said.get("cmd_type") == "loader"
        sides = self.loaded if is_loader else self.extracted
        metric = _metric(text, said)
        if metric is not None:
            self._metric(sides, metric)
            return
        if begun := _BEGUN.search(text):
            sides.setdefault(begun[1], Side()).begun += 1
        name = str(said.get("name") or "")
        if text.strip():
            self.tail.append((name, level, text[:_LINE_LENGTH]))
        exception = said.get("plugin_exception")
        if exception is not None:
            message = str(getattr(exception, "message", ""))
            # The line itself may say more: where it is, and how to fix it.
            if message and message in text:
                message = "\n".join(part.strip() for part in text.splitlines())
            self.exceptions[name] = {
                "type": str(getattr(exception, "type", "")),
                "message": message[:_LINE_LENGTH],
            }

    def _metric(self, sides: dict[str, Side], metric: dict[str, Any]) -> None:
        tags = metric.get("tags")
        tags = tags if isinstance(tags, dict) else {}
        kind, value = metric.get("metric"), metric.get("value")
        number = _number(value)
        stream = str(tags.get("stream") or "")
        side = sides.setdefault(stream, Side()) if stream else Side()
        if kind == "record_count":
            side.records = (side.records or 0) + int(number)
        elif kind == "rejected":
            side.rejected += int(number)
        elif kind == "bytes":
            side.bytes += int(number)
        elif kind == "batch_count":
            side.sends_batches = True
        elif kind == "bookmark":
            side.bookmark = None if value is None else str(value)
        elif kind == "sync_duration":
            side.seconds += number
            if str(tags.get("status")) == "failed":
                side.failed += 1
            else:
                side.succeeded += 1
        elif kind == "file_written":
            self.files.append(
                {
                    "path": str(tags.get("path") or ""),
                    "stream": stream,
                    "records": int(number),
                    "changed": str(tags.get("changed")).lower() != "false",
                }
            )

    def plugin_error(self, plugin: str) -> dict[str, str] | None:
        """Return what the plugin itself said was wrong: `message`, maybe `type`.

        The exception of a structured log; else the last line that reads like an
        error, with the `where:` and `fix:` lines below it; else its last line.
        """
        if plugin in self.exceptions:
            return self.exceptions[plugin]
        lines = [(lv, text) for name, lv, text in self.tail if name == plugin]
        for at in range(len(lines) - 1, -1, -1):
            level, text = lines[at]
            if level >= logging.ERROR or _ERROR_TEXT.search(text):
                advice = []
                for _, below in lines[at + 1 :]:
                    if not _ADVICE.match(below):
                        break
                    advice.append(below.strip())
                return {"message": "\n".join([text.strip(), *advice])}
        return {"message": lines[-1][1].strip()} if lines else None

    def tail_lines(self) -> list[str]:
        """Return the last lines, each with the plugin's name before it."""
        return [f"{name}: {text}" for name, _, text in self.tail]

    def streams(self) -> dict[str, dict[str, Any]]:
        """Return what is known of each stream, as event data."""
        found: dict[str, dict[str, Any]] = {}
        for stream in dict.fromkeys([*self.extracted, *self.loaded]):
            out = self.extracted.get(stream, Side())
            into = self.loaded.get(stream, Side())
            numbers: dict[str, Any] = {
                "extracted": out.records,
                "loaded": into.records,
                "rejected": out.rejected + into.rejected,
            }
            if out.bytes or into.bytes:
                numbers["bytes"] = out.bytes or into.bytes
            if out.seconds:
                numbers["seconds"] = round(out.seconds, 3)
            bookmark = out.bookmark or into.bookmark
            if bookmark is not None:
                numbers["bookmark"] = bookmark
            found[stream] = numbers
        return found

    def rows_extracted(self) -> int:
        """Return how many records the tap says it sent."""
        return sum(side.records or 0 for side in self.extracted.values())

    def rows_loaded(self) -> int:
        """Return how many records arrived: the target's word, else the tap's."""
        if any(side.records is not None for side in self.loaded.values()):
            return sum(side.records or 0 for side in self.loaded.values())
        return self.rows_extracted()


def _number(value: object) -> float:
    """Return a metric's value; a plugin may say anything."""
    if isinstance(value, (int, float)) and math.isfinite(value):
        return value
    return 0


def _metric(text: str, said: dict[str, Any]) -> dict[str, Any] | None:
    info = said.get("metric_info")
    if isinstance(info, dict):
        return info
    if _METRIC_TEXT not in text:
        return None
    try:
        parsed = json.loads(text[text.index(_METRIC_TEXT) + len(_METRIC_TEXT) - 1 :])
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None

"""Reads YAML and JSON into values that know their file, line and column.

Called with files of unknown origin, so it takes less than YAML allows: no
anchors and aliases (a few hundred bytes can grow to gigabytes), no tags, no
duplicate keys, no merge keys, one document, UTF-8, at most 1 MB and 50,000
values per file. Plain scalars follow the core schema of YAML 1.2, so `no` and
`12:30` are text, and every scalar keeps the text that was written.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import yaml

from flexcore_gen.errors import FlexCoreError, Mark, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_BYTES = 1_000_000
MAX_VALUES = 50_000
MAX_DEPTH = 40

Scalar: TypeAlias = str | int | float | bool | None
Plain: TypeAlias = "Scalar | list[Plain] | dict[str, Plain]"

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?\Z")
_NULLS = {"", "~", "null", "Null", "NULL"}
_TRUE = {"true", "True", "TRUE"}
_FALSE = {"false", "False", "FALSE"}


@dataclass(slots=True)
class Value:
    """A value with its place.

    `data` is a scalar, a list of values, or a mapping of values. For scalars
    `text` holds what was written; for mappings `key_marks` holds where each
    key stands.
    """

    data: Scalar | list[Value] | dict[str, Value]
    mark: Mark
    text: str = ""
    key_marks: dict[str, Mark] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """How a person calls this value's kind."""
        data = self.data
        if isinstance(data, dict):
            return "mapping"
        if isinstance(data, list):
            return "list"
        if isinstance(data, bool):
            return "true or false"
        if data is None:
            return "nothing"
        return "text" if isinstance(data, str) else "number"

    def plain(self) -> Plain:
        """The value without places; mappings by key, whatever their order was."""
        if isinstance(self.data, dict):
            return {key: self.data[key].plain() for key in sorted(self.data)}
        if isinstance(self.data, list):
            return [value.plain() for value in self.data]
        return self.data

    def walk(self, path: str = "") -> Iterator[tuple[str, Value]]:
        """Yields each scalar below (and including) this value with its path."""
        if isinstance(self.data, dict):
            for key, value in self.data.items():
                yield from value.walk(f"{path}.{key}" if path else key)
        elif isinstance(self.data, list):
            for index, value in enumerate(self.data):
                yield from value.walk(f"{path}[{index}]")
        else:
            yield path, self


def load_file(path: Path, shown_as: str, problems: list[Problem]) -> Value | None:
    """Reads one file.

    Args:
        path: The file.
        shown_as: The name that marks and messages use.
        problems: Receives what is wrong with the file.

    Returns:
        The document's value, or None if nothing usable was read.

    Raises:
        FlexCoreError: The file cannot be opened.
    """
    try:
        with path.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise FlexCoreError(
            f"cannot read {shown_as}: {error.strerror}",
            fix="name an existing ecosystem.yaml, or make one with `flexcore-gen init`",
        ) from error
    return load_bytes(raw, shown_as, problems)


def load_bytes(raw: bytes, shown_as: str, problems: list[Problem]) -> Value | None:
    """Reads one document from its bytes; see `load_file`."""
    start = Mark(shown_as, 1, 1)
    if len(raw) > MAX_BYTES:
        problems.append(
            Problem(
                start,
                f"the file is larger than {MAX_BYTES:,} bytes",
                "split it: each pipeline may stand in its own file below pipelines/",
            )
        )
        return None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - (raw.rfind(b"\n", 0, error.start) + 1) + 1
        problems.append(
            Problem(
                Mark(shown_as, line, column),
                f"the byte 0x{raw[error.start]:02x} is not UTF-8",
                "save the file as UTF-8",
            )
        )
        return None
    return _Builder(shown_as, problems).build(text)


class _Builder:
    """Turns the parser's events into values, refusing what is not allowed."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self.file = file
        self.problems = problems
        self.count = 0
        self.failed = False

    def build(self, text: str) -> Value | None:
        events: Iterator[yaml.Event] = yaml.parse(text, Loader=_LOADER)
        before = len(self.problems)
        value: Value | None = None
        documents = 0
        try:
            for event in events:
                if isinstance(event, yaml.DocumentStartEvent):
                    documents += 1
                    if documents > 1:
                        self._refuse(
                            event,
                            "a second document starts here",
                            "keep one document per file",
                        )
                        return None
                elif isinstance(event, yaml.NodeEvent):
                    value = self._value(event, events, 0)
                if self.failed:
                    return None
        except yaml.MarkedYAMLError as error:
            self._syntax(error)
            return None
        except yaml.YAMLError as error:
            self.problems.append(
                Problem(
                    Mark(self.file, 1, 1),
                    f"this is not YAML: {str(error).splitlines()[0]}",
                    "remove the unreadable character",
                )
            )
            return None
        if value is None and len(self.problems) == before:
            self.problems.append(
                Problem(
                    Mark(self.file, 1, 1),
                    "the file is empty",
                    "`flexcore-gen init` writes a complete example",
                )
            )
        return value

    def _mark(self, event: yaml.Event) -> Mark:
        start = event.start_mark
        assert start is not None  # noqa: S101 - the parser sets it
        return Mark(self.file, start.line + 1, start.column + 1)

    def _refuse(self, event: yaml.Event, what: str, fix: str) -> None:
        self.problems.append(Problem(self._mark(event), what, fix))

    def _syntax(self, error: yaml.MarkedYAMLError) -> None:
        at = error.problem_mark or error.context_mark
        mark = Mark(self.file, at.line + 1, at.column + 1) if at else None
        detail = error.problem or error.context or "unreadable"
        if error.context and error.problem:
            detail = f"{error.problem} ({error.context})"
        self.problems.append(
            Problem(
                mark or Mark(self.file, 1, 1),
                f"this is not YAML: {detail}",
                "look at the indentation, colons and quotes here and in the line above",
            )
        )

    def _value(
        self, event: yaml.Event, events: Iterator[yaml.Event], depth: int
    ) -> Value:
        self.count += 1
        mark = self._mark(event)
        if self.count > MAX_VALUES or depth > MAX_DEPTH:
            if not self.failed:
                limit = (
                    f"{MAX_VALUES:,} values"
                    if self.count > MAX_VALUES
                    else f"{MAX_DEPTH} levels"
                )
                self._refuse(
                    event,
                    f"the file holds more than {limit}",
                    "split it: each pipeline may stand in its own file",
                )
            self.failed = True
            return Value(None, mark)
        if isinstance(event, yaml.AliasEvent):
            self._refuse(
                event,
                f'the alias "*{event.anchor}" is not allowed',
                "write the value out, or use foreach for similar pipelines",
            )
            return Value(None, mark)
        self._refuse_extras(event)
        if isinstance(event, yaml.ScalarEvent):
            if not event.style and event.tag is None:
                return Value(_resolve(event.value), mark, event.value)
            return Value(event.value, mark, event.value)
        if isinstance(event, yaml.SequenceStartEvent):
            return Value(self._items(events, depth), mark)
        return self._mapping(mark, events, depth)

    def _refuse_extras(self, event: yaml.Event) -> None:
        """Refuses anchors and tags, which scalars and collections may carry."""
        if (anchor := getattr(event, "anchor", None)) is not None:
            self._refuse(
                event,
                f'the anchor "&{anchor}" is not allowed',
                "remove it: aliases are refused",
            )
        if (tag := getattr(event, "tag", None)) is not None:
            self._refuse(event, f'the tag "{tag}" is not allowed', "remove the tag")

    def _items(self, events: Iterator[yaml.Event], depth: int) -> list[Value]:
        items = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent) or self.failed:
                break
            items.append(self._value(event, events, depth + 1))
        return items

    def _mapping(self, mark: Mark, events: Iterator[yaml.Event], depth: int) -> Value:
        entries: dict[str, Value] = {}
        marks: dict[str, Mark] = {}
        for event in events:
            if isinstance(event, yaml.MappingEndEvent) or self.failed:
                break
            key = self._value(event, events, depth + 1)
            key_mark = key.mark
            name = key.text
            value = self._value(next(events), events, depth + 1)
            if isinstance(key.data, (dict, list)):
                self.problems.append(
                    Problem(key_mark, f"a key is a {key.kind}", "keys are plain words")
                )
                continue
            if name == "<<":
                self.problems.append(
                    Problem(
                        key_mark,
                        'the merge key "<<" is not allowed',
                        "write the keys out",
                    )
                )
                continue
            if name in entries:
                self.problems.append(
                    Problem(
                        key_mark,
                        f'the key "{name}" stands here a second time; '
                        f"first at {marks[name]}",
                        "keep one of the two",
                    )
                )
                continue
            entries[name] = value
            marks[name] = key_mark
        return Value(entries, mark, "", marks)


def _resolve(text: str) -> Scalar:
    """The scalar that plain `text` means in YAML 1.2's core schema."""
    if text in _NULLS:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if _INTEGER.match(text):
        return int(text)
    if ("." in text or "e" in text or "E" in text) and _FLOAT.match(text):
        number = float(text)
        return number if math.isfinite(number) else text
    return text

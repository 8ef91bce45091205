"""Parse one record by every rule of RFC 2849: the exact path of the reader.

It sees the record's lines unfolded, and raises `LdifError` with the index of the
offending one. The fast path of `reader` reads plain entries and leaves the rest
to this module, which alone knows controls, changes, URLs and dialects.
"""

from __future__ import annotations

import binascii
import re
from typing import TYPE_CHECKING, NoReturn

from flext_ldif.dialects import Leniency
from flext_ldif.entries import Change, Control, Entry, LdifError, Modification

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flext_ldif.entries import Attributes, Record, Value
    from flext_ldif.file_urls import UrlReader

# RFC 2849, AttributeDescription: a name or an OID, with options.
STRICT_NAME = re.compile(
    r"(?:[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)*)(?:;[A-Za-z0-9-]+)*", re.ASCII
)
# What servers write too: `my_attr`, `member;range=0-1499`.
WIDE_NAME = re.compile(
    r"(?:[A-Za-z_][A-Za-z0-9_.-]*|\d+(?:\.\d+)*)"
    r"(?:;range=\d+-(?:\d+|\*)|;[A-Za-z0-9_.-]+)*",
    re.ASCII,
)
_CONTROL = re.compile(
    r"(\d+(?:\.\d+)*)(?: +(true|false))?(?: *(::|:<|:) *(.*?))? *",
    re.DOTALL | re.IGNORECASE,
)
#: What a modify may do to an attribute; increment is RFC 4525's.
OPERATIONS = frozenset({"add", "delete", "replace", "increment"})
_RESULT_WORDS = frozenset({"search", "result", "ref"})
#: Names that cannot be attributes of an entry.
KEYWORDS = frozenset({"dn", "changetype", "control", "version"})
_BAD_TEXT = re.compile("[\0\r\udc80-\udcff]")


class NotARecord(Exception):  # noqa: N818 - says what the block is, not what failed
    """The block holds comments, a version, or what ldapsearch says at its end."""


class Line:
    """One unfolded line, split at its colon.

    Attributes:
        name: What stands before the colon.
        value: The value, decoded.
        index: Which line of the record it is.
    """

    __slots__ = ("index", "name", "value")

    def __init__(self, name: str, value: Value, index: int) -> None:
        self.name = name
        self.value = value
        self.index = index


class RecordParser:
    """Parses the records of one file.

    Args:
        leniencies: What to read around.
        read_url: Reads the value behind an URL, or refuses it.
    """

    def __init__(self, leniencies: frozenset[Leniency], read_url: UrlReader) -> None:
        self._raw_utf8 = Leniency.RAW_UTF8 in leniencies
        self._raw_bytes = Leniency.RAW_BYTES in leniencies
        self._search_result = Leniency.SEARCH_RESULT in leniencies
        self._open_modify = Leniency.OPEN_MODIFY in leniencies
        self._bare_entry = Leniency.BARE_ENTRY in leniencies
        self._loose = Leniency.LOOSE_VALUES in leniencies
        self._mixed = Leniency.MIXED_RECORDS in leniencies
        self._name = WIDE_NAME if Leniency.WIDE_NAMES in leniencies else STRICT_NAME
        self._read_url = read_url
        self._seen: type[Record] | None = None  # kind of the records before
        self.dn: str | None = None  # of the record at hand, for those who report
        self.is_change = False
        self.dn_index = 0

    def is_name(self, text: str) -> bool:
        """Whether a text may name an attribute."""
        return self._name.fullmatch(text) is not None

    def parse(self, texts: Sequence[str], *, may_have_version: bool) -> Record:
        """Return the record of some unfolded lines.

        Args:
            texts: The lines of one block; comments among them are passed over.
                Bytes that are not UTF-8 are surrogates (PEP 383).
            may_have_version: It is the first of its file.

        Raises:
            LdifError: It breaks a rule; `line` is the index into `texts`, from 0.
            NotARecord: There is no record in it.
        """
        self.dn, self.is_change, self.dn_index = None, False, 0
        numbered = [
            (index, text) for index, text in enumerate(texts) if text and text[0] != "#"
        ]
        if numbered and may_have_version and _is_version(numbered[0][1]):
            self._check_version(*numbered.pop(0))
        if not numbered:
            raise NotARecord
        self.dn_index = numbered[0][0]
        self.dn = self._dn(*numbered[0])
        record = self._body(numbered[1:])
        if not self._mixed and self._seen not in (None, type(record)):
            self._fail("entries and change records in one file", self.dn_index)
        self._seen = type(record)
        return record

    # Lines

    @staticmethod
    def _fail(reason: str, index: int) -> NoReturn:
        raise LdifError(reason, index)

    def _split(self, index: int, text: str) -> Line:
        name, colon, rest = text.partition(":")
        if text[0] == " ":
            self._fail("the line continues one that is not there", index)
        if not colon:
            self._fail(f"no colon in {_shown(text)}", index)
        if not name or name != name.strip():
            self._fail(f"{_shown(name)} is no attribute name", index)
        if rest[:1] == ":":
            return Line(name, self._base64(name, rest[1:], index), index)
        if rest[:1] == "<":
            return Line(name, self._url(name, rest[1:].strip(" "), index), index)
        return Line(name, self._text(name, rest.lstrip(" "), index), index)

    def _base64(self, name: str, text: str, index: int) -> Value:
        text = text.strip(" ")
        try:
            data = binascii.a2b_base64(text, strict_mode=True) if text else b""
        except ValueError as error:
            self._fail(f"bad base64 for {name}: {error}", index)
        if name[-7:].lower() == ";binary":
            return data
        return as_value(data)

    def _url(self, name: str, url: str, index: int) -> Value:
        try:
            data = self._read_url(url)
        except ValueError as error:
            self._fail(f"{name}: {error}", index)
        return data if name[-7:].lower() == ";binary" else as_value(data)

    def _text(self, name: str, value: str, index: int) -> Value:
        if value.isascii() and "\0" not in value and "\r" not in value:
            if not self._loose and value[:1] in ("<", ":") and value:
                self._fail(f"value of {name} begins with {value[0]!r}", index)
            return value
        bad = _BAD_TEXT.search(value)
        if bad is None:
            if not self._raw_utf8:
                self._fail(f"value of {name} is not ASCII and not base64", index)
            return value
        if "\0" in value or "\r" in value:
            self._fail(f"NUL or carriage return within the value of {name}", index)
        if not self._raw_bytes:
            self._fail(f"value of {name} is not UTF-8 and not base64", index)
        return value.encode("utf-8", "surrogateescape")

    def _keyword(self, line: Line) -> str:
        """Return the value of a keyword, which must be text."""
        if isinstance(line.value, bytes):
            self._fail(f"value of {line.name} is no text", line.index)
        return line.value.strip(" ") if self._loose else line.value

    # The record's head

    def _check_version(self, index: int, text: str) -> None:
        value = self._split(index, text).value
        if isinstance(value, bytes) or value.strip() != "1":
            self._fail(f"LDIF version {value!r} is not 1", index)

    def _dn(self, index: int, text: str) -> str:
        line = self._split(index, text)
        keyword = line.name.lower()
        if keyword != "dn":
            if self._search_result and keyword in _RESULT_WORDS:
                raise NotARecord
            if keyword == "include":
                self._fail(f"{_shown(text)}: other files are not read in", index)
            self._fail(f"the record begins with {_shown(line.name)}, not dn", index)
        if isinstance(line.value, str):
            return line.value
        if text[2:4] == "::":
            self._fail("the DN is not UTF-8", index)
        # Written raw by a server of the Latin-1 age: LDAP itself allows UTF-8 only.
        return line.value.decode("latin-1")

    def _body(self, lines: list[tuple[int, str]]) -> Record:
        assert self.dn is not None  # noqa: S101 - for the type checker
        controls: list[Control] = []
        position = 0
        while position < len(lines) and lines[position][1][:8].lower() == "control:":
            self.is_change = True
            controls.append(self._control(*lines[position]))
            position += 1
        if position < len(lines) and lines[position][1][:11].lower() == "changetype:":
            self.is_change = True
            line = self._split(*lines[position])
            change = self._change(line, lines[position + 1 :])
            change.controls = controls
            return change
        if controls:
            self._fail("control without changetype", self.dn_index)
        attributes, has_bytes = self._attributes(lines)
        if not attributes and not self._bare_entry:
            self._fail("the entry has no attributes", self.dn_index)
        return Entry(self.dn, attributes, has_bytes=has_bytes)

    def _control(self, index: int, text: str) -> Control:
        match = _CONTROL.fullmatch(text[8:].lstrip(" "))
        if match is None:
            self._fail(f"bad control {_shown(text)}", index)
        oid, critical, mark, rest = match.groups()
        value: Value | None = None
        if mark == "::":
            value = self._base64("control", rest, index)
        elif mark == ":<":
            value = self._url("control", rest, index)
        elif mark == ":":
            value = self._text("control", rest, index)
        return Control(oid, (critical or "false").lower() == "true", value)

    def _attributes(self, lines: list[tuple[int, str]]) -> tuple[Attributes, bool]:
        attributes: Attributes = {}
        has_bytes = False
        for index, text in lines:
            line = self._split(index, text)
            values = attributes.get(line.name)
            if values is None:
                self._check_attribute(line)
                values = attributes[line.name] = []
            values.append(line.value)
            has_bytes = has_bytes or isinstance(line.value, bytes)
        return attributes, has_bytes

    def _check_attribute(self, line: Line) -> None:
        keyword = line.name.lower()
        if keyword == "dn":
            self._fail("a second dn in the record: no blank line before it", line.index)
        if keyword in ("changetype", "control"):
            self._fail(f"{line.name} must stand before the attributes", line.index)
        if not self.is_name(line.name):
            self._fail(f"{_shown(line.name)} is no attribute name", line.index)

    # Changes

    def _change(self, line: Line, lines: list[tuple[int, str]]) -> Change:
        kind = self._keyword(line).lower()
        if kind == "add":
            return self._add(line, lines)
        if kind == "modify":
            return Change("modify", self.dn or "", self._modifications(lines))
        if kind in ("modrdn", "moddn"):
            return self._moddn(kind, line, lines)
        if kind != "delete":
            self._fail(f"unknown changetype {_shown(kind)}", line.index)
        if lines:
            self._fail("lines after changetype: delete", lines[0][0])
        return Change("delete", self.dn or "")

    def _add(self, line: Line, lines: list[tuple[int, str]]) -> Change:
        attributes, _ = self._attributes(lines)
        if not attributes:
            self._fail("changetype: add without attributes", line.index)
        steps = [
            Modification("add", name, values) for name, values in attributes.items()
        ]
        return Change("add", self.dn or "", steps)

    def _moddn(self, kind: str, head: Line, lines: list[tuple[int, str]]) -> Change:
        found: dict[str, str] = {}
        expected = ["newrdn", "deleteoldrdn", "newsuperior"]
        for index, text in lines:
            line = self._split(index, text)
            if not expected or line.name.lower() != expected[0]:
                wanted = expected[0] if expected else "nothing more"
                self._fail(
                    f"{wanted} expected after changetype: {kind}, not {line.name!r}",
                    index,
                )
            if isinstance(line.value, bytes):
                self._fail(f"value of {line.name} is not UTF-8", index)
            found[expected.pop(0)] = line.value
        for name in ("newrdn", "deleteoldrdn"):
            if not found.get(name):
                self._fail(f"changetype: {kind} without {name}", head.index)
        flag = found["deleteoldrdn"]
        flag = flag.strip(" ") if self._loose else flag
        if flag not in ("0", "1"):
            self._fail(f"deleteoldrdn must be 0 or 1, not {flag!r}", lines[1][0])
        return Change(
            kind,
            self.dn or "",
            new_rdn=found["newrdn"],
            delete_old_rdn=flag == "1",
            new_superior=found.get("newsuperior"),
        )

    def _modifications(self, lines: list[tuple[int, str]]) -> list[Modification]:
        steps: list[Modification] = []
        position = 0
        while position < len(lines):
            index, text = lines[position]
            if self._is_dash(text) and self._open_modify:
                position += 1
                continue
            step = self._step(self._split(index, text))
            position += 1
            while position < len(lines) and not self._is_dash(lines[position][1]):
                line = self._split(*lines[position])
                if line.name.lower() != step.attribute.lower():
                    self._fail(
                        f"{line.name!r} within the modify of {step.attribute!r}",
                        line.index,
                    )
                step.values.append(line.value)
                position += 1
            if position >= len(lines) and not self._open_modify:
                self._fail("modify without its closing '-'", lines[-1][0])
            position += 1
            if not step.values and step.operation in ("add", "increment"):
                self._fail(
                    f"{step.operation} of {step.attribute!r} without values", index
                )
            steps.append(step)
        return steps

    def _is_dash(self, text: str) -> bool:
        return text == "-" or (self._loose and text.rstrip(" ") == "-")

    def _step(self, line: Line) -> Modification:
        operation, attribute = line.name.lower(), self._keyword(line)
        if operation not in OPERATIONS:
            self._fail(f"unknown modify operation {line.name!r}", line.index)
        if not self.is_name(attribute):
            self._fail(f"{_shown(attribute)} is no attribute name", line.index)
        return Modification(operation, attribute)


def as_value(data: bytes) -> Value:
    """Return bytes as text if they are UTF-8 without NUL, else as they are."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return data
    return data if "\0" in text else text


def _is_version(text: str) -> bool:
    return text[:8].lower() == "version:"


def _shown(text: str) -> str:
    """Return the start of a text for a message, without odd characters."""
    return ascii(text[:60])

"""Write LDIF (RFC 2849) that OpenLDAP, 389-DS, AD and Oracle's tools read back.

Values go out as text when they are SAFE-STRINGs, else as base64, so that no value
can end its line. Lines are folded after they have become ASCII, so that no UTF-8
sequence is split. There is no version line unless one is asked for: slapadd
refuses it.
"""

from __future__ import annotations

import re
import sys
from binascii import b2a_base64
from typing import TYPE_CHECKING

from flext_ldif.entries import LdifError
from flext_ldif.record_parser import KEYWORDS, OPERATIONS, WIDE_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flext_ldif.entries import Change, Control, Modification, Value

LINE_LENGTH = 76
#: Shortest line that `line_length` may ask for; 0 folds nothing.
MIN_LINE_LENGTH = 10
VERSION_LINE = b"version: 1\n"
# RFC 2849, SAFE-STRING, and its note 8: a value may not end in a space.
_UNSAFE_STARTS = frozenset(" :<")
_UNSAFE = re.compile("\\A[ :<]|[^\x01-\x09\x0b\x0c\x0e-\x7f]| \\Z")


class LdifWriter:
    """Turns entries and changes into LDIF.

    Args:
        line_length: Columns at which lines are folded; 0 folds nothing.
    """

    def __init__(self, line_length: int = LINE_LENGTH) -> None:
        if line_length and line_length < MIN_LINE_LENGTH:
            raise ValueError(f"line_length must be 0 or at least {MIN_LINE_LENGTH}")
        self._width = line_length
        self._names: set[str] = set()  # checked before

    def entry(self, dn: str, attributes: Mapping[str, Sequence[Value]]) -> bytes:
        """Return a content record, blank line included.

        Raises:
            LdifError: A name is none, or the DN holds half a character.
        """
        return self._record(dn, (), attributes)

    def added(self, dn: str, attributes: Mapping[str, Sequence[Value]]) -> bytes:
        """Return a change record that adds an entry.

        Raises:
            LdifError: As for `entry`; or there are no attributes.
        """
        if not any(attributes.values()):
            raise LdifError("an add without attributes")
        return self._record(dn, ["changetype: add"], attributes)

    def deleted(self, dn: str) -> bytes:
        """Return a change record that deletes an entry."""
        return _joined([self._dn(dn), "changetype: delete"])

    def change(self, change: Change) -> bytes:
        """Return a change record, blank line included.

        Raises:
            LdifError: As for `entry`; or the change is no such change.
        """
        head = [self._control(control) for control in change.controls]
        if change.kind == "add":
            attributes: dict[str, list[Value]] = {}
            for step in change.modifications:
                attributes.setdefault(step.attribute, []).extend(step.values)
            if not any(attributes.values()):
                raise LdifError("an add without attributes")
            return self._record(change.dn, [*head, "changetype: add"], attributes)
        body = [self._dn(change.dn), *head]
        if change.kind == "delete":
            body.append("changetype: delete")
        elif change.kind == "modify":
            body.append("changetype: modify")
            for step in change.modifications:
                body += self._step(step)
        elif change.kind in ("modrdn", "moddn"):
            body += self._moddn(change)
        else:
            raise LdifError(f"unknown kind of change {change.kind[:60]!a}")
        return _joined(body)

    def _step(self, step: Modification) -> list[str]:
        self._check_name(step.attribute)
        if step.operation not in OPERATIONS:
            raise LdifError(f"unknown operation {step.operation[:60]!a}")
        values = [self.line(step.attribute, value) for value in step.values]
        return [f"{step.operation}: {step.attribute}", *values, "-"]

    def _moddn(self, change: Change) -> list[str]:
        if not change.new_rdn or change.delete_old_rdn is None:
            raise LdifError("a rename without new_rdn or delete_old_rdn")
        lines = [
            f"changetype: {change.kind}",
            self.line("newrdn", change.new_rdn),
            f"deleteoldrdn: {change.delete_old_rdn:d}",
        ]
        if change.new_superior is not None:
            lines.append(self.line("newsuperior", change.new_superior))
        return lines

    def line(self, name: str, value: Value) -> str:
        """Return one attribute value, folded, without its last line end."""
        return self._fold(_line(name, value))

    def _record(
        self,
        dn: str,
        head: Iterable[str],
        attributes: Mapping[str, Sequence[Value]],
    ) -> bytes:
        if not attributes.keys() <= self._names:
            for name in attributes:
                self._check_name(name)
        lines = [self._dn(dn), *head]
        width = self._width or sys.maxsize
        for name, values in attributes.items():
            for value in values:
                if (
                    isinstance(value, str)
                    # ASCII that prints holds no line end, NUL or tab.
                    and value.isascii()
                    and value.isprintable()
                    and value
                    and value[0] not in _UNSAFE_STARTS
                    and value[-1] != " "
                ):
                    line = f"{name}: {value}"
                else:
                    line = _line(name, value)
                if len(line) > width:
                    line = self._fold(line)
                lines.append(line)
        return _joined(lines)

    def _dn(self, dn: str) -> str:
        if "\0" in dn:
            raise LdifError("the DN holds NUL, which stands as \\00 in a DN")
        return self.line("dn", dn)

    def _fold(self, line: str) -> str:
        width = self._width
        if not width or len(line) <= width:
            return line
        rest = range(width, len(line), width - 1)
        return "\n ".join(
            [line[:width], *(line[start : start + width - 1] for start in rest)]
        )

    def _check_name(self, name: str) -> None:
        if name in self._names:
            return
        if not WIDE_NAME.fullmatch(name) or name.lower() in KEYWORDS:
            raise LdifError(f"{name[:60]!a} is no attribute name")
        self._names.add(name)

    def _control(self, control: Control) -> str:
        text = f"control: {control.oid} {'true' if control.is_critical else 'false'}"
        if not re.fullmatch(r"\d+(\.\d+)*", control.oid):
            raise LdifError(f"{control.oid[:60]!a} is no OID of a control")
        if control.value is None:
            return self._fold(text)
        return self._fold(text + _line("", control.value))


def _line(name: str, value: Value) -> str:
    """Return a value behind its name, base64 if it is no SAFE-STRING."""
    if isinstance(value, str):
        if _UNSAFE.search(value) is None:
            return f"{name}: {value}" if value else f"{name}:"
        try:
            value = value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise LdifError(f"value of {name} holds half a character") from error
    elif value.isascii():
        text = value.decode("ascii")
        if _UNSAFE.search(text) is None:
            return f"{name}: {text}" if text else f"{name}:"
    return f"{name}:: {b2a_base64(value, newline=False).decode('ascii')}"


def _joined(lines: list[str]) -> bytes:
    """Return the bytes of a record's lines and the blank line after it."""
    lines.append("\n")
    return "\n".join(lines).encode("ascii")

"""What an LDIF file holds, as plain values: entries, changes, refusals.

The reader yields these, the tap turns them into records, the writer takes them
back. A value is str where the file held text or base64 of text, else bytes.
Text is UTF-8 without NUL: nothing that JSON or a database column would refuse.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

Value: TypeAlias = str | bytes
Attributes: TypeAlias = dict[str, list[Value]]


class LdifError(ValueError):
    """A record of an LDIF file cannot be read, or cannot be written.

    Args:
        reason: What is wrong, in one sentence.
        line: Number of the line in the file, from 1; 0 when there is no file.
    """

    def __init__(self, reason: str, line: int = 0) -> None:
        super().__init__(f"line {line}: {reason}" if line else reason)
        self.reason = reason
        self.line = line


@dataclass(slots=True)
class Entry:
    """A content record: an entry as it stands in a directory.

    Attributes:
        dn: Distinguished name as written; "" is the root DSE.
        attributes: `{name: [values]}`, names as written, values in file order.
        line: Number of the line that holds the DN, from 1.
        size: Bytes from that line through the record's last line.
        has_bytes: Whether any value is bytes.
    """

    dn: str
    attributes: Attributes
    line: int = 0
    size: int = 0
    has_bytes: bool = False


@dataclass(slots=True)
class Control:
    """An LDAP control of a change record (RFC 2849, control)."""

    oid: str
    is_critical: bool = False
    value: Value | None = None


@dataclass(slots=True)
class Modification:
    """One step of a change: what happens to one attribute.

    Attributes:
        operation: add, delete, replace or increment (RFC 4525).
        attribute: Name with its options, as written.
        values: May be empty for delete and replace.
    """

    operation: str
    attribute: str
    values: list[Value] = field(default_factory=list)


@dataclass(slots=True)
class Change:
    """A change record.

    Attributes:
        kind: add, delete, modify, modrdn or moddn; the last two mean the same.
        modifications: The new entry's attributes for add, the steps of modify.
        new_rdn: For modrdn and moddn, as are the two after it.
        line: As in `Entry`; so is `size`.
    """

    kind: str
    dn: str
    modifications: list[Modification] = field(default_factory=list)
    new_rdn: str | None = None
    delete_old_rdn: bool | None = None
    new_superior: str | None = None
    controls: list[Control] = field(default_factory=list)
    line: int = 0
    size: int = 0


@dataclass(slots=True)
class Refusal:
    """A record that could not be read; its neighbours are not touched by it.

    Attributes:
        reason: What is wrong, in one sentence.
        line: Number of the offending line.
        dn: The record's DN, as far as it could be read.
        is_change: Whether the record says it is a change record.
        text: The record as it stands in the file, cut after 4 KiB.
    """

    reason: str
    line: int
    dn: str | None = None
    is_change: bool = False
    text: str = ""


Record: TypeAlias = Entry | Change

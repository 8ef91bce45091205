"""Attributes that Active Directory hands out in pieces (`member;range=0-1499`).

Above 1500 values the server sends `member` empty beside `member;range=0-1499`.
A reader that takes the empty one at its word erases the group, which is the
worst accident reported of LDAP tools; see docs/explanation.
([MS-ADTS] 3.1.1.3.1.3.3, range retrieval)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flext_ldap.messages import Attributes
    from flext_ldap.session import Session

_RANGE = re.compile(r"(.*);range=(\d+)-(\d+|\*)", re.IGNORECASE)


class RangeError(ValueError):
    """The server did not go on with a range it had begun."""


def has_ranges(entry: Attributes) -> bool:
    """Whether any attribute came in pieces."""
    return any(";range=" in name.lower() for name in entry)


def complete(session: Session, dn: str, entry: Attributes) -> Attributes | None:
    """Return the entry with every ranged attribute whole; None if it vanished.

    Values are taken once each, as a group that changes meanwhile may repeat
    some in the next piece.

    Raises:
        RangeError: The next piece is missing or does not lead on.
    """
    whole: Attributes = {}
    for name, values in entry.items():
        match = _RANGE.fullmatch(name)
        if match is None:
            whole[name] = whole.get(name, []) + values
            continue
        base, high, seen = match[1], match[3], dict.fromkeys(values)
        while high != "*":
            start = int(high) + 1
            piece = session.read(dn, [f"{base};range={start}-*"])
            if piece is None:
                return None
            more, high = _next(piece, base, start)
            seen.update(dict.fromkeys(more))
        whole[base] = whole.get(base, []) + list(seen)
    return whole


def _next(piece: Attributes, base: str, start: int) -> tuple[list[bytes], str]:
    for name, values in piece.items():
        match = _RANGE.fullmatch(name)
        if match and match[1].lower() == base.lower() and int(match[2]) == start:
            if match[3] != "*" and int(match[3]) < start:
                break
            return values, match[3]
    raise RangeError(f"the server gave no values of {base} from {start} on")

"""When two values of an attribute are the same: its equality matching rule.

Servers store what they were given and compare by rule (RFC 4517 section 4.2).
`key` folds a value as the rule does. Where a server keeps the spelling, a new
spelling is a change (`smith` becomes `Smith`); where it rewrites values into a
form of its own, only the key counts, or a diff would never come to rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flext_ldap import dn, generalized_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from flext_ldap.subschema import Subschema

# Spaces only: OpenLDAP keeps a line end apart from a space.
_SPACES = re.compile(" +")
_LDAP = "1.3.6.1.4.1.1466.115.121.1."


@dataclass(frozen=True, slots=True)
class Equality:
    """How the values of one attribute are compared.

    Attributes:
        key: Folds a value; equal keys are equal values.
        keeps_spelling: The server returns a value as it was written.
        can_delete_values: The server can find a value to delete it; without an
            equality rule it cannot (inappropriateMatching).
    """

    key: Callable[[bytes], bytes]
    keeps_spelling: bool = True
    can_delete_values: bool = True


def _fold(value: bytes) -> bytes:
    return (
        _squeeze(value)
        .decode("utf-8", "surrogateescape")
        .casefold()
        .encode("utf-8", "surrogateescape")
    )


def _squeeze(value: bytes) -> bytes:
    text = value.decode("utf-8", "surrogateescape").strip(" ")
    return _SPACES.sub(" ", text).encode("utf-8", "surrogateescape")


def _telephone(value: bytes) -> bytes:
    return _fold(value).replace(b" ", b"").replace(b"-", b"")


def _numeric(value: bytes) -> bytes:
    return value.replace(b" ", b"")


def _name(value: bytes) -> bytes:
    try:
        return dn.normalise(value.decode("utf-8")).encode("utf-8")
    except (dn.DnError, UnicodeDecodeError):
        return _fold(value)


def _integer(value: bytes) -> bytes:
    try:
        return str(int(value)).encode()
    except ValueError:
        return value


def _time(value: bytes) -> bytes:
    try:
        return generalized_time.parse(value.decode("ascii")).isoformat().encode()
    except ValueError:
        return value


def _exact(value: bytes) -> bytes:
    return value


_FOLDED = Equality(_fold)
_EXACT = Equality(_exact)
_NAMES = Equality(_name, keeps_spelling=False)
_INTEGERS = Equality(_integer, keeps_spelling=False)
_TIMES = Equality(_time, keeps_spelling=False)
_CASELESS_WORDS = Equality(_fold, keeps_spelling=False)
_NO_RULE = Equality(_exact, can_delete_values=False)

_BY_RULE = {
    "caseignorematch": _FOLDED,
    "caseignoreia5match": _FOLDED,
    "caseignorelistmatch": _FOLDED,
    "caseexactmatch": Equality(_squeeze),
    "caseexactia5match": Equality(_squeeze),
    "distinguishednamematch": _NAMES,
    "uniquemembermatch": _NAMES,
    "integermatch": _INTEGERS,
    "booleanmatch": _CASELESS_WORDS,
    "objectidentifiermatch": _CASELESS_WORDS,
    "generalizedtimematch": _TIMES,
    "telephonenumbermatch": Equality(_telephone),
    "numericstringmatch": Equality(_numeric),
    "octetstringmatch": _EXACT,
    "bitstringmatch": _EXACT,
    "certificateexactmatch": _NO_RULE,
}
#: For Active Directory, whose schema names no rules.
_BY_SYNTAX = {
    _LDAP + "7": _CASELESS_WORDS,
    _LDAP + "12": _NAMES,
    _LDAP + "15": _FOLDED,
    _LDAP + "24": _TIMES,
    _LDAP + "26": _FOLDED,
    _LDAP + "27": _INTEGERS,
    _LDAP + "36": Equality(_numeric),
    _LDAP + "38": _CASELESS_WORDS,
    _LDAP + "40": _EXACT,
    "1.2.840.113556.1.4.905": _FOLDED,
    "1.2.840.113556.1.4.906": _INTEGERS,
}


def equality_of(name: str, schema: Subschema) -> Equality:
    """Return how the values of an attribute are compared."""
    known = schema.attribute(name)
    if known is None:
        return _NO_RULE
    if known.equality:
        return _BY_RULE.get(known.equality.lower(), _EXACT)
    return _BY_SYNTAX.get(known.syntax, _NO_RULE)

"""Which departures from RFC 2849 are read around.

Real servers and tools write LDIF that the RFC does not allow. Each departure has
a name here, and a dialect is the set of those that its software writes. The
default dialect takes all of them; `rfc2849` none (`strict_parsing`).
"""

from __future__ import annotations

import enum


class Leniency(enum.Enum):
    """A departure from RFC 2849; each value says what is read."""

    RAW_UTF8 = "UTF-8 that is not base64"
    RAW_BYTES = "bytes that are neither ASCII nor UTF-8"
    UNICODE_MARK = "a byte order mark, and UTF-16 after one"
    SEARCH_RESULT = "the result and referral blocks of ldapsearch without -LLL"
    OPEN_MODIFY = "a modify without its last '-', or with one too many"
    MIXED_RECORDS = "entries and change records in one file"
    WIDE_NAMES = "underscores and dots in names, and range options"
    BARE_ENTRY = "an entry without attributes"
    LOOSE_VALUES = "values that begin with ':' or '<', spaces after keywords"
    OPEN_END = "a last line without a line end"


_OPENLDAP = {
    Leniency.SEARCH_RESULT,
    Leniency.OPEN_MODIFY,
    Leniency.MIXED_RECORDS,
    Leniency.WIDE_NAMES,
    Leniency.BARE_ENTRY,
    Leniency.LOOSE_VALUES,
    Leniency.OPEN_END,
}
#: The names that the setting `dialect` takes.
DIALECTS: dict[str, frozenset[Leniency]] = {
    "tolerant": frozenset(Leniency),
    "rfc2849": frozenset(),
    "openldap": frozenset(_OPENLDAP),
    "389ds": frozenset(_OPENLDAP | {Leniency.RAW_UTF8}),
    "active_directory": frozenset(
        _OPENLDAP | {Leniency.RAW_UTF8, Leniency.UNICODE_MARK}
    ),
    "oracle": frozenset(_OPENLDAP | {Leniency.RAW_UTF8, Leniency.RAW_BYTES}),
}

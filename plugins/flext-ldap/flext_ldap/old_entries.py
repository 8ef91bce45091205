"""The entries as they are on the server now, read many at a time.

By DN: the records of one parent are one search below it, an OR of their RDNs.
By a matching attribute: one search below the base. Either costs a message per
200 records instead of one each.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from flext_ldap import dn as names
from flext_ldap import filters, ranges, results
from flext_ldap.equality import equality_of
from flext_ldap.results import LdapError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flext_ldap.messages import Attributes
    from flext_ldap.session import Session
    from flext_ldap.subschema import Subschema
    from flext_ldap.wanted_entries import WantedEntry

BATCH = 200


@dataclass
class OldEntry:
    """An entry on the server; attribute names are canonical."""

    dn: str
    attributes: Attributes


@dataclass
class OldEntries:
    """What was found for a batch of wanted entries.

    Attributes:
        by_key: Old entry by `WantedEntry.key`.
        ambiguous: Keys that more than one entry has.
        missing_parents: Normalised DNs of parents that do not exist.
    """

    by_key: dict[str, OldEntry] = field(default_factory=dict)
    ambiguous: set[str] = field(default_factory=set)
    missing_parents: set[str] = field(default_factory=set)


class OldEntryReader:
    """Reads old entries over a session."""

    def __init__(self, session: Session, schema: Subschema) -> None:
        self._session = session
        self._schema = schema

    def read(
        self, wanted: list[WantedEntry], match_attribute: str | None
    ) -> OldEntries:
        """Return the old entries of a batch."""
        found = OldEntries()
        attributes = {"objectClass"}
        for one in wanted:
            attributes.update(one.attributes)
            attributes.update(one.passwords)
        if match_attribute:
            attributes.add(match_attribute)
            self._by_match(wanted, match_attribute, sorted(attributes), found)
            wanted = [w for w in wanted if w.key not in found.by_key and w.dn]
            taken = {w.key: names.normalise(w.dn) for w in wanted}
            by_dn = OldEntries()
            self._by_dn(wanted, sorted(attributes), by_dn)
            found.missing_parents = by_dn.missing_parents
            for key, place in taken.items():
                if place in by_dn.by_key:
                    found.by_key[key] = by_dn.by_key[place]
        else:
            self._by_dn(wanted, sorted(attributes), found)
        return found

    def _by_match(
        self,
        wanted: list[WantedEntry],
        attribute: str,
        attributes: list[str],
        found: OldEntries,
    ) -> None:
        fold = equality_of(attribute, self._schema).key
        keys = {fold(one.match): one.key for one in wanted if one.match is not None}
        base = self._session.settings.base_dn
        for batch in _batches(wanted):
            either = filters.any_of(
                filters.equality(attribute, one.match)
                for one in batch
                if one.match is not None
            )
            for old in self._search(base, "sub", either, attributes):
                for value in old.attributes.get(attribute, ()):
                    key = keys.get(fold(value))
                    if key is None:
                        continue
                    if key in found.by_key:
                        found.ambiguous.add(key)
                    found.by_key[key] = old

    def _by_dn(
        self, wanted: list[WantedEntry], attributes: list[str], found: OldEntries
    ) -> None:
        by_parent: dict[str, list[WantedEntry]] = defaultdict(list)
        for one in wanted:
            by_parent[names.parent(one.dn) or ""].append(one)
        for parent, children in by_parent.items():
            try:
                self._children(parent, children, attributes, found)
            except LdapError as error:
                if error.code != results.NO_SUCH_OBJECT:
                    raise
                found.missing_parents.add(names.normalise(parent))

    def _children(
        self,
        parent: str,
        children: list[WantedEntry],
        attributes: list[str],
        found: OldEntries,
    ) -> None:
        if not parent or len(children) == 1:
            # A suffix entry has no parent to search below.
            for one in children:
                self._single(one, parent, attributes, found)
            return
        for batch in _batches(children):
            either = filters.any_of(_rdn_filter(one.dn) for one in batch)
            keys = {names.normalise(one.dn) for one in batch}
            strange = False
            for old in self._search(parent, "one", either, attributes):
                key = names.normalise(old.dn)
                found.by_key[key] = old
                strange = strange or key not in keys
            if not strange:
                continue
            # The server takes two DNs for one that we tell apart (it folds more
            # than case and spaces, RFC 4518): let it answer for each itself.
            for one in batch:
                if names.normalise(one.dn) not in found.by_key:
                    self._single(one, parent, attributes, found)

    def _single(
        self,
        one: WantedEntry,
        parent: str,
        attributes: list[str],
        found: OldEntries,
    ) -> None:
        anything = filters.parse("(objectClass=*)")
        try:
            for old in self._search(one.dn, "base", anything, attributes):
                found.by_key[names.normalise(one.dn)] = old
        except LdapError as error:
            if error.code != results.NO_SUCH_OBJECT:
                raise
            if parent and self._session.read(parent, ["1.1"]) is None:
                found.missing_parents.add(names.normalise(parent))

    def _search(
        self, base: str, scope: str, wire_filter: bytes, attributes: Iterable[str]
    ) -> Iterator[OldEntry]:
        """Yield entries; all of them are read before the first is used."""
        listed = list(self._session.search(base, scope, wire_filter, attributes))
        for entry_dn, wire_entry in listed:
            entry: Attributes | None = wire_entry
            if ranges.has_ranges(wire_entry):
                entry = ranges.complete(self._session, entry_dn, wire_entry)
            if entry is None:
                continue
            merged: Attributes = {}
            for name, values in entry.items():
                canonical = self._schema.canonical(name)
                merged[canonical] = merged.get(canonical, []) + values
            yield OldEntry(entry_dn, merged)


def _rdn_filter(entry_dn: str) -> bytes:
    parts = [filters.equality(kind, value) for kind, value in names.parse(entry_dn)[0]]
    return parts[0] if len(parts) == 1 else filters.all_of(parts)


def _batches(wanted: list[WantedEntry]) -> Iterator[list[WantedEntry]]:
    waiting = iter(wanted)
    while batch := list(islice(waiting, BATCH)):
        yield batch

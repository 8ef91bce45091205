"""From a wanted entry and the old one to the operations that are needed.

Pure: no connection. A plan is made from what was just read, so it may be made
again at any time, after a lost connection or a race, and comes to rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flext_ldap import dn as names
from flext_ldap import passwords
from flext_ldap.entry_diff import Policy, attribute_changes, unique
from flext_ldap.equality import equality_of
from flext_ldap.messages import REPLACE as REPLACE_VALUES
from flext_ldap.messages import Change
from flext_ldap.operations import Add, Delete, Modify, Rename, SetPassword
from flext_ldap.passwords import Scheme
from flext_ldap.wanted_entries import RecordError

if TYPE_CHECKING:
    from flext_ldap.equality import Equality
    from flext_ldap.messages import Attributes
    from flext_ldap.old_entries import OldEntry
    from flext_ldap.operations import Operation
    from flext_ldap.server_kind import ServerKind
    from flext_ldap.subschema import Subschema
    from flext_ldap.wanted_entries import WantedEntry
    from flext_ldap.write_rules import WriteRules

_MEMBERS = {"groupofnames": "member", "groupofuniquenames": "uniqueMember"}
_PARENT_CLASSES = {
    "ou": "organizationalUnit",
    "o": "organization",
    "l": "locality",
    "c": "country",
    "dc": "domain",
}


class WritePlanner:
    """Plans the writes of one stream."""

    def __init__(
        self, stream: str, rules: WriteRules, kind: ServerKind, schema: Subschema
    ) -> None:
        self._rules = rules
        self._schema = schema
        self._classes = rules.classes(stream, kind)
        self._equalities: dict[str, Equality] = {}

    def operations(self, wanted: WantedEntry, old: OldEntry | None) -> list[Operation]:
        """Return the operations a record needs; none when all is well already.

        Raises:
            RecordError: `operation` forbids what would be needed.
        """
        if wanted.is_deletion:
            return [Delete(old.dn)] if old is not None else []
        if old is None:
            if self._rules.operation == "update":
                raise RecordError("the entry does not exist, and operation is update")
            return self._creation(wanted)
        needed = self._update(wanted, old)
        if needed and self._rules.operation == "create":
            raise RecordError(
                "the entry exists already and differs, and operation is create"
            )
        return needed

    def _equality(self, name: str) -> Equality:
        if name not in self._equalities:
            self._equalities[name] = equality_of(name, self._schema)
        return self._equalities[name]

    # -------------------------------------------------------------- creating

    def _creation(self, wanted: WantedEntry) -> list[Operation]:
        attributes: Attributes = {}
        for name, values in wanted.attributes.items():
            if values and self._rules.policy(name) is not Policy.IGNORE:
                attributes[name] = unique(values, self._equality(name))
        if not attributes.get("objectClass"):
            if not self._classes:
                raise RecordError(
                    "a new entry needs object classes; set object_classes"
                )
            attributes["objectClass"] = [name.encode() for name in self._classes]
        for name, value in self._rdn_values(wanted.dn):
            _include(attributes, name, value, self._equality(name))
        self._hold_place(attributes, attributes["objectClass"])
        operations: list[Operation] = [Add(wanted.dn, attributes)]
        for name, values in wanted.passwords.items():
            if self._rules.password_scheme is Scheme.SERVER and not all(
                map(passwords.has_scheme, values)
            ):
                operations.append(SetPassword(wanted.dn, values[0]))
            else:
                attributes[name] = self._stored(name, values)
        return operations

    def _rdn_values(self, entry_dn: str) -> list[tuple[str, bytes]]:
        return [
            (
                self._schema.canonical(kind),
                value.encode() if isinstance(value, str) else value,
            )
            for kind, value in names.parse(entry_dn)[0]
        ]

    def _hold_place(self, attributes: Attributes, classes: list[bytes]) -> None:
        """Give a group without members the one that its class demands."""
        placeholder = self._rules.placeholder_member
        if placeholder is None:
            return
        for value in classes:
            members = _MEMBERS.get(value.decode("utf-8", "replace").lower())
            if members and not attributes.get(members):
                attributes[members] = [placeholder.encode()]

    def _stored(self, name: str, values: list[bytes]) -> list[bytes]:
        if name.lower() == "unicodepwd":
            return [passwords.active_directory(value) for value in values]
        scheme = self._rules.password_scheme
        return [passwords.hashed(value, scheme) for value in values]

    def parent(self, entry_dn: str) -> Add:
        """Return the add of a parent that is missing.

        Raises:
            RecordError: No class is known for its kind of RDN.
        """
        attributes: Attributes = {}
        for name, value in self._rdn_values(entry_dn):
            attributes.setdefault(name, []).append(value)
        kind = next(iter(attributes)).lower()
        if kind not in _PARENT_CLASSES:
            raise RecordError(
                f"parent {entry_dn!r} does not exist, and create_parents knows no "
                f"class for {kind}="
            )
        attributes["objectClass"] = [_PARENT_CLASSES[kind].encode()]
        return Add(entry_dn, attributes)

    # -------------------------------------------------------------- changing

    def _update(self, wanted: WantedEntry, old: OldEntry) -> list[Operation]:
        operations: list[Operation] = []
        before = dict(old.attributes)
        entry_dn = old.dn
        rename = self._rename(wanted, old)
        if rename is not None:
            operations.append(rename)
            entry_dn = wanted.dn
            before = self._after_rename(old, wanted.dn)
        changes = self._changes(wanted, before, entry_dn)
        changes += self._password_changes(wanted, before)
        if changes:
            operations.append(Modify(entry_dn, changes))
        if self._rules.updates_passwords and (
            self._rules.password_scheme is Scheme.SERVER
        ):
            operations += [
                SetPassword(entry_dn, values[0])
                for name, values in wanted.passwords.items()
                if not _is_known(values, before.get(name, []))
            ]
        return operations

    def _rename(self, wanted: WantedEntry, old: OldEntry) -> Rename | None:
        """Return the rename, be it only of case; None where the DN is right."""
        if not self._rules.renames or not wanted.dn:
            return None
        old_rdns, new_rdns = names.parse(old.dn), names.parse(wanted.dn)
        new_rdn, new_parent = names.unparse(new_rdns[:1]), names.unparse(new_rdns[1:])
        old_parent = names.unparse(old_rdns[1:])
        moves = names.normalise(old_parent) != names.normalise(new_parent)
        if not moves and not _is_renamed(old_rdns[0], new_rdns[0]):
            return None
        return Rename(old.dn, new_rdn, new_parent if moves else None)

    def _after_rename(self, old: OldEntry, new_dn: str) -> Attributes:
        """Return the attributes as the rename leaves them (deleteoldrdn)."""
        after = {name: list(values) for name, values in old.attributes.items()}
        for name, value in self._rdn_values(old.dn):
            fold = self._equality(name).key
            after[name] = [v for v in after.get(name, []) if fold(v) != fold(value)]
        for name, value in self._rdn_values(new_dn):
            after.setdefault(name, []).append(value)
        return after

    def _changes(
        self, wanted: WantedEntry, before: Attributes, entry_dn: str
    ) -> list[Change]:
        attributes = {n: list(values) for n, values in wanted.attributes.items()}
        for name, value in self._rdn_values(entry_dn):
            if name in attributes:  # the RDN's value may not go (RFC 4511 4.6)
                _include(attributes, name, value, self._equality(name))
        classes = before.get("objectClass", []) + attributes.get("objectClass", [])
        if any(name in attributes for name in _MEMBERS.values()):
            self._hold_place(attributes, classes)
        changes: list[Change] = []
        for name, values in attributes.items():
            policy = self._rules.policy(name)
            if name == "objectClass":
                changes += self._class_changes(before.get(name, []), values, policy)
                continue
            changes += attribute_changes(
                name, before.get(name, []), values, self._equality(name), policy
            )
        return changes

    def _class_changes(
        self, old: list[bytes], new: list[bytes], policy: Policy
    ) -> list[Change]:
        """Return added classes; old ones stay unless a policy says otherwise.

        Others add auxiliary classes, and servers add superior ones. A class is
        there when an old one descends from it.
        """
        if policy is not Policy.AUTO:
            rule = self._equality("objectClass")
            return attribute_changes("objectClass", old, new, rule, policy)
        present = {
            name.lower()
            for value in old
            for one in self._schema.lineage(value.decode("utf-8", "replace"))
            for name in (one.oid, *one.names)
        } | {value.decode("utf-8", "replace").lower() for value in old}
        missing = [
            value
            for value in new
            if value.decode("utf-8", "replace").lower() not in present
        ]
        rule = self._equality("objectClass")
        return attribute_changes("objectClass", [], missing, rule, Policy.ADD)

    def _password_changes(
        self, wanted: WantedEntry, before: Attributes
    ) -> list[Change]:
        if (
            not self._rules.updates_passwords
            or self._rules.password_scheme is Scheme.SERVER
        ):
            return []
        return [
            Change(REPLACE_VALUES, name, self._stored(name, values))
            for name, values in wanted.passwords.items()
            if not _is_known(values, before.get(name, []))
        ]


def _is_known(plain: list[bytes], stored: list[bytes]) -> bool:
    """Whether the stored passwords are these; unreadable ones are not."""
    return len(plain) == len(stored) and all(
        any(passwords.matches(one, other) for other in stored) for one in plain
    )


def _include(
    attributes: Attributes, name: str, value: bytes, equality: Equality
) -> None:
    """Make sure the value is among those of the attribute."""
    values = attributes.setdefault(name, [])
    if equality.key(value) not in map(equality.key, values):
        values.append(value)


def _is_renamed(old: names.Rdn, new: names.Rdn) -> bool:
    """Whether one RDN is to become the other, be it only in upper or lower case.

    What else a server folds (it drops outer spaces and line ends, RFC 4518) is
    no difference: the rename would change nothing and come again on every run.
    """
    if _folded(old) != _folded(new):
        return True
    exact_old, exact_new = _caseless(old), _caseless(new)
    return exact_old == exact_new and _spelled(old) != _spelled(new)


def _spelled(rdn: names.Rdn) -> set[tuple[str, names.Value]]:
    return {(kind.lower(), value) for kind, value in rdn}


def _caseless(rdn: names.Rdn) -> set[tuple[str, names.Value]]:
    return {
        (kind, value.casefold() if isinstance(value, str) else value)
        for kind, value in _spelled(rdn)
    }


def _folded(rdn: names.Rdn) -> set[tuple[str, names.Value]]:
    return {
        (kind, " ".join(value.split()) if isinstance(value, str) else value)
        for kind, value in _caseless(rdn)
    }

"""The smallest change that turns an entry into the wanted one.

Nothing is written that is equal already: needless modifies would bump every
modifyTimestamp and feed every replica and every tap behind it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from flext_ldap.messages import ADD, DELETE, REPLACE, Change

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flext_ldap.equality import Equality

#: Up to here replacing all values costs a server no more than naming a few.
_SMALL = 10


class Policy(StrEnum):
    """What the wanted values of an attribute mean for the old ones."""

    AUTO = "auto"  # exactly these; as value changes where they are fewer
    REPLACE = "replace"  # exactly these, as one replacement
    VALUES = "values"  # exactly these, as single values added and deleted
    ADD = "add"  # at least these; nothing is ever removed
    KEEP = "keep"  # only when the entry is created
    IGNORE = "ignore"  # never written


def unique(values: Iterable[bytes], equality: Equality) -> list[bytes]:
    """Return the values without those the server would call repeated.

    Two spellings of one value in a request are attributeOrValueExists (20).
    """
    found: dict[bytes, bytes] = {}
    for value in values:
        found.setdefault(equality.key(value), value)
    return list(found.values())


def attribute_changes(
    name: str,
    old: list[bytes],
    new: list[bytes],
    equality: Equality,
    policy: Policy = Policy.AUTO,
) -> list[Change]:
    """Return the changes of one attribute; none where nothing differs.

    Args:
        name: The attribute, as it is to be written.
        old: Its values on the server; empty where it has none.
        new: The wanted values; empty deletes the attribute.
        equality: How its values are compared.
        policy: What is done about old values.
    """
    if old == new or policy in (Policy.IGNORE, Policy.KEEP):
        return []
    old_by_key = {equality.key(value): value for value in old}
    new_by_key: dict[bytes, bytes] = {}
    for value in new:
        new_by_key.setdefault(equality.key(value), value)
    added = [v for k, v in new_by_key.items() if k not in old_by_key]
    removed = []
    if policy is not Policy.ADD:
        removed = [v for k, v in old_by_key.items() if k not in new_by_key]
        if equality.keeps_spelling:
            respelt = [
                (old_by_key[key], value)
                for key, value in new_by_key.items()
                if old_by_key.get(key, value) != value
            ]
            removed += [before for before, _ in respelt]
            added += [value for _, value in respelt]
    if not added and not removed:
        return []
    if not removed:
        return [Change(ADD, name, added)]
    if not new_by_key:
        return [Change(DELETE, name, [])]
    if _as_replacement(policy, equality, len(added) + len(removed), len(new_by_key)):
        return [Change(REPLACE, name, list(new_by_key.values()))]
    changes = [Change(DELETE, name, removed)]
    if added:
        changes.append(Change(ADD, name, added))
    return changes


def _as_replacement(
    policy: Policy, equality: Equality, changed: int, total: int
) -> bool:
    if policy is Policy.REPLACE or not equality.can_delete_values:
        return True
    if policy is Policy.VALUES:
        return False
    return total <= _SMALL or changed * 2 >= total

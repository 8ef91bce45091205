"""Where each stream looks: the built-in streams and those from settings.

Who is a user or a group differs by server, so the built-in filters wait until
the server is known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flext_ldap import filters, messages
from flext_ldap.dn import DnError
from flext_ldap.dn import parse as parse_dn
from flext_ldap.errors import DirectoryError
from flext_ldap.filters import FilterError
from flext_ldap.read_plan import Search
from flext_ldap.server_kind import ServerKind

if TYPE_CHECKING:
    from collections.abc import Mapping

USERS, GROUPS, UNITS = "users", "groups", "organizational_units"
MEMBERSHIPS, SCHEMA = "memberships", "schema"
BUILT_IN = (USERS, GROUPS, UNITS)

_GENERAL_FILTERS = {
    USERS: "(objectClass=inetOrgPerson)",
    GROUPS: (
        "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)"
        "(objectClass=posixGroup))"
    ),
    UNITS: "(objectClass=organizationalUnit)",
}
_ACTIVE_DIRECTORY_FILTERS = {
    USERS: "(&(objectCategory=person)(objectClass=user))",
    GROUPS: "(objectCategory=group)",
    UNITS: "(objectCategory=organizationalUnit)",
}
_FILTER_SETTINGS = {USERS: "user_filter", GROUPS: "group_filter"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_SCOPES = {
    "base": "base",
    "one": "one",
    "onelevel": "one",
    "level": "one",
    "sub": "sub",
    "subtree": "sub",
}


@dataclass(frozen=True, slots=True)
class StreamSearch:
    """A stream's place, filter and attributes as the settings give them.

    `filter_text` None stands for the built-in filter of this stream;
    `attributes` None for all user attributes.
    """

    name: str
    base: str | None = None
    scope: str = "sub"
    filter_text: str | None = None
    attributes: tuple[str, ...] | None = None
    has_columns: bool = False

    def search(self, base_dn: str, kind: ServerKind) -> Search:
        """Return the search on a server of this kind."""
        text = self.filter_text
        if text is None:
            known = (
                _ACTIVE_DIRECTORY_FILTERS
                if kind is ServerKind.ACTIVE_DIRECTORY
                else _GENERAL_FILTERS
            )
            text = known[self.name]
        base = self.base if self.base is not None else base_dn
        return Search(base, self.scope, filters.parse(text))


def built_in(name: str, config: Mapping[str, Any]) -> StreamSearch:
    """Return the search of a built-in stream, with the user's filter if given."""
    text = config.get(_FILTER_SETTINGS.get(name, "")) or None
    if text is not None:
        _check_filter(text, f"setting {_FILTER_SETTINGS[name]}")
    return StreamSearch(name, filter_text=text)


def of_class(stream: str, object_class: str) -> StreamSearch:
    """Return the search of the stream of one object class."""
    value = filters.escape(object_class)
    return StreamSearch(stream, filter_text=f"(objectClass={value})", has_columns=True)


def custom_streams(config: Mapping[str, Any]) -> list[StreamSearch]:
    """Return the searches of `custom_streams`, each checked.

    Raises:
        DirectoryError: A stream without name or filter, or one that is no filter.
    """
    found = []
    for index, given in enumerate(config.get("custom_streams") or ()):
        where = f"setting custom_streams[{index}]"
        name = str(given.get("name") or "")
        if not _NAME.fullmatch(name):
            raise DirectoryError(
                f"{name!r} is no stream name",
                where=where,
                fix="give a name of letters, digits and underscores",
            )
        text = given.get("filter") or given.get("search_filter") or "(objectClass=*)"
        _check_filter(text, where)
        scope = str(given.get("scope") or "sub").lower()
        if scope not in _SCOPES:
            raise DirectoryError(
                f"scope is {scope!r}",
                where=where,
                fix=f"use one of {', '.join(messages.SCOPES)}",
            )
        base = given.get("base") or given.get("base_dn") or given.get("search_base")
        if base is not None:
            _check_dn(base, where)
        attributes = given.get("attributes")
        has_columns = given.get("shape") == "columns"
        if has_columns and not attributes:
            raise DirectoryError(
                "shape: columns needs to know the columns",
                where=where,
                fix="list them in attributes",
            )
        found.append(
            StreamSearch(
                name=name,
                base=base,
                scope=_SCOPES[scope],
                filter_text=text,
                attributes=tuple(attributes) if attributes else None,
                has_columns=has_columns,
            )
        )
    return found


def _check_filter(text: str, where: str) -> None:
    try:
        filters.parse(text)
    except FilterError as error:
        raise DirectoryError(
            str(error), where=where, fix="write it as in RFC 4515: (objectClass=person)"
        ) from error


def _check_dn(text: str, where: str) -> None:
    try:
        parse_dn(text)
    except DnError as error:
        raise DirectoryError(
            f"base is no DN: {error}", where=where, fix="write ou=people,dc=example"
        ) from error

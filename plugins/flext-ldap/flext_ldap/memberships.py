"""The stream of memberships: who is in which group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE

from flext_ldap import dn as names
from flext_ldap import ranges
from flext_ldap.directory_stream import DirectoryStream, printable
from flext_ldap.entries import EntryError, EntryShape
from flext_ldap.server_schema import read_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flext_singer import FlextTap

    from flext_ldap.stream_search import StreamSearch

#: Attributes that list members, and whether they hold DNs.
_MEMBER_ATTRIBUTES = {
    "member": True,
    "uniquemember": True,
    "roleoccupant": True,
    "memberuid": False,
}


class MembershipStream(DirectoryStream):
    """One record per group and member, read whole on every run.

    Overlays change `member` without touching entryCSN or modifyTimestamp
    (measured with refint and memberof on OpenLDAP 2.5), so no increment of a
    group can be trusted to show its members.
    """

    primary_keys: ClassVar[list[str]] = ["group_entry_uuid", "attribute", "member_key"]
    forced_replication_method = REPLICATION_FULL_TABLE
    schema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "properties": {
            "group_entry_uuid": {"type": "string"},
            "group_dn": {"type": "string"},
            "group_dn_normalised": {"type": "string"},
            "attribute": {"type": "string"},
            "member_key": {"type": "string"},
            "member": {"type": "string"},
            "member_dn_normalised": {"type": ["string", "null"]},
        },
    }

    def __init__(self, tap: FlextTap, name: str, search: StreamSearch) -> None:
        super().__init__(tap, name, type(self).schema, search)

    def get_records(
        self, context: Mapping[str, Any] | None
    ) -> Iterator[dict[str, Any]]:
        """Yield group, attribute and member; `member_key` is the member folded."""
        del context
        session = self._open()
        try:
            search = self._search(session)
            schema = read_schema(session)
            shape = EntryShape(session.server, schema)
            wanted = [*_MEMBER_ATTRIBUTES, session.server.id_attribute, "objectClass"]
            for dn, wire_entry in self._entries(session, search, wanted):
                try:
                    entry = self._whole(session, dn, wire_entry)
                    if entry is None:
                        continue
                    group = shape.record(dn, entry)
                except (EntryError, ranges.RangeError) as error:
                    self.reject(printable(dn), str(error))
                    continue
                yield from _memberships(group)
        finally:
            self._close()


def _memberships(group: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for attribute, members in group["attributes"].items():
        is_dn = _MEMBER_ATTRIBUTES.get(attribute.lower())
        if is_dn is None:
            continue
        seen: set[str] = set()
        for member in members:
            normalised = _normalised_or_none(member) if is_dn else None
            key = normalised or member
            if key in seen:
                continue
            seen.add(key)
            yield {
                "group_entry_uuid": group["entry_uuid"],
                "group_dn": group["dn"],
                "group_dn_normalised": group["dn_normalised"],
                "attribute": attribute,
                "member_key": key,
                "member": member,
                "member_dn_normalised": normalised,
            }


def _normalised_or_none(member: str) -> str | None:
    try:
        return names.normalise(member)
    except names.DnError:
        return None

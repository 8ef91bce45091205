"""Which directory server this is, told from its root DSE (RFC 4512 section 5.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from flext_ldap import dn

if TYPE_CHECKING:
    from flext_ldap.messages import Attributes

SYNC_REQUEST = "1.3.6.1.4.1.4203.1.9.1.1"
DIR_SYNC = "1.2.840.113556.1.4.841"
SHOW_DELETED = "1.2.840.113556.1.4.417"
PERMISSIVE_MODIFY = "1.2.840.113556.1.4.1413"
_AD_CAPABILITY = "1.2.840.113556.1.4.800"

ROOT_DSE_ATTRIBUTES = ("*", "+")


class ServerKind(StrEnum):
    """The servers whose ways are known."""

    OPENLDAP = "openldap"
    DS389 = "389"
    ACTIVE_DIRECTORY = "active_directory"
    OUD = "oud"
    OID = "oid"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What the root DSE says about the server."""

    kind: ServerKind
    vendor: str = ""
    naming_contexts: tuple[str, ...] = ()
    controls: frozenset[str] = frozenset()
    subschema_dn: str = ""
    root: Attributes = field(default_factory=dict, repr=False)

    @property
    def id_attribute(self) -> str:
        """The attribute that names an entry for life, whatever its DN."""
        return {
            ServerKind.DS389: "nsUniqueId",
            ServerKind.ACTIVE_DIRECTORY: "objectGUID",
            ServerKind.OID: "orclGUID",
        }.get(self.kind, "entryUUID")

    def naming_context(self, base_dn: str) -> str:
        """Return the naming context a base lies in, or the base itself."""
        fitting = [c for c in self.naming_contexts if dn.is_under(base_dn, c)]
        return max(fitting, key=len, default=base_dn)

    def is_naming_context(self, entry_dn: str) -> bool:
        """Tell whether an entry is the top of a tree that this server holds."""
        wanted = dn.normalise(entry_dn)
        return any(dn.normalise(context) == wanted for context in self.naming_contexts)

    def first(self, attribute: str) -> str:
        """Return the first value of a root DSE attribute, or nothing."""
        return _first(self.root, attribute)


def _values(root: Attributes, attribute: str) -> list[str]:
    wanted = attribute.lower()
    return [
        value.decode("utf-8", "replace")
        for name, values in root.items()
        if name.lower() == wanted
        for value in values
    ]


def _first(root: Attributes, attribute: str) -> str:
    return next(iter(_values(root, attribute)), "")


def detect(root: Attributes) -> ServerInfo:
    """Return what a root DSE tells about its server."""
    vendor = " ".join(
        filter(None, (_first(root, "vendorName"), _first(root, "vendorVersion")))
    )
    return ServerInfo(
        kind=_kind(root, vendor.lower()),
        vendor=vendor,
        naming_contexts=tuple(_values(root, "namingContexts")),
        controls=frozenset(_values(root, "supportedControl")),
        subschema_dn=_first(root, "subschemaSubentry"),
        root=root,
    )


def _kind(root: Attributes, vendor: str) -> ServerKind:
    classes = {value.lower() for value in _values(root, "objectClass")}
    if "openldaprootdse" in classes:
        return ServerKind.OPENLDAP
    if _AD_CAPABILITY in _values(root, "supportedCapabilities"):
        return ServerKind.ACTIVE_DIRECTORY
    if "389 project" in vendor or "389-directory" in vendor:
        return ServerKind.DS389
    if "unified directory" in vendor:
        return ServerKind.OUD
    if _first(root, "orclDirectoryVersion") or "internet directory" in vendor:
        return ServerKind.OID
    return ServerKind.OTHER

"""The four things done to a directory, as values: sent, or written as LDIF."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from flext_ldap import ber, change_ldif, messages

if TYPE_CHECKING:
    from collections.abc import Container

    from flext_ldap.messages import Attributes, Change


class Operation(Protocol):
    """One operation on one entry."""

    @property
    def dn(self) -> str:
        """The entry it works on."""
        ...

    @property
    def verb(self) -> str:
        """What it does, in a word."""
        ...

    def request(self) -> bytes:
        """Return the LDAP request."""
        ...

    def ldif(self, secret: Container[str]) -> bytes:
        """Return the LDIF change record, without the values of secret names."""
        ...


@dataclass(frozen=True, slots=True)
class Add:
    """Create an entry."""

    dn: str
    attributes: Attributes = field(repr=False)
    verb: str = "add"

    def request(self) -> bytes:
        """Return the add request."""
        return messages.add(self.dn, self.attributes)

    def ldif(self, secret: Container[str]) -> bytes:
        """Return the change record."""
        return change_ldif.add(self.dn, self.attributes, secret)


@dataclass(frozen=True, slots=True)
class Modify:
    """Change attributes of an entry, all or none."""

    dn: str
    changes: list[Change] = field(repr=False)
    verb: str = "modify"

    def request(self) -> bytes:
        """Return the modify request."""
        return messages.modify(self.dn, self.changes)

    def ldif(self, secret: Container[str]) -> bytes:
        """Return the change record."""
        return change_ldif.modify(self.dn, self.changes, secret)


@dataclass(frozen=True, slots=True)
class Rename:
    """Give an entry another RDN, and another parent if one is named."""

    dn: str
    new_rdn: str
    new_parent: str | None = None
    verb: str = "rename"

    def request(self) -> bytes:
        """Return the modify DN request."""
        return messages.rename(self.dn, self.new_rdn, self.new_parent)

    def ldif(self, secret: Container[str]) -> bytes:  # noqa: ARG002 (names nothing secret)
        """Return the change record."""
        return change_ldif.rename(self.dn, self.new_rdn, self.new_parent)


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a leaf entry."""

    dn: str
    verb: str = "delete"

    def request(self) -> bytes:
        """Return the delete request."""
        return messages.delete(self.dn)

    def ldif(self, secret: Container[str]) -> bytes:  # noqa: ARG002 (names nothing secret)
        """Return the change record."""
        return change_ldif.delete(self.dn)


@dataclass(frozen=True, slots=True)
class SetPassword:
    """Have the server set, and hash, a password (RFC 3062)."""

    dn: str
    password: bytes = field(repr=False)
    verb: str = "set password"

    def request(self) -> bytes:
        """Return the password modify request."""
        value = ber.sequence(ber.octets(self.dn, 0x80), ber.octets(self.password, 0x82))
        return messages.extended(messages.PASSWORD_MODIFY, value)

    def ldif(self, secret: Container[str]) -> bytes:  # noqa: ARG002 (LDIF has no word for it)
        """Return a comment: LDIF has no word for it, and it is a secret."""
        about = change_ldif.line("dn", self.dn).replace(b"\n", b"\n# ")
        return b"# " + about.removesuffix(b"# ") + b"# its password would be set\n\n"

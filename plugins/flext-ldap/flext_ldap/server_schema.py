"""The server's schema over a session: read once by tap and target alike."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from flext_ldap.results import LdapError
from flext_ldap.subschema import parse_subschema

if TYPE_CHECKING:
    from flext_ldap.messages import Attributes
    from flext_ldap.session import Session
    from flext_ldap.subschema import Subschema

logger = logging.getLogger(__name__)


def read_schema(session: Session) -> Subschema:
    """Return the server's schema; an empty one where it may not be read."""
    where = session.server.subschema_dn
    entry: Attributes | None = None
    if where:
        try:
            entry = session.read(where, ["attributeTypes", "objectClasses"])
        except LdapError as error:
            logger.warning("the server's schema cannot be read: %s", error)
    schema = parse_subschema(entry or {})
    if schema.unread:
        logger.warning("%d schema definitions could not be read", schema.unread)
    return schema

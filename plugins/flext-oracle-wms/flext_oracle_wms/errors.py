"""What can go wrong with WMS Cloud, by what should happen next."""

from __future__ import annotations

from typing import ClassVar

from flext_singer.errors import FlextError


class WmsError(FlextError):
    """The service refused, or cannot be used.

    Args:
        what: The fault, in the service's own words where it has some.
        where: Verb and path, or the setting.
        fix: What to do; each kind of error has its own default.
    """

    default_fix: ClassVar[str] = "see what the service says, then run again"

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        super().__init__(what, where=where, fix=fix or self.default_fix)


class AuthenticationError(WmsError):
    """Credentials or token were refused; never retried (a user may be locked)."""

    default_fix = (
        "check the credentials; they are not tried again, because the service may"
        " lock the user"
    )


class PermissionDeniedError(WmsError):
    """The user lacks a permission for this entity or verb (HTTP 403)."""

    default_fix = (
        "give the WMS user lgfapi read, create, update or delete access (writing"
        " through interfaces needs update), or leave the entity out"
    )


class NotFoundError(WmsError):
    """HTTP 404 with the service's own error body; on a list it can mean no rows."""

    default_fix = "check base_url, api_version and the entity's name"


class RequestRefusedError(WmsError):
    """HTTP 400, 405 or 409: the request itself was not accepted.

    Args:
        what: As in `WmsError`.
        status: The HTTP status.
        details: The service's `details`, a map or a list.
        where: As in `WmsError`.
        fix: As in `WmsError`.
    """

    default_fix = "check filters, fields and values against the service's message"

    def __init__(
        self,
        what: str,
        status: int,
        details: object = None,
        *,
        where: str = "",
        fix: str = "",
    ) -> None:
        super().__init__(what, where=where, fix=fix)
        self.status = status
        self.details = details


class TransientError(WmsError):
    """The service or the network failed for now, and went on failing."""

    default_fix = "run again later; nothing was skipped"


class RecordError(WmsError):
    """One record cannot be written; others may."""

    default_fix = "mend the record"


class UnknownOutcomeError(TransientError):
    """A write that is not repeated was sent, and its answer never came."""

    default_fix = (
        "look into WMS whether it was carried out before you run again: repeating it"
        " could do it twice"
    )
